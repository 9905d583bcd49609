/* plan.h: the inside of fc_plan, shared by the files of this layer. */
#ifndef FC_PLAN_PLAN_H
#define FC_PLAN_PLAN_H

#include "../driver/driver.h"

struct fc_plan {
    fc_op op;
    fc_dtype dtype;
    fc_algorithm algorithm;
    fc_isa isa;
    const char *reason;
    const char *refusal[FC_ALGO_COUNT];
    int64_t dst_shape[4];
    uint64_t flops, src_bytes, dst_bytes, weight_bytes;
    const fc_conv_driver *conv_driver;
    const fc_pool_driver *pool_driver;
    union {
        fc_conv_problem conv;
        fc_pool_problem pool;
        fc_linear_problem linear;
        fc_unary_problem unary;
        fc_softmax_problem softmax;
    };
};

/* select.c: the choice of an algorithm, and why the others were refused. Pure functions of the
 * shape of one image, layout, dtype and tier: never of batch size, threads or history. */
fc_status fc_select_conv2d(const fc_conv2d_desc *desc, int64_t oh, int64_t ow, fc_plan *plan);
fc_status fc_select_pool2d(const fc_pool2d_desc *desc, int64_t oh, int64_t ow, fc_plan *plan);

/* check.c: everything a descriptor must satisfy; also computes the result's size. */
fc_status fc_check_conv2d(const fc_conv2d_desc *desc, int64_t *oh, int64_t *ow);
fc_status fc_check_pool2d(const fc_pool2d_desc *desc, int64_t *oh, int64_t *ow);
fc_status fc_check_linear(const fc_linear_desc *desc);
fc_status fc_check_unary(const fc_unary_desc *desc);
fc_status fc_check_softmax(const fc_softmax_desc *desc);

#endif
