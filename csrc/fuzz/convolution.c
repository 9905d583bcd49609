/* convolution.c: convolutions, straight and transposed, and gradients by weight and bias. */
#include "feed.h"

#include <stdlib.h>
#include <string.h>

void fuzz_conv(feed *b, bool transpose) {
    fc_conv2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD};
    fc_conv_transpose2d_desc t = {.struct_size = sizeof t};
    d.dtype = small(b, 1, 2), d.src_layout = d.dst_layout = FC_LAYOUT_STRIDED;
    d.algorithm = small(b, 0, FC_ALGO_DEPTHWISE + 1), d.activation = small(b, 0, 9);
    if (d.algorithm == FC_ALGO_DEPTHWISE + 1) d.algorithm = FC_ALGO_POINTWISE;
    d.has_bias = take(b) & 1, d.has_residual = !transpose && take(b) & 1;
    d.border = transpose ? 0 : small(b, 0, 3), d.weights_strided = take(b) & 1;
    d.groups = number(b, 1, 3);
    const int64_t icg = number(b, 1, 20), ocg = number(b, 1, 35);
    if (__builtin_mul_overflow(icg, d.groups, &d.ic)) d.ic = icg;
    if (__builtin_mul_overflow(ocg, d.groups, &d.oc)) d.oc = ocg;
    d.n = number(b, 0, 2), d.ih = number(b, 1, 12), d.iw = number(b, 1, 20);
    d.kh = number(b, 1, 5), d.kw = number(b, 1, 5);
    d.pad_top = number(b, 0, 3), d.pad_bottom = number(b, 0, 3);
    d.pad_left = number(b, 0, 3), d.pad_right = number(b, 0, 3);
    d.stride_h = number(b, 1, 3), d.stride_w = number(b, 1, 3);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 3);
    const int prepared = take(b);
    d.weights_prepared = prepared == 255 ? 2 : prepared & 1;
    if (take(b) == 255) d.struct_size--;
    const int64_t src[4] = {d.n, d.ic, d.ih, d.iw};
    const int64_t outer = transpose ? icg : ocg, inner = transpose ? ocg : icg;
    const int64_t taps[5] = {d.groups, outer, inner, d.kh, d.kw};
    strides(b, src, 4, true, d.src_stride);
    strides(b, taps, 5, true, d.weight_stride);
    /* the result's size is the engine's to say: ask with dense strides first */
    for (int i = 0; i < 4; i++) d.dst_stride[i] = 1;
    fc_plan *plan = NULL;
    fc_status status;
    if (transpose) {
        t.dtype = d.dtype, t.activation = d.activation, t.has_bias = d.has_bias;
        t.weights_strided = d.weights_strided, t.n = d.n, t.ic = d.ic, t.ih = d.ih, t.iw = d.iw;
        t.oc = d.oc, t.kh = d.kh, t.kw = d.kw, t.groups = d.groups, t.precision = d.precision;
        t.struct_size -= d.struct_size != sizeof d;
        t.pad_top = d.pad_top, t.pad_bottom = d.pad_bottom;
        t.pad_left = d.pad_left, t.pad_right = d.pad_right;
        t.stride_h = d.stride_h, t.stride_w = d.stride_w;
        t.dilation_h = d.dilation_h, t.dilation_w = d.dilation_w;
        t.output_pad_h = number(b, 0, 1), t.output_pad_w = number(b, 0, 1);
        memcpy(t.src_stride, d.src_stride, sizeof t.src_stride);
        memcpy(t.weight_stride, d.weight_stride, sizeof t.weight_stride);
        memcpy(t.dst_stride, d.dst_stride, sizeof t.dst_stride);
        status = fc_conv_transpose2d_create(&t, &plan);
    } else {
        status = fc_conv2d_create(&d, &plan);
    }
    const int op = transpose ? FC_OP_CONV_TRANSPOSE2D : FC_OP_CONV2D;
    if (status != FC_OK) {
        refused[op]++;
        return;
    }
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    fc_plan_destroy(plan);
    plan = NULL;
    accepted[op]++;
    int64_t span[4], origin[4];
    strides(b, info.dst_shape, 4, false, d.dst_stride);
    d.residual_strided = d.has_residual && d.dst_stride[1] == 1 && take(b) & 1;
    if (d.residual_strided) {
        strides(b, info.dst_shape, 4, true, d.residual_stride);
        d.residual_stride[1] = 1;
    }
    memcpy(t.dst_stride, d.dst_stride, sizeof t.dst_stride);
    status = transpose ? fc_conv_transpose2d_create(&t, &plan) : fc_conv2d_create(&d, &plan);
    if (status != FC_OK) return;
    int64_t dense[4];
    for (int64_t i = 3, step = 1; i >= 0; i--) dense[i] = step, step *= info.dst_shape[i];
    if (!d.weights_strided)
        for (int64_t i = 4, step = 1; i >= 0; i--) d.weight_stride[i] = step, step *= taps[i];
    if (reach(src, d.src_stride, 4, &span[0], &origin[0]) &&
        reach(taps, d.weight_stride, 5, &span[1], &origin[1]) &&
        reach(info.dst_shape, d.dst_stride, 4, &span[2], &origin[2]) &&
        reach(info.dst_shape, d.residual_strided ? d.residual_stride : dense, 4, &span[3], &origin[3]) &&
        info.flops < 20000000 &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span[0], origin[0]), w = numbers(d.dtype, span[1], origin[1]);
        operand bias = numbers(d.dtype, d.oc, 0);
        operand residual = numbers(d.dtype, span[3], origin[3]);
        fc_args args = {.src = x.at, .weights = w.at, .bias = bias.at, .residual = residual.at};
        if (apart(info.dst_shape, d.dst_stride, 4)) run(plan, &args, span[2], origin[2], false, FC_OK);
        free(x.block), free(w.block), free(bias.block), free(residual.block);
    }
    fc_plan_destroy(plan);
}

void fuzz_weight_gradient(feed *b) {
    fc_conv2d_weight_gradient_desc d = {.struct_size = sizeof d};
    d.dtype = small(b, 1, 2), d.border = small(b, 0, 3), d.precision = small(b, 0, 2);
    d.groups = number(b, 1, 3);
    const int64_t icg = number(b, 1, 20), ocg = number(b, 1, 70);
    if (__builtin_mul_overflow(icg, d.groups, &d.ic)) d.ic = icg;
    if (__builtin_mul_overflow(ocg, d.groups, &d.oc)) d.oc = ocg;
    d.n = number(b, 0, 3), d.ih = number(b, 1, 12), d.iw = number(b, 1, 40);
    d.kh = number(b, 1, 5), d.kw = number(b, 1, 5);
    d.pad_top = number(b, 0, 3), d.pad_bottom = number(b, 0, 3);
    d.pad_left = number(b, 0, 3), d.pad_right = number(b, 0, 3);
    d.stride_h = number(b, 1, 3), d.stride_w = number(b, 1, 3);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 3);
    const uint8_t plain = take(b);
    if (plain % 3 == 0) d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 0;
    const int64_t src[4] = {d.n, d.ic, d.ih, d.iw};
    strides(b, src, 4, true, d.src_stride);
    int64_t diff[4] = {d.n, d.oc, 1, 1};
    /* sizes of the result as far as the numbers are small; of others `create` is to refuse most */
    const int64_t sizes[] = {d.ih,       d.iw,         d.kh,         d.kw,
                             d.pad_top,  d.pad_bottom, d.pad_left,   d.pad_right,
                             d.stride_h, d.stride_w,   d.dilation_h, d.dilation_w};
    bool tame = d.stride_h > 0 && d.stride_w > 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        tame = tame && sizes[i] >= 0 && sizes[i] < 100;
    if (tame) {
        diff[2] = (d.ih + d.pad_top + d.pad_bottom - (d.kh - 1) * d.dilation_h - 1) / d.stride_h + 1;
        diff[3] = (d.iw + d.pad_left + d.pad_right - (d.kw - 1) * d.dilation_w - 1) / d.stride_w + 1;
    }
    strides(b, diff, 4, true, d.diff_dst_stride);
    fc_plan *plan = NULL;
    if (fc_conv2d_weight_gradient_create(&d, &plan) != FC_OK) {
        refused[FC_OP_CONV2D_WEIGHT_GRADIENT]++;
        return;
    }
    accepted[FC_OP_CONV2D_WEIGHT_GRADIENT]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span[2], origin[2];
    const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
    if (tame && reach(src, d.src_stride, 4, &span[0], &origin[0]) &&
        reach(diff, d.diff_dst_stride, 4, &span[1], &origin[1]) && count < MOST_BYTES / 8 &&
        info.flops < 20000000 && fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span[0], origin[0]), g = numbers(d.dtype, span[1], origin[1]);
        fc_args args = {.src = x.at, .diff_dst = g.at};
        run(plan, &args, count, 0, false, FC_OK);
        free(x.block), free(g.block);
    }
    fc_plan_destroy(plan);
}

void fuzz_channel_sums(feed *b) {
    fc_channel_sums_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2)};
    d.n = number(b, 0, 3), d.c = number(b, 1, 90), d.h = number(b, 1, 9), d.w = number(b, 1, 40);
    const int64_t src[4] = {d.n, d.c, d.h, d.w};
    strides(b, src, 4, true, d.src_stride);
    fc_plan *plan = NULL;
    if (fc_channel_sums_create(&d, &plan) != FC_OK) {
        refused[FC_OP_CHANNEL_SUMS]++;
        return;
    }
    accepted[FC_OP_CHANNEL_SUMS]++;
    int64_t span, origin;
    if (reach(src, d.src_stride, 4, &span, &origin) && d.c < 1000 &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        run(plan, &args, d.c, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}
