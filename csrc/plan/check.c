/* check.c: descriptors are checked here, once; below this line kernels only assert. Every size and
 * byte count that a driver computes is bounded here so that none of its products can overflow. */
#include "plan.h"

/* Bounds any count of elements, so that bytes and their sums stay below 2^63. */
#define MOST_ELEMENTS (INT64_C(1) << 58)

/* The product of `count` sizes, all >= 0 and at most MOST_ELEMENTS. */
static bool product_fits(const int64_t *sizes, int count) {
    int64_t product = 1;
    for (int i = 0; i < count; i++)
        if (!fc_mul64(product, sizes[i] ? sizes[i] : 1, &product) || product > MOST_ELEMENTS)
            return false;
    return true;
}

/* Farthest element that strides reach from the origin, both ways, stays addressable. */
static bool strides_fit(const int64_t *size, const int64_t *stride, int rank) {
    int64_t reach = 0;
    for (int i = 0; i < rank; i++) {
        if (size[i] < 1) return true; /* nothing is reached */
        if (stride[i] == INT64_MIN) return false;
        int64_t span, length = stride[i] < 0 ? -stride[i] : stride[i];
        if (!fc_mul64(size[i] - 1, length, &span) || !fc_add64(reach, span, &reach)) return false;
    }
    return reach <= MOST_ELEMENTS;
}

/* (in + before + after - (dilation (k - 1) + 1)) / stride + 1, floor or ceil. */
static fc_status window_count(int64_t in, int64_t k, int64_t before, int64_t after, int64_t stride,
                              int64_t dilation, bool ceil_mode, int64_t *out) {
    int64_t padded, reach, room;
    if (!fc_add64(in, before, &padded) || !fc_add64(padded, after, &padded) ||
        !fc_mul64(k - 1, dilation, &reach) || padded > MOST_ELEMENTS || reach > MOST_ELEMENTS)
        return FC_ERR_OVERFLOW;
    room = padded - reach - 1;
    if (ceil_mode && !fc_add64(room, stride - 1, &room)) return FC_ERR_OVERFLOW;
    if (room < 0) return FC_ERR_INVALID_SHAPE;
    *out = room / stride + 1;
    /* a window that would start beyond the source and its leading border is dropped */
    if (ceil_mode && (*out - 1) * stride >= in + before) --*out;
    return *out > 0 ? FC_OK : FC_ERR_INVALID_SHAPE;
}

static bool dtype_known(int32_t dtype) { return dtype == FC_F32 || dtype == FC_F64; }
static bool activation_known(int32_t a) { return a >= FC_ACT_NONE && a < FC_ACT_COUNT; }

fc_status fc_check_conv2d(const fc_conv2d_desc *d, int64_t *oh, int64_t *ow) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!dtype_known(d->dtype) || !activation_known(d->activation) || d->reserved != 0 ||
        d->algorithm < FC_ALGO_AUTO || d->algorithm > FC_ALGO_DEPTHWISE)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 || d->dilation_w < 1 ||
        d->groups < 1 || d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 || d->pad_right < 0)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->direction != FC_FORWARD || d->src_layout != FC_LAYOUT_STRIDED ||
        d->dst_layout != FC_LAYOUT_STRIDED || d->dst_stride[3] != 1)
        return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->ic < 1 || d->ih < 1 || d->iw < 1 || d->oc < 1 || d->kh < 1 || d->kw < 1 ||
        d->ic % d->groups || d->oc % d->groups)
        return FC_ERR_INVALID_SHAPE;
    fc_status status = window_count(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                    d->dilation_h, false, oh);
    if (status == FC_OK)
        status = window_count(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w, d->dilation_w,
                              false, ow);
    if (status != FC_OK) return status;
    const int64_t padded_h = d->ih + d->pad_top + d->pad_bottom;
    const int64_t padded_w = d->iw + d->pad_left + d->pad_right;
    /* channel blocks round up to less than twice the channels, weight panels to 64 or less */
    const int64_t strips[] = {2, d->ic, padded_h, padded_w};
    const int64_t weights[] = {64, d->oc, 2, d->ic, d->kh, d->kw};
    const int64_t result[] = {64, d->n, d->oc, *oh, *ow};
    const int64_t src[] = {d->n, d->ic, d->ih, d->iw};
    const int64_t work[] = {d->oc, d->ic, d->kh, d->kw, *oh, *ow};
    const int64_t dst[] = {d->n, d->oc, *oh, *ow};
    if (!product_fits(strips, 4) || !product_fits(weights, 6) || !product_fits(result, 5) ||
        !product_fits(src, 4) || !product_fits(work, 6) || !strides_fit(src, d->src_stride, 4) ||
        !strides_fit(dst, d->dst_stride, 4))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

fc_status fc_check_pool2d(const fc_pool2d_desc *d, int64_t *oh, int64_t *ow) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!dtype_known(d->dtype) || (d->kind != FC_POOL_MAX && d->kind != FC_POOL_AVG) ||
        d->reserved != 0 || (d->with_indices && d->kind != FC_POOL_MAX))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 || d->dilation_w < 1 ||
        d->kh < 1 || d->kw < 1 || d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 ||
        d->pad_right < 0)
        return FC_ERR_INVALID_ARGUMENT;
    /* an average has no meaning for positions between the taps */
    if (d->kind == FC_POOL_AVG && (d->dilation_h != 1 || d->dilation_w != 1))
        return FC_ERR_UNSUPPORTED;
    if (d->direction != FC_FORWARD || d->src_layout != FC_LAYOUT_STRIDED ||
        d->dst_layout != FC_LAYOUT_STRIDED || d->src_stride[3] != 1)
        return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->c < 1 || d->ih < 1 || d->iw < 1) return FC_ERR_INVALID_SHAPE;
    /* at most half a window of border: every window then holds a source element */
    if (d->pad_top > d->kh / 2 || d->pad_bottom > d->kh / 2 || d->pad_left > d->kw / 2 ||
        d->pad_right > d->kw / 2)
        return FC_ERR_INVALID_ARGUMENT;
    fc_status status = window_count(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                    d->dilation_h, d->ceil_mode, oh);
    if (status == FC_OK)
        status = window_count(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w, d->dilation_w,
                              d->ceil_mode, ow);
    if (status != FC_OK) return status;
    const int64_t src[] = {d->n, d->c, d->ih, d->iw};
    const int64_t window[] = {d->kh, d->kw, d->dilation_h, d->dilation_w};
    const int64_t strides[] = {d->stride_w, 64, d->kw, d->dilation_w};
    const int64_t dst[] = {8, d->n, d->c, *oh, *ow};
    if (!product_fits(src, 4) || !product_fits(window, 4) || !product_fits(strides, 4) ||
        !product_fits(dst, 5) || !strides_fit(src, d->src_stride, 4))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

fc_status fc_check_linear(const fc_linear_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!dtype_known(d->dtype) || !activation_known(d->activation)) return FC_ERR_INVALID_ARGUMENT;
    if (d->rows < 0 || d->in_features < 1 || d->out_features < 1) return FC_ERR_INVALID_SHAPE;
    const int64_t src[] = {d->rows, d->in_features}, weights[] = {64, d->out_features, d->in_features};
    const int64_t dst[] = {d->rows, d->out_features}, stride[] = {d->src_row_stride, 1};
    if (!product_fits(src, 2) || !product_fits(weights, 3) || !product_fits(dst, 2) ||
        !strides_fit(src, stride, 2))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

fc_status fc_check_unary(const fc_unary_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!dtype_known(d->dtype) || !activation_known(d->activation) || d->reserved != 0)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->count < 0) return FC_ERR_INVALID_SHAPE;
    return d->count <= MOST_ELEMENTS ? FC_OK : FC_ERR_OVERFLOW;
}

fc_status fc_check_softmax(const fc_softmax_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!dtype_known(d->dtype)) return FC_ERR_INVALID_ARGUMENT;
    if (d->outer < 0 || d->length < 0 || d->inner < 0) return FC_ERR_INVALID_SHAPE;
    const int64_t sizes[] = {d->outer, d->length, d->inner};
    return product_fits(sizes, 3) ? FC_OK : FC_ERR_OVERFLOW;
}
