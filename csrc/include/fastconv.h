/* fastconv.h: the one public C header of the engine.
 *
 * The life of an operation:
 *
 *     descriptor  --create-->  plan  --execute(args, threads)-->  result
 *
 * `create` validates everything, chooses the algorithm and books scratch; a plan is immutable and
 * owns no buffers, so any number of threads may execute it at once. `execute` never allocates
 * beyond borrowing one scratch block from the pool, never chooses, and writes nothing unless it
 * returns FC_OK.
 *
 * Names follow oneDNN: src, weights, bias, dst; ic oc ih iw oh ow kh kw; dilation 1 is dense.
 * All strides and sizes are in elements, all byte counts say so in their name.
 */
#ifndef FASTCONV_H
#define FASTCONV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status --------------------------------------------------------------------------------- */

typedef enum fc_status {
    FC_OK = 0,
    FC_ERR_INVALID_ARGUMENT = 1,  /* a parameter no implementation could honour */
    FC_ERR_INVALID_SHAPE = 2,     /* sizes that contradict each other or give an empty result */
    FC_ERR_OVERFLOW = 3,          /* a size or a byte count does not fit 63 bits */
    FC_ERR_VERSION = 4,           /* struct_size is not one this library knows */
    FC_ERR_UNSUPPORTED = 16,      /* valid, but this build or algorithm does not do it */
    FC_ERR_OUT_OF_MEMORY = 32,
    FC_ERR_UNKNOWN_ISA = 48       /* FASTCONV_MAX_ISA names no tier of this architecture */
} fc_status;

/* A short English sentence for a status; never NULL. */
const char *fc_status_str(fc_status status);

/* ---- vocabulary ----------------------------------------------------------------------------- */

typedef enum fc_dtype { FC_F32 = 1, FC_F64 = 2 } fc_dtype;

typedef enum fc_isa {
    FC_ISA_SCALAR = 0,
    FC_ISA_SSE2 = 1,
    FC_ISA_AVX2 = 2,
    FC_ISA_AVX512 = 3,
    FC_ISA_NEON = 16
} fc_isa;

typedef enum fc_layout {
    FC_LAYOUT_STRIDED = 1, /* logical N, C, H, W with explicit element strides */
    FC_LAYOUT_NCHW16C = 2  /* channels in blocks of 16, for every tier and dtype */
} fc_layout;

typedef enum fc_direction { FC_FORWARD = 1 } fc_direction;

typedef enum fc_op {
    FC_OP_CONV2D = 1,
    FC_OP_POOL2D = 2,
    FC_OP_LINEAR = 3,
    FC_OP_UNARY = 4,
    FC_OP_SOFTMAX = 5,
    FC_OP_CONV_TRANSPOSE2D = 6,
    FC_OP_CHANNELWISE = 7,
    FC_OP_LRN = 8,
    FC_OP_UNPOOL = 9,
    FC_OP_PAD = 10,
    FC_OP_UNFOLD = 11,
    FC_OP_FOLD = 12,
    FC_OP_INTERPOLATE = 13,
    FC_OP_CONV2D_WEIGHT_GRADIENT = 14,
    FC_OP_CHANNEL_SUMS = 15,
    FC_OP_POOL2D_GRADIENT = 16,
    FC_OP_MAX_POOL_GRADIENT = 17,
    FC_OP_UNPOOL_GRADIENT = 18,
    FC_OP_PAD_GRADIENT = 19,
    FC_OP_INTERPOLATE_GRADIENT = 20,
    FC_OP_UNARY_GRADIENT = 21,
    FC_OP_CHANNEL_GRADIENT = 22,
    FC_OP_LRN_GRADIENT = 23,
    FC_OP_SOFTMAX_GRADIENT = 24,
    FC_OP_CROSS_ENTROPY = 25,
    FC_OP_ADD = 26,
    FC_OP_SCALE = 27,
    FC_OP_COUNT = 28
} fc_op;

typedef enum fc_algorithm {
    FC_ALGO_AUTO = 0,
    FC_ALGO_DIRECT = 1,
    FC_ALGO_1X1 = 2,
    FC_ALGO_IM2COL = 3,
    FC_ALGO_DEPTHWISE = 4,
    FC_ALGO_GEMM = 5,         /* linear */
    FC_ALGO_POOL_ROWS = 6,    /* windowed pooling, vertical pass then horizontal */
    FC_ALGO_POOL_GLOBAL = 7,  /* one value a plane */
    FC_ALGO_POOL_INDICES = 8, /* maximum together with its position */
    FC_ALGO_ELEMENTWISE = 9,
    FC_ALGO_SOFTMAX = 10,
    FC_ALGO_PHASES = 11, /* transposed convolution, a convolution for each phase of the stride */
    FC_ALGO_CHANNELWISE = 12,
    FC_ALGO_LRN = 13,
    FC_ALGO_UNPOOL = 14,
    FC_ALGO_PAD = 15,
    FC_ALGO_UNFOLD = 16,
    FC_ALGO_FOLD = 17,
    FC_ALGO_NEAREST = 18,
    FC_ALGO_BILINEAR = 19,
    FC_ALGO_PLANAR = 20, /* vectors are pixels of planes as they lie */
    FC_ALGO_POINTWISE = 21, /* 1x1 convolution whose vectors are pixels of a plane */
    FC_ALGO_POOL_CHANNELS = 22, /* windowed pooling of channels that lie side by side */
    FC_ALGO_WINOGRAD_F2 = 23, /* 2x2 outputs by transforms, 3x3 or 5x5 taps */
    FC_ALGO_WINOGRAD_F4 = 24,
    FC_ALGO_WINOGRAD_F6 = 25,
    FC_ALGO_LINEAR = 26, /* convolution by a window that is the whole map */
    FC_ALGO_GRADIENT_TILES = 27, /* of weights, in register tiles of lines by output channels */
    FC_ALGO_GRADIENT_DOTS = 28,  /* of weights, by products whose vectors are pixels */
    FC_ALGO_CHANNEL_SUMS = 29,
    FC_ALGO_POOL_GRADIENT = 30, /* of averages and norms: each value spread over its window */
    FC_ALGO_MAX_POOL_GRADIENT = 31,
    FC_ALGO_UNPOOL_GRADIENT = 32,
    FC_ALGO_PAD_GRADIENT = 33,
    FC_ALGO_INTERPOLATE_GRADIENT = 34,
    FC_ALGO_GRADIENT_WINDOWS = 35, /* of weights, the same of windows where they lie */
    FC_ALGO_GRADIENT_WINOGRAD = 36, /* of weights, by F(4, 3) or F(4, 5) transposed */
    FC_ALGO_COUNT = 37
} fc_algorithm;

const char *fc_isa_name(fc_isa isa);
const char *fc_algorithm_name(fc_algorithm algorithm);

typedef enum fc_activation {
    FC_ACT_NONE = 0,
    FC_ACT_RELU = 1,
    FC_ACT_RELU6 = 2,
    FC_ACT_SIGMOID = 3,
    FC_ACT_TANH = 4,
    FC_ACT_SILU = 5,        /* x sigmoid(x) */
    FC_ACT_HARDSIGMOID = 6, /* min(max(x + 3, 0), 6) / 6 */
    FC_ACT_HARDSWISH = 7,   /* x hardsigmoid(x) */
    FC_ACT_GELU = 8,        /* x F(x), F the normal distribution */
    FC_ACT_GELU_TANH = 9,   /* its approximation by tanh */
    FC_ACT_FUSED_COUNT = 10, /* those above also end convolutions; those below take parameters */
    FC_ACT_LEAKY_RELU = 10, /* x > 0 ? x : alpha x */
    FC_ACT_ELU = 11,        /* x > 0 ? x : alpha (e^x - 1) */
    FC_ACT_SOFTPLUS = 12,   /* alpha x > beta ? x : ln(1 + e^(alpha x)) / alpha */
    FC_ACT_COUNT = 13
} fc_activation;

/* ---- runtime -------------------------------------------------------------------------------- */

/* Detects the CPU, applies FASTCONV_MAX_ISA and fills the kernel tables. Idempotent and safe from
 * any thread; every entry point below expects it to have returned FC_OK once. */
fc_status fc_init(void);

typedef struct fc_runtime_info {
    uint32_t struct_size;
    int32_t isa_detected;    /* fc_isa the CPU and the operating system offer */
    int32_t isa_used;        /* after FASTCONV_MAX_ISA */
    int32_t openmp;          /* 1 when built with OpenMP, else calls run on one thread */
    int32_t cores;           /* usable cores: affinity mask and cgroup quota respected */
    int32_t forked_child;    /* 1 in a child of fork, which runs serially */
    uint64_t isa_compiled;   /* bit 1 << fc_isa for each tier in this binary */
    uint64_t l1d_bytes, l2_bytes, l3_bytes;
} fc_runtime_info;

void fc_runtime_query(fc_runtime_info *info);

/* Usable cores now (affinity mask and cgroup quota), at least 1. */
int fc_cores(void);

/* Threads that somebody (threadpoolctl, omp_set_num_threads) left to the calling thread after the
 * engine was loaded; 0 when nothing was limited. */
int fc_thread_limit(void);

/* Attained flop/s of independent fused multiply-adds (multiply then add where the tier has no
 * FMA) on `threads` threads, in one run of a millisecond or more: the roof of "percent of peak".
 * Take it by turns with what is compared, and the median of both: clocks sink under wide vectors. */
double fc_measure_peak(fc_dtype dtype, int threads);

/* ---- memory --------------------------------------------------------------------------------- */

typedef struct fc_memory_info {
    uint32_t struct_size;
    uint64_t in_use_bytes, cached_bytes, peak_bytes, limit_bytes;
    uint64_t hits, misses;
} fc_memory_info;

/* A block from the engine's pool, 64-byte aligned, contents undefined; NULL when memory is out. */
void *fc_pool_acquire(size_t bytes);
/* Gives a block back; safe from any thread, at interpreter shutdown and after fork. */
void fc_pool_release(void *block);
/* Returns all cached blocks to the operating system. */
void fc_pool_trim(void);
void fc_pool_set_limit(uint64_t bytes);
void fc_memory_query(fc_memory_info *info);

/* Test hook: the nth allocation from now fails once (1 is the next one); 0 disarms. */
void fc_test_fail_allocation(int64_t nth);
/* Test hook: the floating-point control word (MXCSR, FPCR) of the calling thread, and the one seen
 * inside a parallel region of the given dtype on each of `threads` threads. */
uint64_t fc_test_fp_control(void);
void fc_test_fp_control_inside(fc_dtype dtype, int threads, uint64_t *control);

/* ---- descriptors ---------------------------------------------------------------------------- */

/* What the border of a convolution holds. Reflect: the source mirrored at its outermost elements,
 * which are not repeated (a side of the border is smaller than the source); replicate: the outermost
 * element; circular: the source again (a side is at most as large as the source). */
typedef enum fc_border {
    FC_BORDER_ZEROS = 0,
    FC_BORDER_REFLECT = 1,
    FC_BORDER_REPLICATE = 2,
    FC_BORDER_CIRCULAR = 3,
    FC_BORDER_COUNT = 4
} fc_border;

/* How much a convolution may round; docs/numerics.md has the bounds. */
typedef enum fc_precision {
    FC_PRECISION_STRICT = 0,  /* one rounded product and one rounded sum for each tap and channel */
    FC_PRECISION_DEFAULT = 1, /* transforms that stay near to that */
    FC_PRECISION_FAST = 2,    /* and that sum long chains of channels */
    FC_PRECISION_COUNT = 3
} fc_precision;

typedef struct fc_conv2d_desc {
    uint32_t struct_size;
    int32_t dtype, direction, src_layout, dst_layout, algorithm, activation;
    int32_t has_bias, has_residual;
    int32_t border;          /* fc_border */
    int32_t weights_strided; /* 0: dense OIHW, and weight_stride is not looked at */
    int32_t weights_prepared; /* 1: to be executed with packed weights, so packing them costs nothing */
    int32_t precision;        /* fc_precision: what AUTO may choose; an algorithm asked for is taken */
    int32_t residual_strided; /* 0: dense NCHW, and residual_stride is not looked at */
    int64_t n, ic, ih, iw, oc, kh, kw;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int64_t stride_h, stride_w, dilation_h, dilation_w, groups;
    int64_t src_stride[4]; /* n, c, h, w; any sign, when src_layout is strided */
    int64_t dst_stride[4]; /* n, c, h, w; w at least 1; no two elements may meet */
    int64_t weight_stride[5]; /* group, oc and ic of the group, kh, kw; any sign */
    int64_t residual_stride[4]; /* n, c, h, w; c is 1, and dst's is too: channels last */
} fc_conv2d_desc;

/* The gradient of a convolution by its weights, from the gradient by its result:
 *   dst[o][i][a][b] = sum over n, y, x of diff_dst[n][o][y][x] * bordered[n][g*ic/groups + i][r][s]
 *   r = y*stride_h + a*dilation_h, s = x*stride_w + b*dilation_w, g = o / (oc/groups)
 * bordered is src with its border; sizes are the convolution's own. dst is dense OIHW; with no images it
 * is zeros. Each sum takes its products in order of (n, y, x), or lane by lane of a vector of x. */
typedef struct fc_conv2d_weight_gradient_desc {
    uint32_t struct_size;
    int32_t dtype;
    int32_t border;     /* fc_border */
    int32_t precision;  /* fc_precision */
    int64_t n, ic, ih, iw, oc, kh, kw;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int64_t stride_h, stride_w, dilation_h, dilation_w, groups;
    int64_t src_stride[4];      /* n, c, h, w; any sign */
    int64_t diff_dst_stride[4]; /* n, c, h, w; any sign */
} fc_conv2d_weight_gradient_desc;

/* The gradient of a bias: dst[c] = sum over n, y, x of src[n][c][y][x]; with no images zeros. */
typedef struct fc_channel_sums_desc {
    uint32_t struct_size;
    int32_t dtype;
    int64_t n, c, h, w;
    int64_t src_stride[4]; /* n, c, h, w; any sign */
} fc_channel_sums_desc;

/* The transpose of a convolution (the gradient by its source): every source element spreads over the
 * window that it belongs to.
 *   dst[n][o][y][x] = act(bias[o] + sum over i, a, b of src[n][i][r][s] * weights[i][o][a][b])
 *   y = r*stride_h + a*dilation_h - pad_top, x = s*stride_w + b*dilation_w - pad_left
 * dst is (ih - 1)*stride_h - pad_top - pad_bottom + dilation_h*(kh - 1) + 1 + output_pad_h high;
 * output_pad is smaller than the stride or the dilation. */
typedef struct fc_conv_transpose2d_desc {
    uint32_t struct_size;
    int32_t dtype, activation, has_bias;
    int32_t weights_strided; /* 0: dense IOHW, and weight_stride is not looked at */
    int32_t precision;       /* fc_precision */
    int64_t n, ic, ih, iw, oc, kh, kw;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int64_t output_pad_h, output_pad_w;
    int64_t stride_h, stride_w, dilation_h, dilation_w, groups;
    int64_t src_stride[4];    /* n, c, h, w; any sign */
    int64_t dst_stride[4];    /* n, c, h, w; w at least 1; no two elements may meet */
    int64_t weight_stride[5]; /* group, ic and oc of the group, kh, kw; any sign */
} fc_conv_transpose2d_desc;

typedef enum fc_pool_kind {
    FC_POOL_MAX = 1,
    FC_POOL_AVG = 2,
    FC_POOL_LP = 3 /* (kh*kw times the average of src^norm)^(1/norm) */
} fc_pool_kind;

typedef struct fc_pool2d_desc {
    uint32_t struct_size;
    int32_t dtype, direction, src_layout, dst_layout, kind;
    int32_t ceil_mode, count_include_pad, with_indices;
    int32_t adaptive; /* oh x ow windows that cover the image: window y are the rows from y*ih/oh
                         (rounded down) to (y+1)*ih/oh (up). Then kh to dilation_w are ignored */
    int64_t n, c, ih, iw, kh, kw;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int64_t stride_h, stride_w, dilation_h, dilation_w;
    int64_t divisor_override; /* 0: none */
    int64_t oh, ow;           /* of the result when adaptive, else 0 */
    double norm;              /* of Lp pooling, not 0; else 0 */
    int64_t src_stride[4];    /* n, c, h, w; w must be 1, or c (but for norms), or indices asked for */
    int64_t dst_strided;      /* 0: dst is dense NCHW, as indices are, and dst_stride is not looked at */
    int64_t dst_stride[4];    /* n, c, h, w; c is 1, and src's is too: channels last, forward, no indices */
} fc_pool2d_desc;

/* The way back from maxima to where they were: dst is 0 but for dst[plane][indices[i]] = src[i]; of
 * equal indices in a plane the last one counts. Indices outside [0, dst_plane) are invalid. */
typedef struct fc_unpool_desc {
    uint32_t struct_size;
    int32_t dtype;
    int64_t planes, src_plane, dst_plane; /* all dense, elements of a plane */
} fc_unpool_desc;

typedef struct fc_linear_desc {
    uint32_t struct_size;
    int32_t dtype, activation, has_bias;
    int32_t weights_bf16; /* 1, of float32 alone: executed with packed weights, which packing rounds to the
                             nearest bfloat16, ties to even; sums and all else stay float32 */
    int32_t reserved;     /* zero */
    int64_t rows, in_features, out_features;
    int64_t src_row_stride; /* features are contiguous; dst is dense */
} fc_linear_desc;           /* dst[r][o] = act(bias[o] + sum_k src[r][k] * weights[o][k]) */

typedef struct fc_unary_desc {
    uint32_t struct_size;
    int32_t dtype, activation, reserved;
    double alpha, beta; /* parameters of the activation, 0 where it has none */
    int64_t count; /* src and dst are dense and equal or disjoint */
} fc_unary_desc;

/* dst[r][i] = act(src[r][i] + residual[r][i]), or without residual act(src[r][i]): the end of a
 * convolution on its own, with the same bits. The elements of a row are contiguous, rows of dst do not
 * meet. src and residual may each be dst, with its row stride, or else are disjoint from it. */
typedef struct fc_add_desc {
    uint32_t struct_size;
    int32_t dtype, activation, has_residual;
    int64_t rows, length;
    int64_t src_row_stride, residual_row_stride, dst_row_stride; /* dst's at least `length` */
} fc_add_desc;

/* dst[r][c][p] = src[r][c][p] * scale[r][c], scale in args.residual. Rows of channels * inner elements
 * are contiguous, rows of dst do not meet, scale is dense. src may be dst, with its row stride. */
typedef struct fc_scale_desc {
    uint32_t struct_size;
    int32_t dtype;
    int64_t rows, channels, inner;
    int64_t src_row_stride, dst_row_stride; /* dst's at least channels * inner */
} fc_scale_desc;

typedef struct fc_softmax_desc {
    uint32_t struct_size;
    int32_t dtype;
    int32_t logarithm; /* of the result */
    int32_t reserved;
    int64_t outer, length, inner; /* dense (outer, length, inner), normalised over length */
} fc_softmax_desc;

typedef enum fc_reduction {
    FC_REDUCTION_NONE = 0,
    FC_REDUCTION_SUM = 1,
    FC_REDUCTION_MEAN = 2 /* weighted by the targets' weights */
} fc_reduction;

/* The cross-entropy of logits src[outer][classes][inner] and the class `target` = indices[outer][inner]:
 *   loss = (1 - s) w[target] nll[target] + s / classes * sum over c of w[c] nll[c],   s = smoothing
 *   nll[c] = m + ln(sum over k of e^(src[k] - m)) - src[c],  m the largest logit;  w = weights or 1
 * 0 where target is `ignored`. dst is every loss, their sum, or it divided by the sum of w[target] of
 * those that are not ignored. diff_src is 0: forward, and `saved` takes 2 * outer * inner elements, m
 * and the logarithm. 1: the gradient by src, from diff_dst (one, or of every loss) and `saved`.
 * A target neither ignored nor a class is invalid. */
typedef struct fc_cross_entropy_desc {
    uint32_t struct_size;
    int32_t dtype, diff_src, reduction, has_weights;
    int32_t reserved; /* zero */
    int64_t ignored;
    double smoothing; /* 0 to 1 */
    int64_t outer, classes, inner; /* dense */
} fc_cross_entropy_desc;

typedef enum fc_channelwise_kind {
    FC_CHANNELWISE_NORM = 1, /* act((src - mean) / sqrt(variance + epsilon) * weights + bias) */
    FC_CHANNELWISE_PRELU = 2 /* src > 0 ? src : weights src */
} fc_channelwise_kind;

typedef struct fc_channelwise_desc {
    uint32_t struct_size;
    int32_t dtype, kind, activation;
    int32_t has_weights, has_bias; /* of a norm; PReLU has weights and no bias */
    double epsilon;
    int64_t outer, channels, inner; /* dense; arguments have `channels` elements each */
} fc_channelwise_desc;

typedef enum fc_channel_gradient_kind {
    FC_CHANNEL_BATCH_NORM = 1,          /* forward, with the statistics of the batch */
    FC_CHANNEL_BATCH_NORM_GRADIENT = 2, /* of that: mean and variance hold what it gave */
    FC_CHANNEL_NORM_GRADIENT = 3,       /* of FC_CHANNELWISE_NORM without activation */
    FC_CHANNEL_PRELU_GRADIENT = 4       /* of FC_CHANNELWISE_PRELU */
} fc_channel_gradient_kind;

/* What sums over whole channels. Of a channel with `count` = outer * inner elements, forward:
 *   mean = sum of src / count,  variance = sum of (src - mean)^2 / count
 *   dst = act((src - mean) / sqrt(variance + epsilon) * weights + bias)
 *   channel_dst: mean, 1 / sqrt(variance + epsilon), variance
 * A gradient, with `deviation` the second of these (in args.variance) or of the known variance:
 *   channel_dst: sum of diff_dst * (src - mean) * deviation, sum of diff_dst; of PReLU the sum of
 *   diff_dst * src where src is not positive. NULL where it is not wanted.
 * Sums are those of pieces of at most 2048 elements, added up in double in one order. */
typedef struct fc_channel_gradient_desc {
    uint32_t struct_size;
    int32_t dtype, kind;
    int32_t activation; /* forward only */
    int32_t has_weights, has_bias;
    double epsilon;                 /* where there is a variance */
    int64_t outer, channels, inner; /* dense; arguments have `channels` elements each */
} fc_channel_gradient_desc;

/* Local response normalisation across channels:
 *   dst = src * (k + alpha / size * sum over the window of src^2)^-beta
 * The window of channel c are the channels from c - before to c - before + size - 1 that exist. */
typedef struct fc_lrn_desc {
    uint32_t struct_size;
    int32_t dtype;
    double alpha, beta, k;
    int64_t size, before;
    int64_t outer, channels, inner; /* dense */
} fc_lrn_desc;

#define FC_PAD_RANK 8

/* A border around an array of up to 8 axes, the last `rank` of each field; dst is dense. FC_BORDER_ZEROS
 * stands for `value`, and then a negative side crops. */
typedef struct fc_pad_desc {
    uint32_t struct_size;
    int32_t dtype, border, rank;
    double value;
    int64_t size[FC_PAD_RANK], before[FC_PAD_RANK], after[FC_PAD_RANK];
    int64_t src_stride[FC_PAD_RANK]; /* any sign */
} fc_pad_desc;

/* unfold: the columns of the im2col matrix, dst[n][(c*kh + a)*kw + b][y*ow + x] = the source under
 * tap (a, b) of window (y, x), or 0. fold: the way back, each element added to where it came from. */
typedef struct fc_unfold_desc {
    uint32_t struct_size;
    int32_t dtype;
    int64_t n, c, ih, iw, kh, kw; /* of the image: unfold's src, fold's dst */
    int64_t pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
    int64_t src_stride[4]; /* of the image, for unfold; all else is dense */
} fc_unfold_desc;

typedef enum fc_interpolation {
    FC_INTERPOLATE_NEAREST = 1, /* pixel floor(i * scale) */
    FC_INTERPOLATE_NEAREST_EXACT = 2, /* pixel floor((i + 0.5) * scale) */
    FC_INTERPOLATE_BILINEAR = 3,      /* between pixels: at (i + 0.5) * scale - 0.5, at least 0 */
    FC_INTERPOLATE_BILINEAR_CORNERS = 4 /* at i * scale */
} fc_interpolation;

typedef struct fc_interpolate_desc {
    uint32_t struct_size;
    int32_t dtype, mode;
    int32_t doubling; /* nearest: pixel i / 2 (or i) for twice (or once) the size, whatever scale is */
    int64_t n, c, ih, iw, oh, ow;
    double scale_h, scale_w; /* source pixels a result pixel */
    int64_t src_stride[4];   /* w must be 1; dst is dense */
} fc_interpolate_desc;

/* ---- plans ---------------------------------------------------------------------------------- */

typedef struct fc_plan fc_plan;

fc_status fc_conv2d_create(const fc_conv2d_desc *desc, fc_plan **plan);
fc_status fc_conv2d_weight_gradient_create(const fc_conv2d_weight_gradient_desc *desc, fc_plan **plan);
fc_status fc_channel_sums_create(const fc_channel_sums_desc *desc, fc_plan **plan);
fc_status fc_conv_transpose2d_create(const fc_conv_transpose2d_desc *desc, fc_plan **plan);
fc_status fc_pool2d_create(const fc_pool2d_desc *desc, fc_plan **plan);
/* Gradients by the source of averages and norms, whose descriptor is the forward's with a dense source:
 * args.src is the gradient by the result, dense too, and of norms args.input and args.result what the
 * forward took and gave. Where a norm is 0 it passes nothing on. */
fc_status fc_pool2d_gradient_create(const fc_pool2d_desc *desc, fc_plan **plan);
/* Of maxima, from their indices: dst[plane][indices[i]] += src[i] in order of i, from zeros; -1 stands
 * for no pixel, all else outside [0, dst_plane) is invalid. */
fc_status fc_max_pool_gradient_create(const fc_unpool_desc *desc, fc_plan **plan);
fc_status fc_unpool_create(const fc_unpool_desc *desc, fc_plan **plan);
/* Of an unpooling without equal indices: dst[plane][i] = src[plane][indices[i]]. The descriptor is the
 * forward's, so src_plane counts elements of dst. */
fc_status fc_unpool_gradient_create(const fc_unpool_desc *desc, fc_plan **plan);
fc_status fc_pad_create(const fc_pad_desc *desc, fc_plan **plan);
/* The descriptor is the forward's, whose source strides are not looked at: src, the gradient by the
 * bordered array, and dst are dense. Each element of src is added to where it was copied from. */
fc_status fc_pad_gradient_create(const fc_pad_desc *desc, fc_plan **plan);
fc_status fc_unfold_create(const fc_unfold_desc *desc, fc_plan **plan);
fc_status fc_fold_create(const fc_unfold_desc *desc, fc_plan **plan);
fc_status fc_interpolate_create(const fc_interpolate_desc *desc, fc_plan **plan);
/* The descriptor is the forward's, whose source strides are not looked at: src, the gradient by the
 * result, and dst are dense. */
fc_status fc_interpolate_gradient_create(const fc_interpolate_desc *desc, fc_plan **plan);
fc_status fc_linear_create(const fc_linear_desc *desc, fc_plan **plan);
fc_status fc_unary_create(const fc_unary_desc *desc, fc_plan **plan);
fc_status fc_unary_gradient_create(const fc_unary_desc *desc, fc_plan **plan);
fc_status fc_add_create(const fc_add_desc *desc, fc_plan **plan);
fc_status fc_scale_create(const fc_scale_desc *desc, fc_plan **plan);
fc_status fc_channelwise_create(const fc_channelwise_desc *desc, fc_plan **plan);
fc_status fc_channel_gradient_create(const fc_channel_gradient_desc *desc, fc_plan **plan);
fc_status fc_lrn_create(const fc_lrn_desc *desc, fc_plan **plan);
fc_status fc_lrn_gradient_create(const fc_lrn_desc *desc, fc_plan **plan);
fc_status fc_softmax_create(const fc_softmax_desc *desc, fc_plan **plan);
fc_status fc_softmax_gradient_create(const fc_softmax_desc *desc, fc_plan **plan);
fc_status fc_cross_entropy_create(const fc_cross_entropy_desc *desc, fc_plan **plan);
void fc_plan_destroy(fc_plan *plan); /* NULL is fine */

typedef struct fc_plan_info {
    uint32_t struct_size;
    int32_t op, algorithm, isa, dtype;
    const char *reason;                   /* why the algorithm was chosen */
    const char *refusal[FC_ALGO_COUNT];   /* by fc_algorithm; NULL: not refused */
    int64_t dst_shape[4];                 /* n, c, h, w; linear: rows, features, 1, 1 */
    int32_t precision;                    /* fc_precision: the strictest at which AUTO may choose it */
    int32_t reserved;
    uint64_t flops, src_bytes, dst_bytes, weight_bytes, packed_weight_bytes;
    /* Which packed form the plan's weights take: plans of one operation, dtype, weight shape and
     * group count for which both numbers are the same, and the first is not 0, make the same bytes of
     * the same weights, and may share one packed buffer. 0: its packed form, if any, is its own. */
    uint64_t packing;
    uint64_t packed_window; /* 0: the whole window is packed; else the part that meets the source */
    double estimate; /* of conv2d: what AUTO thinks one image takes on one thread, in half cycles; else 0 */
} fc_plan_info;

void fc_plan_query(const fc_plan *plan, fc_plan_info *info);

/* Threads that a call takes of those offered: as many as the plan's work repays, at least 1. */
int fc_plan_threads(const fc_plan *plan, int offered);

/* Bytes execute borrows for one call on `threads` threads. `packed` says whether the call will
 * bring packed weights. */
size_t fc_plan_scratch_bytes(const fc_plan *plan, int threads, int packed);

/* Bytes of the packed form of this plan's weights, 0 when it uses them as they are. The form
 * depends on the shape, dtype, algorithm and tier alone. */
size_t fc_plan_packed_bytes(const fc_plan *plan);
/* Packs weights, which lie as the descriptor says (linear: rows of in_features), into a caller-owned,
 * 64-byte aligned buffer of fc_plan_packed_bytes. */
fc_status fc_plan_pack(const fc_plan *plan, const void *weights, void *packed, int threads);

typedef struct fc_args {
    uint32_t struct_size;
    const void *src;
    const void *weights;  /* as the descriptor lays them out, or NULL when `packed` is given */
    const void *packed;   /* from fc_plan_pack, or NULL: packed into scratch by each call */
    const void *bias;     /* oc elements, when the descriptor has one */
    const void *mean;     /* of a channelwise norm */
    const void *variance;
    const void *residual; /* shape of dst, when the descriptor has one; of fc_scale_desc the scale */
    const void *diff_dst; /* of a gradient: by the result of the operation */
    void *channel_dst[3]; /* of fc_channel_gradient_desc */
    void *saved;          /* of fc_cross_entropy_desc: written forward, read by the gradient */
    void *dst;
    int64_t *indices;     /* written by pooling with_indices, read by unpooling */
    const void *input;    /* of the gradient of Lp pooling: what it took and gave */
    const void *result;
} fc_args;

fc_status fc_execute(const fc_plan *plan, const fc_args *args, int threads);

/* ---- programs ------------------------------------------------------------------------------------ */

/* A compiled network: plans with their operands, run one after another by one call. Operands lie in an
 * arena, which the program borrows for the length of a call together with scratch, and in arguments, which
 * are the caller's. A program is immutable and owns no buffers: many threads may execute it at once. */
typedef enum fc_place {
    FC_PLACE_NONE = 0, /* a residual that the plan has not */
    FC_PLACE_ARENA = 1,
    FC_PLACE_ARGUMENT = 2,
    FC_PLACE_WORKER = 3 /* what each thread has for the repeat that it is at */
} fc_place;

/* Where the origin of an operand is in a repeat, counted from 0, of its section: so many bytes from the
 * beginning of its place, offset_bytes + repeat * advance_bytes, both multiples of the element. */
typedef struct fc_operand {
    int32_t place;    /* fc_place */
    int32_t argument; /* which, of FC_PLACE_ARGUMENT; else 0 */
    int64_t offset_bytes, advance_bytes;
} fc_operand;

/* A plan, and for each field of fc_args that it reads or writes where that is. */
typedef struct fc_step {
    const fc_plan *plan;
    fc_operand src, residual, dst;
    const void *weights, *packed, *bias, *mean, *variance;
} fc_step;

/* Steps that run in order, and all of them `repeats` times: a batch in parts that fit the cache. `beside`: no
 * repeat reads or writes what another writes, but in a worker's memory. Then threads may run one each, where
 * that of all of them fits the last cache; else, and what is left over, every step is all threads'. */
typedef struct fc_section {
    int64_t first_step, steps, repeats; /* the first step is the one after the last section's */
    int64_t beside;
} fc_section;

typedef struct fc_argument {
    int64_t bytes;
    int32_t written; /* 0: read alone */
    int32_t reserved; /* zero */
} fc_argument;

typedef struct fc_program_desc {
    uint32_t struct_size;
    int32_t reserved; /* zero */
    const fc_step *steps;
    const fc_section *sections;
    const fc_argument *arguments;
    int64_t step_count, section_count, argument_count;
    int64_t arena_bytes;
    int64_t worker_bytes; /* of FC_PLACE_WORKER */
} fc_program_desc;

typedef struct fc_program fc_program;

/* Takes plans of conv2d, conv_transpose2d, pool2d without indices, linear, unary, channelwise, lrn,
 * softmax, pad, interpolate, add and scale, none of them empty. Steps, sections and arguments are copied,
 * plans and weights borrowed. Invalid is a program
 *   of which an operand leaves its place in any repeat, or is not aligned to its element
 *   which writes an argument that is read alone, or the same bytes in repeats that may run side by side
 *   of which a step's dst shares bytes with its src or residual, other than being the same operand where
 *   the operation may work in place. What a plan reads and writes is taken as whole spans of bytes: of all
 *   of it; or of each image, where both operands have equal distances between images, so that channels of
 *   one buffer may be read while others are written. Operands that advance differently: of all repeats.
 * `step`, unless it is NULL, becomes the number of the step at fault, or -1. */
fc_status fc_program_create(const fc_program_desc *desc, fc_program **program, int64_t *step);
void fc_program_destroy(fc_program *program); /* NULL is fine */

/* Bytes that a call on so many threads borrows: the arena, and workers' memory and scratch. */
size_t fc_program_arena_bytes(const fc_program *program, int threads);

/* `arguments` are as large as the program says. Invalid are ones that are not aligned to the elements in
 * them, and one that is written and shares memory with another. What the arena holds before its first
 * write is undefined, and so is a worker's memory before that of a repeat. step_nanoseconds, unless it is
 * NULL, becomes the time of each step, all repeats together; where threads ran repeats side by side, its
 * share of the time that went by. */
fc_status fc_program_execute(const fc_program *program, void *const *arguments, int threads,
                             uint64_t *step_nanoseconds);

/* ---- parameters and their gradients ------------------------------------------------------------- */

/* Lists of dense arrays, in one pass over all of them. There is no plan: what would be in it, rates and
 * numbers of steps, is new in each call. All is checked before anything is written; results are the same
 * for any number of threads. */
typedef struct fc_parameter {
    void *weights;      /* of fc_optimizer_step */
    void *diff_weights; /* the gradient; read by fc_optimizer_step and fc_gradient_norm */
    void *state[3];     /* of fc_optimizer_step */
    int64_t count;      /* elements of each of these; none share memory with another, or all are equal */
    int64_t step;       /* of fc_optimizer_step: which update of this parameter this is, from 1 */
} fc_parameter;

typedef enum fc_optimizer_kind {
    FC_OPTIMIZER_SGD = 1,
    FC_OPTIMIZER_ADAM = 2,
    FC_OPTIMIZER_RMSPROP = 3
} fc_optimizer_kind;

/* With w the weights and g = maximize ? -diff_weights : diff_weights; unless `decoupled`, then
 * g += weight_decay * w.
 * SGD:      w -= lr * g                            momentum 0, no state
 *           b = step > 1 ? momentum * b + (1 - dampening) * g : g          b = state[0]
 *           w -= lr * (nesterov ? g + momentum * b : b)
 * Adam:     w -= lr * weight_decay * w             decoupled
 *           m += (1 - beta1) * (g - m)             m = state[0]
 *           v = beta2 * v + (1 - beta2) * g^2      v = state[1]
 *           u = amsgrad ? max(state[2], v) : v     state[2] = u
 *           w -= lr / (1 - beta1^step) * m / (sqrt(u) / sqrt(1 - beta2^step) + epsilon)
 * RMSprop:  v = beta2 * v + (1 - beta2) * g^2      v = state[0]
 *           m += (1 - beta2) * (g - m)             m = state[1], centered
 *           d = g / (sqrt(v - (centered ? m^2 : 0)) + epsilon)
 *           b = momentum * b + d                   b = state[2], momentum not 0
 *           w -= lr * (momentum != 0 ? b : d)
 * Fields that a kind does not name are 0, states that it does not name NULL. */
typedef struct fc_optimizer_desc {
    uint32_t struct_size;
    int32_t dtype, kind;
    int32_t maximize, nesterov, decoupled, amsgrad, centered;
    double lr, weight_decay, momentum, dampening;
    double beta1, beta2; /* at least 0, below 1 */
    double epsilon;      /* at least 0 */
} fc_optimizer_desc;

fc_status fc_optimizer_step(const fc_optimizer_desc *desc, const fc_parameter *parameters, int64_t count,
                            int threads);

typedef enum fc_gradient_norm_kind {
    FC_NORM_SUM_SQUARES = 1, /* of runs of 1024 elements, added up in double in one order */
    FC_NORM_GREATEST = 2     /* magnitude; a NaN is greater than all */
} fc_gradient_norm_kind;

/* Of the elements of all gradients together; 0 of none. */
fc_status fc_gradient_norm(fc_dtype dtype, fc_gradient_norm_kind kind, const fc_parameter *parameters,
                           int64_t count, int threads, double *norm);

typedef enum fc_gradient_limit_kind {
    FC_LIMIT_SCALE = 1, /* diff_weights *= value */
    FC_LIMIT_CLAMP = 2  /* into -value to value, which is at least 0; NaN stays */
} fc_gradient_limit_kind;

fc_status fc_gradient_limit(fc_dtype dtype, fc_gradient_limit_kind kind, double value,
                            const fc_parameter *parameters, int64_t count, int threads);

#ifdef __cplusplus
}
#endif
#endif
