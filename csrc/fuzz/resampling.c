/* resampling.c: pad, unfold, fold, interpolate, and their gradients. */
#include "feed.h"

#include <stdlib.h>

void fuzz_pad(feed *b) {
    fc_pad_desc d = {.struct_size = sizeof d};
    d.dtype = small(b, 1, 2), d.border = small(b, 0, 3), d.rank = small(b, 1, 8), d.value = 2;
    for (int i = 0; i < FC_PAD_RANK; i++) {
        const bool used = i + (int64_t)d.rank >= FC_PAD_RANK;
        d.size[i] = used ? number(b, 1, 5) : 1;
        d.before[i] = used ? number(b, -1, 3) : 0;
        d.after[i] = used ? number(b, -1, 3) : 0;
    }
    strides(b, d.size, FC_PAD_RANK, true, d.src_stride);
    fc_plan *gradient = NULL;
    const fc_status status = fc_pad_gradient_create(&d, &gradient);
    run_gradient(gradient, status, FC_OP_PAD_GRADIENT, d.dtype);
    fc_plan *plan = NULL;
    if (fc_pad_create(&d, &plan) != FC_OK) {
        refused[FC_OP_PAD]++;
        return;
    }
    accepted[FC_OP_PAD]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span, origin;
    if (reach(d.size, d.src_stride, FC_PAD_RANK, &span, &origin) && info.dst_bytes < MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

void fuzz_unfold(feed *b, bool fold) {
    fc_unfold_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2)};
    d.n = number(b, 0, 2), d.c = number(b, 1, 4), d.ih = number(b, 1, 12), d.iw = number(b, 1, 20);
    d.kh = number(b, 1, 4), d.kw = number(b, 1, 4), d.pad_h = number(b, 0, 2), d.pad_w = number(b, 0, 2);
    d.stride_h = number(b, 1, 3), d.stride_w = number(b, 1, 3);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 2);
    const int64_t image[4] = {d.n, d.c, d.ih, d.iw};
    strides(b, image, 4, true, d.src_stride);
    fc_plan *plan = NULL;
    const int op = fold ? FC_OP_FOLD : FC_OP_UNFOLD;
    if ((fold ? fc_fold_create(&d, &plan) : fc_unfold_create(&d, &plan)) != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span = (int64_t)(info.src_bytes / (d.dtype == FC_F64 ? 8 : 4)), origin = 0;
    if ((fold ? span < MOST_BYTES / 8 : reach(image, d.src_stride, 4, &span, &origin)) &&
        info.dst_bytes < MOST_BYTES) {
        operand x = numbers(d.dtype, span ? span : 1, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

void fuzz_interpolate(feed *b) {
    fc_interpolate_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2)};
    d.mode = small(b, 1, 4), d.doubling = take(b) & 1;
    d.n = number(b, 0, 2), d.c = number(b, 1, 3), d.ih = number(b, 1, 12), d.iw = number(b, 1, 30);
    d.oh = number(b, 1, 20), d.ow = number(b, 1, 60);
    d.scale_h = (double)number(b, 0, 64) / 16, d.scale_w = (double)number(b, 0, 64) / 16;
    const int64_t image[4] = {d.n, d.c, d.ih, d.iw};
    strides(b, image, 4, true, d.src_stride);
    d.src_stride[3] = 1;
    fc_plan *gradient = NULL;
    const fc_status status = fc_interpolate_gradient_create(&d, &gradient);
    run_gradient(gradient, status, FC_OP_INTERPOLATE_GRADIENT, d.dtype);
    fc_plan *plan = NULL;
    if (fc_interpolate_create(&d, &plan) != FC_OK) {
        refused[FC_OP_INTERPOLATE]++;
        return;
    }
    accepted[FC_OP_INTERPOLATE]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span, origin;
    if (reach(image, d.src_stride, 4, &span, &origin) && info.dst_bytes < MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}
