#include "check.h"

bool fc_product_fits(const int64_t *sizes, int count) {
    int64_t product = 1;
    for (int i = 0; i < count; i++)
        if (!fc_mul64(product, sizes[i] ? sizes[i] : 1, &product) || product > FC_MOST_ELEMENTS)
            return false;
    return true;
}

bool fc_strides_fit(const int64_t *size, const int64_t *stride, int rank) {
    int64_t reach = 0;
    for (int i = 0; i < rank; i++) {
        if (stride[i] == INT64_MIN) return false;
        int64_t span, length = stride[i] < 0 ? -stride[i] : stride[i];
        if (!fc_mul64(fc_max64(size[i], 1) - 1, length, &span) || !fc_add64(reach, span, &reach)) return false;
    }
    return reach <= FC_MOST_ELEMENTS;
}

fc_status fc_window_count(int64_t in, int64_t k, int64_t before, int64_t after, int64_t stride,
                          int64_t dilation, bool ceil_mode, int64_t *out) {
    int64_t padded, reach, room;
    if (!fc_add64(in, before, &padded) || !fc_add64(padded, after, &padded) ||
        !fc_mul64(k - 1, dilation, &reach) || padded > FC_MOST_ELEMENTS || reach > FC_MOST_ELEMENTS)
        return FC_ERR_OVERFLOW;
    room = padded - reach - 1;
    if (ceil_mode && !fc_add64(room, stride - 1, &room)) return FC_ERR_OVERFLOW;
    if (room < 0) return FC_ERR_INVALID_SHAPE;
    *out = room / stride + 1;
    /* a window that would start beyond the source and its leading border is dropped */
    if (ceil_mode && (*out - 1) * stride >= in + before) --*out;
    return *out > 0 ? FC_OK : FC_ERR_INVALID_SHAPE;
}

void fc_window_settle(int64_t in, int64_t k, int64_t before, int64_t after, int64_t *stride,
                      int64_t *dilation) {
    *stride = fc_min64(*stride, in + before + after);
    if (k == 1) *dilation = 1;
}

void fc_weight_stride_dense(int64_t stride[5], int64_t outer, int64_t inner, int64_t kh,
                            int64_t kw) {
    stride[4] = 1;
    stride[3] = kw;
    stride[2] = kh * stride[3];
    stride[1] = inner * stride[2];
    stride[0] = outer * stride[1];
}

bool fc_dtype_known(int32_t dtype) { return dtype == FC_F32 || dtype == FC_F64; }
bool fc_activation_fused(int32_t a) { return a >= FC_ACT_NONE && a < FC_ACT_FUSED_COUNT; }
