/* plan.h: the inside of fc_plan, shared by the files of this layer. */
#ifndef FC_PLAN_PLAN_H
#define FC_PLAN_PLAN_H

#include "../driver/driver.h"
#include "check.h"

/* What a plan reads or writes of an operand: of each of `images` images, `stride` elements apart, no
 * elements but those from `low` to before `high` of its origin. No images: there is no such operand. */
typedef struct fc_extent {
    int64_t images, stride, low, high;
} fc_extent;

typedef struct fc_extents {
    fc_extent src, residual, dst;
} fc_extents;

/* Operands that may be dst itself, with equal extents. */
enum { FC_IN_PLACE_SRC = 1, FC_IN_PLACE_RESIDUAL = 2 };

/* What a plan's operation does with it. Each operation's file has the check of its descriptor, its
 * `create`, and this table. A missing function: no weights to pack, no scratch, no more arguments
 * than src and dst. */
typedef struct fc_operation {
    fc_op op;
    bool counts_flops; /* its work may repay threads that its bytes alone do not */
    size_t (*packed_bytes)(const fc_plan *plan);
    void (*pack)(const fc_plan *plan, const void *weights, void *packed, int threads);
    uint64_t (*packing)(const fc_plan *plan);
    size_t (*scratch_bytes)(const fc_plan *plan, int threads, bool packed);
    bool (*args_complete)(const fc_plan *plan, const fc_args *args);
    bool (*args_valid)(const fc_plan *plan, const fc_args *args); /* looks at what they point to */
    void (*execute)(const fc_plan *plan, const fc_args *args, void *scratch, int threads);
    void (*destroy)(fc_plan *plan); /* what it owns besides itself */
    void (*extents)(const fc_plan *plan, fc_extents *extents); /* NULL: not a step of programs */
    int in_place;
} fc_operation;

extern const fc_operation fc_operation_conv2d, fc_operation_conv_transpose2d, fc_operation_pool2d,
    fc_operation_conv2d_weight_gradient, fc_operation_channel_sums,
    fc_operation_linear, fc_operation_unary, fc_operation_channelwise, fc_operation_lrn,
    fc_operation_softmax, fc_operation_unpool, fc_operation_pad, fc_operation_unfold,
    fc_operation_fold, fc_operation_interpolate,
    fc_operation_pool2d_gradient, fc_operation_max_pool_gradient, fc_operation_unpool_gradient,
    fc_operation_pad_gradient, fc_operation_interpolate_gradient, fc_operation_unary_gradient,
    fc_operation_channel_gradient, fc_operation_lrn_gradient, fc_operation_softmax_gradient,
    fc_operation_cross_entropy, fc_operation_add, fc_operation_scale;

/* One phase of a transposed convolution (conv_transpose2d.c). */
struct fc_phase {
    fc_plan *plan;
    int64_t src, weights, dst; /* elements to where the phase's operands begin */
};

struct fc_plan {
    const fc_operation *operation;
    fc_dtype dtype;
    fc_algorithm algorithm;
    fc_isa isa;
    const char *reason;
    const char *refusal[FC_ALGO_COUNT];
    int64_t dst_shape[4];
    uint64_t flops, src_bytes, dst_bytes, weight_bytes;
    double estimate;
    const fc_conv_driver *conv_driver;
    const fc_pool_driver *pool_driver;
    union {
        fc_conv_problem conv;
        fc_weight_gradient_problem weight_gradient;
        fc_channel_sums_problem channel_sums;
        fc_transpose_problem transpose;
        fc_pool_problem pool;
        fc_unpool_problem unpool;
        fc_pad_problem pad;
        fc_unfold_problem unfold;
        fc_interpolate_problem interpolate;
        fc_linear_problem linear;
        fc_unary_problem unary;
        fc_add_problem add;
        fc_scale_problem scale;
        fc_channelwise_problem channelwise;
        fc_channel_gradient_problem channel_gradient;
        fc_lrn_problem lrn;
        fc_softmax_problem softmax;
        fc_cross_entropy_problem cross_entropy;
    };
};

/* A plan with the fields that all operations share; NULL when memory is out. */
fc_plan *fc_plan_new(const fc_operation *operation, int32_t dtype);
/* What fc_plan_query tells of sizes; threads are dealt by it. */
void fc_plan_describe(fc_plan *plan, const int64_t dst_shape[4], double flops, int64_t src_elements,
                      int64_t weight_elements);

/* Of an operand with any strides, whose first axis are images, and of one without gaps. */
fc_extent fc_extent_strided(const int64_t *size, const int64_t *stride, int rank);
fc_extent fc_extent_dense(int64_t count);
/* Of all of the result, where it is dense. */
fc_extent fc_extent_of_dst(const fc_plan *plan);

/* select.c: the choice of an algorithm, and why the others were refused. Pure functions of the
 * shape of one image, layout, dtype and tier: never of batch size, threads or history. */
fc_status fc_select_conv2d(fc_plan *plan);
/* The strictest precision for which select may choose it. */
fc_precision fc_precision_of(const fc_conv_driver *driver, const fc_conv2d_desc *desc);
fc_status fc_select_pool2d(const fc_pool2d_desc *desc, int64_t oh, int64_t ow, fc_plan *plan);

#endif
