/* extents.c: what operands span, in elements from their origin. Descriptors were checked: no product of
 * sizes and strides overflows. */
#include "plan.h"

fc_extent fc_extent_dense(int64_t count) { return (fc_extent){.images = count > 0, .high = count}; }

fc_extent fc_extent_of_dst(const fc_plan *plan) {
    return fc_extent_dense((int64_t)(plan->dst_bytes / fc_dtype_bytes(plan->dtype)));
}

fc_extent fc_extent_strided(const int64_t *size, const int64_t *stride, int rank) {
    fc_extent e = {.images = size[0], .stride = size[0] > 1 ? stride[0] : 0, .high = 1};
    for (int i = 0; i < rank; i++) {
        if (size[i] < 1) return (fc_extent){0};
        const int64_t reach = i ? (size[i] - 1) * stride[i] : 0;
        *(reach < 0 ? &e.low : &e.high) += reach;
    }
    return e;
}
