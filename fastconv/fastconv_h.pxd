"""The C header of the engine, csrc/include/fastconv.h, as Cython sees it."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "fastconv.h" nogil:
    ctypedef enum fc_status:
        FC_OK
        FC_ERR_INVALID_ARGUMENT
        FC_ERR_INVALID_SHAPE
        FC_ERR_OVERFLOW
        FC_ERR_VERSION
        FC_ERR_UNSUPPORTED
        FC_ERR_OUT_OF_MEMORY
        FC_ERR_UNKNOWN_ISA

    const char *fc_status_str(fc_status status)

    ctypedef enum fc_dtype:
        FC_F32
        FC_F64

    ctypedef enum fc_isa:
        FC_ISA_SCALAR
        FC_ISA_SSE2
        FC_ISA_AVX2
        FC_ISA_AVX512
        FC_ISA_NEON

    ctypedef enum fc_layout:
        FC_LAYOUT_STRIDED
        FC_LAYOUT_NCHW16C

    ctypedef enum fc_direction:
        FC_FORWARD

    ctypedef enum fc_op:
        FC_OP_CONV2D
        FC_OP_POOL2D
        FC_OP_LINEAR
        FC_OP_UNARY
        FC_OP_SOFTMAX
        FC_OP_CONV_TRANSPOSE2D
        FC_OP_CHANNELWISE
        FC_OP_LRN
        FC_OP_UNPOOL
        FC_OP_PAD
        FC_OP_UNFOLD
        FC_OP_FOLD
        FC_OP_INTERPOLATE
        FC_OP_CONV2D_WEIGHT_GRADIENT
        FC_OP_CHANNEL_SUMS
        FC_OP_POOL2D_GRADIENT
        FC_OP_MAX_POOL_GRADIENT
        FC_OP_UNPOOL_GRADIENT
        FC_OP_PAD_GRADIENT
        FC_OP_INTERPOLATE_GRADIENT
        FC_OP_UNARY_GRADIENT
        FC_OP_CHANNEL_GRADIENT
        FC_OP_LRN_GRADIENT
        FC_OP_SOFTMAX_GRADIENT
        FC_OP_CROSS_ENTROPY
        FC_OP_ADD
        FC_OP_SCALE

    ctypedef enum fc_algorithm:
        FC_ALGO_AUTO
        FC_ALGO_DIRECT
        FC_ALGO_1X1
        FC_ALGO_IM2COL
        FC_ALGO_DEPTHWISE
        FC_ALGO_GEMM
        FC_ALGO_POOL_ROWS
        FC_ALGO_POOL_GLOBAL
        FC_ALGO_POOL_INDICES
        FC_ALGO_ELEMENTWISE
        FC_ALGO_SOFTMAX
        FC_ALGO_PHASES
        FC_ALGO_CHANNELWISE
        FC_ALGO_LRN
        FC_ALGO_UNPOOL
        FC_ALGO_PAD
        FC_ALGO_UNFOLD
        FC_ALGO_FOLD
        FC_ALGO_NEAREST
        FC_ALGO_BILINEAR
        FC_ALGO_PLANAR
        FC_ALGO_POINTWISE
        FC_ALGO_LINEAR
        FC_ALGO_POOL_CHANNELS
        FC_ALGO_WINOGRAD_F2
        FC_ALGO_WINOGRAD_F4
        FC_ALGO_WINOGRAD_F6
        FC_ALGO_COUNT

    const char *fc_isa_name(fc_isa isa)
    const char *fc_algorithm_name(fc_algorithm algorithm)

    ctypedef enum fc_activation:
        FC_ACT_NONE
        FC_ACT_RELU
        FC_ACT_RELU6
        FC_ACT_SIGMOID
        FC_ACT_TANH
        FC_ACT_SILU
        FC_ACT_HARDSIGMOID
        FC_ACT_HARDSWISH
        FC_ACT_GELU
        FC_ACT_GELU_TANH
        FC_ACT_LEAKY_RELU
        FC_ACT_ELU
        FC_ACT_SOFTPLUS

    fc_status fc_init()

    ctypedef struct fc_runtime_info:
        uint32_t struct_size
        int32_t isa_detected
        int32_t isa_used
        int32_t openmp
        int32_t cores
        int32_t forked_child
        uint64_t isa_compiled
        uint64_t l1d_bytes
        uint64_t l2_bytes
        uint64_t l3_bytes

    void fc_runtime_query(fc_runtime_info *info)
    int fc_cores()
    int fc_thread_limit()
    double fc_measure_peak(fc_dtype dtype, int threads)

    ctypedef struct fc_memory_info:
        uint32_t struct_size
        uint64_t in_use_bytes
        uint64_t cached_bytes
        uint64_t peak_bytes
        uint64_t limit_bytes
        uint64_t hits
        uint64_t misses

    void *fc_pool_acquire(size_t bytes)
    void fc_pool_release(void *block)
    void fc_pool_trim()
    void fc_memory_query(fc_memory_info *info)
    void fc_test_fail_allocation(int64_t nth)
    uint64_t fc_test_fp_control()
    void fc_test_fp_control_inside(fc_dtype dtype, int threads, uint64_t *control)

    ctypedef enum fc_border:
        FC_BORDER_ZEROS
        FC_BORDER_REFLECT
        FC_BORDER_REPLICATE
        FC_BORDER_CIRCULAR

    ctypedef enum fc_precision:
        FC_PRECISION_STRICT
        FC_PRECISION_DEFAULT
        FC_PRECISION_FAST

    ctypedef struct fc_conv2d_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t direction
        int32_t src_layout
        int32_t dst_layout
        int32_t algorithm
        int32_t activation
        int32_t has_bias
        int32_t has_residual
        int32_t border
        int32_t weights_strided
        int32_t weights_prepared
        int32_t precision
        int32_t residual_strided
        int64_t n
        int64_t ic
        int64_t ih
        int64_t iw
        int64_t oc
        int64_t kh
        int64_t kw
        int64_t pad_top
        int64_t pad_bottom
        int64_t pad_left
        int64_t pad_right
        int64_t stride_h
        int64_t stride_w
        int64_t dilation_h
        int64_t dilation_w
        int64_t groups
        int64_t src_stride[4]
        int64_t dst_stride[4]
        int64_t weight_stride[5]
        int64_t residual_stride[4]

    ctypedef struct fc_conv2d_weight_gradient_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t border
        int32_t precision
        int64_t n, ic, ih, iw, oc, kh, kw
        int64_t pad_top, pad_bottom, pad_left, pad_right
        int64_t stride_h, stride_w, dilation_h, dilation_w, groups
        int64_t[4] src_stride
        int64_t[4] diff_dst_stride

    ctypedef struct fc_channel_sums_desc:
        uint32_t struct_size
        int32_t dtype
        int64_t n, c, h, w
        int64_t[4] src_stride

    ctypedef struct fc_conv_transpose2d_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t activation
        int32_t has_bias
        int32_t weights_strided
        int32_t precision
        int64_t n
        int64_t ic
        int64_t ih
        int64_t iw
        int64_t oc
        int64_t kh
        int64_t kw
        int64_t pad_top
        int64_t pad_bottom
        int64_t pad_left
        int64_t pad_right
        int64_t output_pad_h
        int64_t output_pad_w
        int64_t stride_h
        int64_t stride_w
        int64_t dilation_h
        int64_t dilation_w
        int64_t groups
        int64_t src_stride[4]
        int64_t dst_stride[4]
        int64_t weight_stride[5]

    ctypedef enum fc_pool_kind:
        FC_POOL_MAX
        FC_POOL_AVG
        FC_POOL_LP

    ctypedef struct fc_pool2d_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t direction
        int32_t src_layout
        int32_t dst_layout
        int32_t kind
        int32_t ceil_mode
        int32_t count_include_pad
        int32_t with_indices
        int32_t adaptive
        int64_t n
        int64_t c
        int64_t ih
        int64_t iw
        int64_t kh
        int64_t kw
        int64_t pad_top
        int64_t pad_bottom
        int64_t pad_left
        int64_t pad_right
        int64_t stride_h
        int64_t stride_w
        int64_t dilation_h
        int64_t dilation_w
        int64_t divisor_override
        int64_t oh
        int64_t ow
        double norm
        int64_t src_stride[4]
        int64_t dst_strided
        int64_t dst_stride[4]

    ctypedef struct fc_unpool_desc:
        uint32_t struct_size
        int32_t dtype
        int64_t planes
        int64_t src_plane
        int64_t dst_plane

    cdef enum:
        FC_PAD_RANK

    ctypedef struct fc_pad_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t border
        int32_t rank
        double value
        int64_t size[8]
        int64_t before[8]
        int64_t after[8]
        int64_t src_stride[8]

    ctypedef struct fc_unfold_desc:
        uint32_t struct_size
        int32_t dtype
        int64_t n
        int64_t c
        int64_t ih
        int64_t iw
        int64_t kh
        int64_t kw
        int64_t pad_h
        int64_t pad_w
        int64_t stride_h
        int64_t stride_w
        int64_t dilation_h
        int64_t dilation_w
        int64_t src_stride[4]

    ctypedef enum fc_interpolation:
        FC_INTERPOLATE_NEAREST
        FC_INTERPOLATE_NEAREST_EXACT
        FC_INTERPOLATE_BILINEAR
        FC_INTERPOLATE_BILINEAR_CORNERS

    ctypedef struct fc_interpolate_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t mode
        int32_t doubling
        int64_t n
        int64_t c
        int64_t ih
        int64_t iw
        int64_t oh
        int64_t ow
        double scale_h
        double scale_w
        int64_t src_stride[4]

    ctypedef struct fc_linear_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t activation
        int32_t has_bias
        int32_t weights_bf16
        int64_t rows
        int64_t in_features
        int64_t out_features
        int64_t src_row_stride

    ctypedef struct fc_add_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t activation
        int32_t has_residual
        int64_t rows, length
        int64_t src_row_stride, residual_row_stride, dst_row_stride

    ctypedef struct fc_scale_desc:
        uint32_t struct_size
        int32_t dtype
        int64_t rows, channels, inner
        int64_t src_row_stride, dst_row_stride

    ctypedef struct fc_unary_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t activation
        int32_t reserved
        double alpha
        double beta
        int64_t count

    ctypedef struct fc_softmax_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t logarithm
        int32_t reserved
        int64_t outer
        int64_t length
        int64_t inner

    ctypedef enum fc_channelwise_kind:
        FC_CHANNELWISE_NORM
        FC_CHANNELWISE_PRELU

    ctypedef struct fc_channelwise_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t kind
        int32_t activation
        int32_t has_weights
        int32_t has_bias
        double epsilon
        int64_t outer
        int64_t channels
        int64_t inner

    ctypedef struct fc_lrn_desc:
        uint32_t struct_size
        int32_t dtype
        double alpha
        double beta
        double k
        int64_t size
        int64_t before
        int64_t outer
        int64_t channels
        int64_t inner

    ctypedef enum fc_channel_gradient_kind:
        FC_CHANNEL_BATCH_NORM
        FC_CHANNEL_BATCH_NORM_GRADIENT
        FC_CHANNEL_NORM_GRADIENT
        FC_CHANNEL_PRELU_GRADIENT

    ctypedef struct fc_channel_gradient_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t kind
        int32_t activation
        int32_t has_weights
        int32_t has_bias
        double epsilon
        int64_t outer
        int64_t channels
        int64_t inner

    ctypedef enum fc_reduction:
        FC_REDUCTION_NONE
        FC_REDUCTION_SUM
        FC_REDUCTION_MEAN

    ctypedef struct fc_cross_entropy_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t diff_src
        int32_t reduction
        int32_t has_weights
        int32_t reserved
        int64_t ignored
        double smoothing
        int64_t outer
        int64_t classes
        int64_t inner

    ctypedef struct fc_plan:
        pass

    fc_status fc_conv2d_create(const fc_conv2d_desc *desc, fc_plan **plan)
    fc_status fc_conv2d_weight_gradient_create(
        const fc_conv2d_weight_gradient_desc *desc, fc_plan **plan)
    fc_status fc_channel_sums_create(const fc_channel_sums_desc *desc, fc_plan **plan)
    fc_status fc_conv_transpose2d_create(const fc_conv_transpose2d_desc *desc, fc_plan **plan)
    fc_status fc_pool2d_create(const fc_pool2d_desc *desc, fc_plan **plan)
    fc_status fc_pool2d_gradient_create(const fc_pool2d_desc *desc, fc_plan **plan)
    fc_status fc_max_pool_gradient_create(const fc_unpool_desc *desc, fc_plan **plan)
    fc_status fc_unpool_gradient_create(const fc_unpool_desc *desc, fc_plan **plan)
    fc_status fc_unpool_create(const fc_unpool_desc *desc, fc_plan **plan)
    fc_status fc_pad_create(const fc_pad_desc *desc, fc_plan **plan)
    fc_status fc_pad_gradient_create(const fc_pad_desc *desc, fc_plan **plan)
    fc_status fc_unfold_create(const fc_unfold_desc *desc, fc_plan **plan)
    fc_status fc_fold_create(const fc_unfold_desc *desc, fc_plan **plan)
    fc_status fc_interpolate_create(const fc_interpolate_desc *desc, fc_plan **plan)
    fc_status fc_interpolate_gradient_create(const fc_interpolate_desc *desc, fc_plan **plan)
    fc_status fc_linear_create(const fc_linear_desc *desc, fc_plan **plan)
    fc_status fc_unary_create(const fc_unary_desc *desc, fc_plan **plan)
    fc_status fc_add_create(const fc_add_desc *desc, fc_plan **plan)
    fc_status fc_scale_create(const fc_scale_desc *desc, fc_plan **plan)
    fc_status fc_unary_gradient_create(const fc_unary_desc *desc, fc_plan **plan)
    fc_status fc_channelwise_create(const fc_channelwise_desc *desc, fc_plan **plan)
    fc_status fc_channel_gradient_create(
        const fc_channel_gradient_desc *desc, fc_plan **plan)
    fc_status fc_lrn_create(const fc_lrn_desc *desc, fc_plan **plan)
    fc_status fc_lrn_gradient_create(const fc_lrn_desc *desc, fc_plan **plan)
    fc_status fc_softmax_create(const fc_softmax_desc *desc, fc_plan **plan)
    fc_status fc_softmax_gradient_create(const fc_softmax_desc *desc, fc_plan **plan)
    fc_status fc_cross_entropy_create(const fc_cross_entropy_desc *desc, fc_plan **plan)
    void fc_plan_destroy(fc_plan *plan)

    ctypedef struct fc_plan_info:
        uint32_t struct_size
        int32_t op
        int32_t algorithm
        int32_t isa
        int32_t dtype
        const char *reason
        const char *refusal[11]  # FC_ALGO_COUNT; the C compiler sees the header's own length
        int64_t dst_shape[4]
        int32_t precision
        uint64_t flops
        uint64_t src_bytes
        uint64_t dst_bytes
        uint64_t weight_bytes
        uint64_t packed_weight_bytes
        uint64_t packing
        uint64_t packed_window
        double estimate

    void fc_plan_query(const fc_plan *plan, fc_plan_info *info)
    int fc_plan_threads(const fc_plan *plan, int offered)
    size_t fc_plan_scratch_bytes(const fc_plan *plan, int threads, int packed)
    fc_status fc_plan_pack(const fc_plan *plan, const void *weights, void *packed, int threads)

    ctypedef struct fc_args:
        uint32_t struct_size
        const void *src
        const void *weights
        const void *packed
        const void *bias
        const void *mean
        const void *variance
        const void *residual
        const void *diff_dst
        void *channel_dst[3]
        void *saved
        void *dst
        int64_t *indices
        const void *input
        const void *result

    fc_status fc_execute(const fc_plan *plan, const fc_args *args, int threads)

    ctypedef struct fc_parameter:
        void *weights
        void *diff_weights
        void *state[3]
        int64_t count
        int64_t step

    ctypedef enum fc_optimizer_kind:
        FC_OPTIMIZER_SGD
        FC_OPTIMIZER_ADAM
        FC_OPTIMIZER_RMSPROP

    ctypedef struct fc_optimizer_desc:
        uint32_t struct_size
        int32_t dtype
        int32_t kind
        int32_t maximize
        int32_t nesterov
        int32_t decoupled
        int32_t amsgrad
        int32_t centered
        double lr
        double weight_decay
        double momentum
        double dampening
        double beta1
        double beta2
        double epsilon

    fc_status fc_optimizer_step(const fc_optimizer_desc *desc, const fc_parameter *parameters,
                                int64_t count, int threads)

    ctypedef enum fc_gradient_norm_kind:
        FC_NORM_SUM_SQUARES
        FC_NORM_GREATEST

    fc_status fc_gradient_norm(fc_dtype dtype, fc_gradient_norm_kind kind,
                               const fc_parameter *parameters, int64_t count, int threads,
                               double *norm)

    ctypedef enum fc_gradient_limit_kind:
        FC_LIMIT_SCALE
        FC_LIMIT_CLAMP

    fc_status fc_gradient_limit(fc_dtype dtype, fc_gradient_limit_kind kind, double value,
                                const fc_parameter *parameters, int64_t count, int threads)


    ctypedef enum fc_place:
        FC_PLACE_NONE
        FC_PLACE_ARENA
        FC_PLACE_ARGUMENT
        FC_PLACE_WORKER

    ctypedef struct fc_operand:
        int32_t place, argument
        int64_t offset_bytes, advance_bytes

    ctypedef struct fc_step:
        const fc_plan *plan
        fc_operand src, residual, dst
        const void *weights
        const void *packed
        const void *bias
        const void *mean
        const void *variance

    ctypedef struct fc_section:
        int64_t first_step, steps, repeats, beside

    ctypedef struct fc_argument:
        int64_t bytes
        int32_t written, reserved

    ctypedef struct fc_program_desc:
        uint32_t struct_size
        int32_t reserved
        const fc_step *steps
        const fc_section *sections
        const fc_argument *arguments
        int64_t step_count, section_count, argument_count
        int64_t arena_bytes, worker_bytes

    ctypedef struct fc_program:
        pass

    fc_status fc_program_create(const fc_program_desc *desc, fc_program **program, int64_t *step)
    void fc_program_destroy(fc_program *program)
    size_t fc_program_arena_bytes(const fc_program *program, int threads)
    fc_status fc_program_execute(const fc_program *program, void *const *arguments, int threads,
                                 uint64_t *step_nanoseconds)


# Sizes that do not fit 63 bits must be found, not wrapped: these say "refused" with -1.
cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    /* (size + before + after - (dilation * (kernel - 1) + 1) + slack) / stride + 1, or -1 when
     * that is below 1 or a step of it does not fit int64_t. `slack` is stride - 1 for ceil mode.
     * Everything but `kernel` and `stride`, which are at least 1, may be 0. */
    static inline int64_t fcpy_window_count(int64_t size, int64_t before, int64_t after,
                                            int64_t kernel, int64_t stride, int64_t dilation,
                                            int64_t slack) {
        int64_t span, room;
        if (__builtin_mul_overflow(dilation, kernel - 1, &span) ||
            __builtin_add_overflow(span, 1, &span) ||
            __builtin_add_overflow(size, before, &room) ||
            __builtin_add_overflow(room, after, &room) ||
            __builtin_sub_overflow(room, span, &room) ||
            __builtin_add_overflow(room, slack, &room))
            return -1;
        return room < 0 ? -1 : room / stride + 1;
    }

    /* Both sides of the border with which an axis gives ceil(size / stride) windows; the odd element
     * comes first or last. 0 when a step of it does not fit int64_t. All of it is at least 1. */
    static inline int fcpy_same_sides(int64_t size, int64_t kernel, int64_t stride,
                                      int64_t dilation, int odd_first, int64_t *before,
                                      int64_t *after) {
        int64_t total;
        if (__builtin_mul_overflow(dilation, kernel - 1, &total)) return 0;
        total += (size - 1) / stride * stride - (size - 1);
        if (total < 0) total = 0;
        *before = odd_first ? total - total / 2 : total / 2;
        *after = total - *before;
        return 1;
    }

    /* (size - 1) * stride - before - after + dilation * (kernel - 1) + 1 + extra, or -1 when that is
     * below 1 or a step of it does not fit int64_t. All of it is at least 0, size and kernel 1. */
    static inline int64_t fcpy_transposed_size(int64_t size, int64_t before, int64_t after,
                                               int64_t kernel, int64_t stride, int64_t dilation,
                                               int64_t extra) {
        int64_t span, count;
        if (__builtin_mul_overflow(dilation, kernel - 1, &span) ||
            __builtin_mul_overflow(stride, size - 1, &count) ||
            __builtin_add_overflow(count, span, &count) ||
            __builtin_add_overflow(count, 1, &count) ||
            __builtin_add_overflow(count, extra, &count) ||
            __builtin_sub_overflow(count, before, &count) ||
            __builtin_sub_overflow(count, after, &count))
            return -1;
        return count < 1 ? -1 : count;
    }

    /* Bytes of an array, or -1 when they do not fit; an empty axis counts as one element, for NumPy
     * also refuses an empty array whose other axes multiply to too much. */
    static inline int64_t fcpy_array_bytes(int ndim, const Py_ssize_t *dims, int64_t itemsize) {
        int64_t bytes = itemsize;
        for (int i = 0; i < ndim; i++)
            if (dims[i] > 0 && __builtin_mul_overflow(bytes, (int64_t)dims[i], &bytes)) return -1;
        return bytes;
    }

    /* The factor is an odd number without a pattern (2^64 / the golden ratio); a product's upper half
     * depends on all of it, and is brought down. */
    static inline uint64_t fcpy_mixed(uint64_t x) {
        x *= UINT64_C(0x9e3779b97f4a7c15);
        return x ^ (x >> 32);
    }

    /* Of a descriptor, whose size is a multiple of 8. Four chains, for one would wait at each step
     * for its own multiplication. Good enough to spread plans over a table: who uses it compares. */
    static inline uint64_t fcpy_quick_hash(const void *desc, Py_ssize_t size) {
        const char *at = (const char *)desc;
        uint64_t a = 1, b = 2, c = 3, d = 4, word[4];
        for (; size >= 32; size -= 32, at += 32) {
            memcpy(word, at, 32);
            a = fcpy_mixed(a ^ word[0]);
            b = fcpy_mixed(b ^ word[1]);
            c = fcpy_mixed(c ^ word[2]);
            d = fcpy_mixed(d ^ word[3]);
        }
        for (; size >= 8; size -= 8, at += 8) {
            memcpy(word, at, 8);
            a = fcpy_mixed(a ^ word[0]);
        }
        return fcpy_mixed(fcpy_mixed(fcpy_mixed(a ^ b) ^ c) ^ d);
    }

    /* Names of the tiers that FASTCONV_MAX_ISA may give on this architecture. */
    #if defined(__x86_64__) || defined(_M_X64)
    #define FCPY_TIERS "scalar, sse2, avx2, avx512"
    #elif defined(__aarch64__) || defined(_M_ARM64)
    #define FCPY_TIERS "scalar, neon"
    #else
    #define FCPY_TIERS "scalar"
    #endif
    """
    int64_t window_count "fcpy_window_count"(
        int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride,
        int64_t dilation, int64_t slack) noexcept nogil
    bint same_sides "fcpy_same_sides"(
        int64_t size, int64_t kernel, int64_t stride, int64_t dilation, bint odd_first,
        int64_t *before, int64_t *after) noexcept nogil
    int64_t transposed_size "fcpy_transposed_size"(
        int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride,
        int64_t dilation, int64_t extra) noexcept nogil
    uint64_t quick_hash "fcpy_quick_hash"(const void *desc, Py_ssize_t size) noexcept nogil
    int64_t array_bytes "fcpy_array_bytes"(int ndim, const Py_ssize_t *dims,
                                           int64_t itemsize) noexcept nogil
    const char *TIER_NAMES "FCPY_TIERS"
