/* driver.h: what a plan hands to a driver, and what a driver promises back.
 *
 * A driver owns loops, blocking and threads for one way of computing one operation; it receives a
 * validated problem and never fails. */
#ifndef FC_DRIVER_H
#define FC_DRIVER_H

#include "../base/status.h"
#include "../base/threads.h"
#include "../ukr/ukr.h"

/* The source element that element `i` of a bordered axis shows, i from -before to size + after - 1,
 * or -1: a zero. */
static inline int64_t fc_border_source(int32_t border, int64_t i, int64_t size) {
    if (i >= 0 && i < size) return i;
    switch ((fc_border)border) {
    case FC_BORDER_REFLECT:
        return i < 0 ? -i : 2 * (size - 1) - i;
    case FC_BORDER_REPLICATE:
        return i < 0 ? 0 : size - 1;
    case FC_BORDER_CIRCULAR:
        return i < 0 ? i + size : i - size;
    default:
        return -1;
    }
}

/* How a convolution's channels and weights are cut; settled once by the driver's `prepare`. */
typedef struct fc_conv_blocking {
    int64_t icg, ocg;      /* channels of one group */
    int64_t block, blocks; /* channels of one strip block, and how many */
    int64_t panel;         /* output channels of a full weight panel: 2 * vlen */
    int64_t panels;        /* weight panels of one group */
    int64_t panel_bytes;   /* bytes of one full packed panel */
} fc_conv_blocking;

typedef struct fc_conv_problem {
    fc_conv2d_desc desc;
    int64_t oh, ow;
    const fc_kernels *kernels;
    fc_conv_blocking blocking;
    /* the plan's: elements to where desc's source and weights begin, which are parts of the caller's
     * where taps of the window never meet the source; drivers get pointers to there */
    int64_t src_offset, weight_offset;
    uint64_t window; /* 0: whole; else names the part */
} fc_conv_problem;

/* The layouts of packed weights. Drivers that name the same one share packed buffers. */
typedef enum fc_packed_layout {
    FC_PACKED_PANELS = 1, /* conv_blocked.h: panels of output channels against blocks of input's */
    FC_PACKED_DENSE = 2,  /* dense_weights.h: a dense copy */
    FC_PACKED_TILES = 3,  /* tile_weights.h: the rows of a tile side by side */
    FC_PACKED_WINOGRAD = 4, /* conv_winograd.c: transformed */
    FC_PACKED_LANES = 5,    /* depthwise_lanes.c: a vector of channels for each tap */
    FC_PACKED_BF16 = 6      /* dot_tile's panels of bfloat16 */
} fc_packed_layout;

/* One number from a layout and the two that settle it, each below 2^28. */
static inline uint64_t fc_packing_id(fc_packed_layout layout, int64_t a, int64_t b) {
    return (uint64_t)layout << 56 | (uint64_t)a << 28 | (uint64_t)b;
}

typedef struct fc_conv_driver {
    fc_algorithm algorithm;
    const char *why; /* printed when chosen */
    /* The strictest precision for which it may be chosen; NULL: any. */
    fc_precision (*precision)(const fc_conv2d_desc *desc);
    /* NULL: can do it. Otherwise a sentence. */
    const char *(*refuse)(const fc_conv2d_desc *desc);
    /* What one image takes on one thread, in the unit of cost.h; blind to batch size and threads. The
     * problem is not prepared yet. */
    double (*cost)(const fc_conv_problem *problem);
    void (*prepare)(fc_conv_problem *problem);
    /* How many threads are worth waking; NULL: as fc_plan_threads counts. */
    int (*threads)(const fc_conv_problem *problem, int offered);
    size_t (*packed_bytes)(const fc_conv_problem *problem);
    void (*pack)(const fc_conv_problem *problem, const void *weights, void *packed, int threads);
    /* Names the form that `pack` gives weights, by fc_packing_id: equal for two problems of one
     * weight shape, group count and dtype only if one packed buffer serves both, so it is made of
     * all else that the packed bytes depend on. Without it no two plans share a buffer. */
    uint64_t (*packing)(const fc_conv_problem *problem);
    size_t (*scratch_bytes)(const fc_conv_problem *problem, int threads); /* without packing */
    /* args->packed is always set, unless packed_bytes is 0; then args->weights is. */
    void (*execute)(const fc_conv_problem *problem, const fc_args *args, void *scratch,
                    int threads);
} fc_conv_driver;

extern const fc_conv_driver fc_conv_direct, fc_conv_pointwise, fc_conv_1x1, fc_conv_im2col,
    fc_conv_depthwise, fc_conv_planar, fc_conv_linear, fc_conv_winograd_f2, fc_conv_winograd_f4, fc_conv_winograd_f6;

/* A transposed convolution: one convolution for each phase of the result, which the plan knows, or, side
 * by side, what transposed_planes.c makes of it. */
typedef struct fc_phase fc_phase;
typedef struct fc_transpose_problem {
    fc_conv_transpose2d_desc desc;
    int64_t oh, ow;
    const fc_kernels *kernels;
    fc_phase *phases;
    int64_t count;
    bool complete; /* the phases cover dst; if not, the rest is the bias alone */
    bool side_by_side;
} fc_transpose_problem;

bool fc_transposed_planes_fit(const fc_transpose_problem *problem);
size_t fc_transposed_planes_scratch_bytes(const fc_transpose_problem *problem, int threads);
void fc_transposed_planes_execute(const fc_transpose_problem *problem, const fc_args *args, void *scratch,
                                  int threads);

typedef enum fc_gradient_way {
    FC_GRADIENT_BY_TILES = 0,   /* conv_tile */
    FC_GRADIENT_BY_DOTS = 1,    /* plane_dots */
    FC_GRADIENT_BY_WINDOWS = 2, /* window_dots */
    FC_GRADIENT_BY_WINOGRAD = 3
} fc_gradient_way;

typedef struct fc_weight_gradient_problem {
    fc_conv2d_weight_gradient_desc desc;
    int64_t oh, ow;
    const fc_kernels *kernels;
    fc_gradient_way way;
    bool swapped; /* desc's source is the caller's gradient, and the other way round */
} fc_weight_gradient_problem;

void fc_weight_gradient_prepare(fc_weight_gradient_problem *problem);
size_t fc_weight_gradient_scratch_bytes(const fc_weight_gradient_problem *problem, int threads);
void fc_weight_gradient_execute(const fc_weight_gradient_problem *problem, const fc_args *args,
                                void *scratch, int threads);

typedef struct fc_channel_sums_problem {
    fc_channel_sums_desc desc;
    const fc_kernels *kernels;
} fc_channel_sums_problem;

size_t fc_channel_sums_scratch_bytes(const fc_channel_sums_problem *problem, int threads);
void fc_channel_sums_execute(const fc_channel_sums_problem *problem, const fc_args *args, void *scratch,
                             int threads);

typedef struct fc_pool_problem {
    fc_pool2d_desc desc;
    int64_t oh, ow;
    const fc_kernels *kernels;
} fc_pool_problem;

typedef struct fc_pool_driver {
    fc_algorithm algorithm;
    const char *why;
    const char *(*refuse)(const fc_pool2d_desc *desc, int64_t oh, int64_t ow);
    size_t (*scratch_bytes)(const fc_pool_problem *problem, int threads);
    void (*execute)(const fc_pool_problem *problem, const fc_args *args, void *scratch,
                    int threads);
} fc_pool_driver;

/* The gradient of averages and norms. */
size_t fc_pool_gradient_scratch_bytes(const fc_pool_problem *problem, int threads);
void fc_pool_gradient_execute(const fc_pool_problem *problem, const fc_args *args, void *scratch,
                              int threads);

extern const fc_pool_driver fc_pool_global, fc_pool_indices, fc_pool_windows, fc_pool_channels;

typedef struct fc_unpool_problem {
    fc_unpool_desc desc;
    const fc_kernels *kernels;
} fc_unpool_problem;

bool fc_unpool_valid(const fc_unpool_problem *problem, const fc_args *args);
void fc_unpool_execute(const fc_unpool_problem *problem, const fc_args *args, int threads);
bool fc_max_pool_gradient_valid(const fc_unpool_problem *problem, const fc_args *args);
void fc_max_pool_gradient_execute(const fc_unpool_problem *problem, const fc_args *args, int threads);
void fc_unpool_gradient_execute(const fc_unpool_problem *problem, const fc_args *args, int threads);

typedef struct fc_pad_problem {
    fc_pad_desc desc;
    int64_t out[FC_PAD_RANK]; /* sizes of the result */
    const fc_kernels *kernels;
} fc_pad_problem;

void fc_pad_execute(const fc_pad_problem *problem, const fc_args *args, int threads);
void fc_pad_gradient_execute(const fc_pad_problem *problem, const fc_args *args, int threads);

typedef struct fc_unfold_problem {
    fc_unfold_desc desc;
    int64_t oh, ow;
    const fc_kernels *kernels;
} fc_unfold_problem;

void fc_unfold_execute(const fc_unfold_problem *problem, const fc_args *args, int threads);
void fc_fold_execute(const fc_unfold_problem *problem, const fc_args *args, int threads);

typedef struct fc_interpolate_problem {
    fc_interpolate_desc desc;
    const fc_kernels *kernels;
} fc_interpolate_problem;

size_t fc_interpolate_scratch_bytes(const fc_interpolate_problem *problem, int threads);
void fc_interpolate_execute(const fc_interpolate_problem *problem, const fc_args *args,
                            void *scratch, int threads);
size_t fc_interpolate_gradient_scratch_bytes(const fc_interpolate_problem *problem, int threads);
void fc_interpolate_gradient_execute(const fc_interpolate_problem *problem, const fc_args *args,
                                     void *scratch, int threads);

typedef struct fc_linear_problem {
    fc_linear_desc desc;
    const fc_kernels *kernels;
    bool dots; /* rows against rows by dot_tile, else against packed panels by conv_tile */
    fc_conv_blocking blocking; /* of panels */
} fc_linear_problem;

void fc_linear_prepare(fc_linear_problem *problem);
size_t fc_linear_packed_bytes(const fc_linear_problem *problem);
void fc_linear_pack(const fc_linear_problem *problem, const void *weights, void *packed,
                    int threads);
/* With packed weights the driver needs none; without, a panel a thread. */
size_t fc_linear_scratch_bytes(const fc_linear_problem *problem, int threads, bool packed);
void fc_linear_execute(const fc_linear_problem *problem, const fc_args *args, void *scratch,
                       int threads);

typedef struct fc_unary_problem {
    fc_unary_desc desc;
    const fc_kernels *kernels;
} fc_unary_problem;

void fc_unary_execute(const fc_unary_problem *problem, const fc_args *args, int threads);
void fc_unary_gradient_execute(const fc_unary_problem *problem, const fc_args *args, int threads);

typedef struct fc_add_problem {
    fc_add_desc desc;
    const fc_kernels *kernels;
} fc_add_problem;

void fc_add_execute(const fc_add_problem *problem, const fc_args *args, int threads);

typedef struct fc_scale_problem {
    fc_scale_desc desc;
    const fc_kernels *kernels;
} fc_scale_problem;

void fc_scale_execute(const fc_scale_problem *problem, const fc_args *args, int threads);

typedef struct fc_channelwise_problem {
    fc_channelwise_desc desc;
    const fc_kernels *kernels;
} fc_channelwise_problem;

size_t fc_channelwise_scratch_bytes(const fc_channelwise_problem *problem);
void fc_channelwise_execute(const fc_channelwise_problem *problem, const fc_args *args,
                            void *scratch, int threads);

typedef struct fc_channel_gradient_problem {
    fc_channel_gradient_desc desc;
    const fc_kernels *kernels;
} fc_channel_gradient_problem;

size_t fc_channel_gradient_scratch_bytes(const fc_channel_gradient_problem *problem);
void fc_channel_gradient_execute(const fc_channel_gradient_problem *problem, const fc_args *args,
                                 void *scratch, int threads);

typedef struct fc_lrn_problem {
    fc_lrn_desc desc;
    const fc_kernels *kernels;
} fc_lrn_problem;

void fc_lrn_execute(const fc_lrn_problem *problem, const fc_args *args, int threads);
size_t fc_lrn_gradient_scratch_bytes(const fc_lrn_problem *problem, int threads);
void fc_lrn_gradient_execute(const fc_lrn_problem *problem, const fc_args *args, void *scratch,
                             int threads);

typedef struct fc_softmax_problem {
    fc_softmax_desc desc;
    const fc_kernels *kernels;
} fc_softmax_problem;

size_t fc_softmax_scratch_bytes(const fc_softmax_problem *problem, int threads);
void fc_softmax_execute(const fc_softmax_problem *problem, const fc_args *args, void *scratch,
                        int threads);
void fc_softmax_gradient_execute(const fc_softmax_problem *problem, const fc_args *args, int threads);

typedef struct fc_cross_entropy_problem {
    fc_cross_entropy_desc desc;
    const fc_kernels *kernels;
} fc_cross_entropy_problem;

size_t fc_cross_entropy_scratch_bytes(const fc_cross_entropy_problem *problem);
void fc_cross_entropy_execute(const fc_cross_entropy_problem *problem, const fc_args *args,
                              void *scratch, int threads);

/* Threads worth waking for this much work: `requested`, or fewer when the work is small.
 * `flops` counts multiply-adds twice; memory-bound work passes bytes instead. */
int fc_threads_for_flops(int requested, double flops);
int fc_threads_for_bytes(int requested, double bytes);

/* Set by the C tests and the fuzz target: every thread asked for, however small the work. Small
 * cases show how work is cut up; without this they would all run on one thread. */
extern bool fc_test_all_threads;

#endif
