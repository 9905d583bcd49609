/* pooling.c: pooling, unpooling, and their gradients. */
#include "feed.h"

#include <stdlib.h>

void fuzz_pool(feed *b) {
    fc_pool2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD};
    d.dtype = small(b, 1, 2), d.src_layout = d.dst_layout = FC_LAYOUT_STRIDED;
    d.kind = small(b, 1, 3), d.ceil_mode = take(b) & 1, d.count_include_pad = take(b) & 1;
    d.with_indices = take(b) % 4 == 0, d.adaptive = take(b) % 4 == 0;
    d.norm = d.kind == FC_POOL_LP ? (double)number(b, 1, 3) : 0;
    d.n = number(b, 0, 2), d.c = number(b, 1, 5), d.ih = number(b, 1, 20), d.iw = number(b, 1, 40);
    d.kh = number(b, 1, 5), d.kw = number(b, 1, 5);
    d.pad_top = number(b, 0, 2), d.pad_bottom = number(b, 0, 2);
    d.pad_left = number(b, 0, 2), d.pad_right = number(b, 0, 2);
    d.stride_h = number(b, 1, 4), d.stride_w = number(b, 1, 4);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 2);
    if (d.kind != FC_POOL_MAX) d.dilation_h = d.dilation_w = 1;
    d.divisor_override = take(b) % 8 ? 0 : number(b, -3, 3);
    if (d.adaptive) d.oh = number(b, 1, 9), d.ow = number(b, 1, 50);
    const int64_t src[4] = {d.n, d.c, d.ih, d.iw};
    strides(b, src, 4, true, d.src_stride);
    const uint8_t order = take(b);
    if (order % 4) d.src_stride[3] = 1;
    if (order % 4 == 0 && order) d.src_stride[1] = 1; /* channels last; 0: neither */
    fc_pool2d_desc dense = d;
    dense.src_stride[3] = 1;
    for (int i = 0; i < 3; i++) dense.src_stride[i] = 0; /* not looked at */
    fc_plan *gradient = NULL;
    const fc_status status = fc_pool2d_gradient_create(&dense, &gradient);
    run_gradient(gradient, status, FC_OP_POOL2D_GRADIENT, d.dtype);
    fc_plan *plan = NULL;
    if (fc_pool2d_create(&d, &plan) != FC_OK) {
        refused[FC_OP_POOL2D]++;
        return;
    }
    accepted[FC_OP_POOL2D]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span, origin, dst_span = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4)), dst_origin = 0;
    /* what does not come from channels last is refused */
    d.dst_strided = take(b) % (d.src_stride[1] == 1 ? 2 : 16) ? 0 : number(b, 1, 1);
    if (d.dst_strided) {
        strides(b, info.dst_shape, 4, true, d.dst_stride);
        /* mostly channels last, and apart */
        const int64_t gap = number(b, 0, 3);
        int64_t pixel, row, image;
        if (take(b) % 8 && !__builtin_add_overflow(d.c, gap, &pixel) &&
            !__builtin_mul_overflow(pixel, info.dst_shape[3], &row) &&
            !__builtin_add_overflow(row, gap, &row) &&
            !__builtin_mul_overflow(row, info.dst_shape[2], &image)) {
            d.dst_stride[0] = image, d.dst_stride[1] = 1, d.dst_stride[2] = row, d.dst_stride[3] = pixel;
        }
        fc_plan_destroy(plan);
        if (fc_pool2d_create(&d, &plan) != FC_OK) {
            refused[FC_OP_POOL2D]++;
            return;
        }
        if (!reach(info.dst_shape, d.dst_stride, 4, &dst_span, &dst_origin) ||
            !apart(info.dst_shape, d.dst_stride, 4)) {
            fc_plan_destroy(plan);
            return;
        }
    }
    if (reach(src, d.src_stride, 4, &span, &origin) && info.dst_bytes < MOST_BYTES &&
        info.flops < 20000000 && fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        run(plan, &args, dst_span ? dst_span : 1, dst_origin, d.with_indices, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

/* Unpooling, its gradient, and that of maxima, for which -1 is an index too. */
void fuzz_unpool(feed *b) {
    fc_unpool_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2), .planes = number(b, 0, 4),
                        .src_plane = number(b, 1, 30), .dst_plane = number(b, 1, 60)};
    static const fc_op ops[] = {FC_OP_UNPOOL, FC_OP_UNPOOL_GRADIENT, FC_OP_MAX_POOL_GRADIENT};
    const int which = take(b) % 3;
    const fc_op op = ops[which];
    fc_plan *plan = NULL;
    const fc_status made = which == 0   ? fc_unpool_create(&d, &plan)
                           : which == 1 ? fc_unpool_gradient_create(&d, &plan)
                                        : fc_max_pool_gradient_create(&d, &plan);
    if (made != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    if (info.src_bytes < MOST_BYTES && info.dst_bytes < MOST_BYTES) {
        const int64_t count = d.planes * d.src_plane, item = d.dtype == FC_F64 ? 8 : 4;
        const int64_t in = (int64_t)info.src_bytes / item, out = (int64_t)info.dst_bytes / item;
        operand x = numbers(d.dtype, in ? in : 1, 0);
        int64_t *indices = malloc((size_t)(count ? count : 1) * sizeof *indices);
        fc_status expected = FC_OK;
        for (int64_t i = 0; i < count; i++) {
            indices[i] = number(b, which == 2 ? -1 : 0, d.dst_plane - 1 < 200 ? d.dst_plane - 1 : 200);
            if (indices[i] < (which == 2 ? -1 : 0) || indices[i] >= d.dst_plane)
                expected = FC_ERR_INVALID_ARGUMENT;
        }
        fc_args args = {.src = x.at, .indices = indices};
        run(plan, &args, out ? out : 1, 0, false, expected);
        free(indices), free(x.block);
    }
    fc_plan_destroy(plan);
}
