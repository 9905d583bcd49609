/* check.h: what the checks of descriptors have in common. Each operation's own check is in its file;
 * below this layer kernels only assert. Every size and byte count that a driver computes is bounded
 * there, so that none of its products can overflow. */
#ifndef FC_PLAN_CHECK_H
#define FC_PLAN_CHECK_H

#include "../base/status.h"

/* Bounds any count of elements, so that bytes and their sums stay below 2^63. */
#define FC_MOST_ELEMENTS (INT64_C(1) << 58)

/* Whether the product of `count` sizes, all >= 0, is at most FC_MOST_ELEMENTS; sizes of 0 count as
 * 1, so that an empty operand does not hide an overflow among the others. */
bool fc_product_fits(const int64_t *sizes, int count);

/* Whether the farthest element that strides reach from the origin, both ways, stays addressable;
 * sizes of 0 count as 1 here too: plans multiply the strides of empty operands as well. */
bool fc_strides_fit(const int64_t *size, const int64_t *stride, int rank);

/* (in + before + after - (dilation (k - 1) + 1)) / stride + 1, floor or ceil; at least 1. */
fc_status fc_window_count(int64_t in, int64_t k, int64_t before, int64_t after, int64_t stride,
                          int64_t dilation, bool ceil_mode, int64_t *out);

/* Makes small what shows nowhere, so that no product of a driver overflows: a stride from the only
 * window to the next (past the end of the padded source is far enough), the dilation of one tap. */
void fc_window_settle(int64_t in, int64_t k, int64_t before, int64_t after, int64_t *stride,
                      int64_t *dilation);

/* Strides (group, outer, inner, kh, kw) of dense weights. */
void fc_weight_stride_dense(int64_t stride[5], int64_t outer, int64_t inner, int64_t kh,
                            int64_t kw);

bool fc_dtype_known(int32_t dtype);
/* One that needs no parameters and so may end another operation. */
bool fc_activation_fused(int32_t activation);

#endif
