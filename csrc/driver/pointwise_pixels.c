#include "pointwise_pixels.h"

#include "conv_blocked.h"

bool fc_pointwise_src_is_flat(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    return d->stride_h == 1 && d->stride_w == 1 && d->src_stride[3] == 1 &&
           (p->oh == 1 || d->src_stride[2] == p->ow);
}

fc_pixel_place fc_pointwise_place(const fc_pointwise_job *job, int64_t list, int64_t at) {
    const fc_conv_problem *p = job->problem;
    const int64_t pixel = list * job->list + at;
    return (fc_pixel_place){pixel / (p->oh * p->ow), pixel / p->ow % p->oh, pixel % p->ow};
}

void fc_pointwise_copy_panels(const fc_pointwise_job *job, int64_t list, int64_t group, int64_t first,
                              int64_t count, int64_t width, int64_t unit, char *panels) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(d->dtype);
    fc_copy_panels_args copy = {
        .rows = job->icg,
        .src_row = d->src_stride[1],
        .src_step = d->stride_w * d->src_stride[3],
        .dst_row = width,
        .panel = width,
        .panel_step = job->panel_step,
    };
    const bool flat = fc_pointwise_src_is_flat(p);
    for (int64_t at = 0; at < count; at += copy.pixels) {
        const fc_pixel_place from = fc_pointwise_place(job, list, first + at);
        const int64_t run = flat ? (p->oh - from.y) * p->ow - from.x : p->ow - from.x;
        const int64_t begin = at % width;
        copy.pixels = fc_min64(run, count - at);
        /* only what begins with a panel may run on into the next */
        if (begin || copy.pixels < count - at) copy.pixels = fc_min64(copy.pixels, width - begin);
        copy.fill = copy.pixels;
        if (at + copy.pixels == count) copy.fill = fc_round_up(count, unit) - at;
        copy.src = fc_conv_src_at(p, job->args->src, from.n, group * job->icg, from.y * d->stride_h,
                                  from.x * d->stride_w);
        copy.dst = panels + (at / width * job->panel_step + begin) * bytes;
        p->kernels->copy_panels(&copy);
    }
}

void fc_pointwise_copy_rows(const fc_pointwise_job *job, int64_t list, int64_t group, int64_t first,
                            int64_t count, char *pixels) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    fc_copy_rows_args copy = {
        .channels = job->icg,
        .src_channel = d->src_stride[1],
        .src_row = d->stride_h * d->src_stride[2],
        .src_step = d->stride_w * d->src_stride[3],
        .dst_channel = job->pitch,
    };
    for (int64_t at = 0; at < count; at += copy.rows * copy.pixels) {
        const fc_pixel_place from = fc_pointwise_place(job, list, first + at);
        copy.pixels = fc_min64(p->ow - from.x, count - at);
        copy.rows = copy.pixels == p->ow ? (count - at) / p->ow : 1;
        copy.fill = copy.rows * copy.pixels;
        if (at + copy.fill == count) copy.fill = fc_round_up(count, p->kernels->vlen) - at;
        copy.src = fc_conv_src_at(p, job->args->src, from.n, group * job->icg, from.y * d->stride_h,
                                  from.x * d->stride_w);
        copy.dst = pixels + at * (ptrdiff_t)fc_dtype_bytes(d->dtype);
        p->kernels->copy_rows(&copy);
    }
}

