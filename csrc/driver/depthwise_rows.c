#include "depthwise_rows.h"

#include <string.h>

/* A thread for each 96 KiB of traffic: 512 channels at 7 x 7 with 3 x 3, 200 KB, take 7 microseconds on
 * one thread and 5 on two, 192 at 28 x 28 with stride 2 14 and 8, 96 at 14 x 14, 150 KB, 4 and 3. */
int fc_depthwise_threads(const fc_conv_problem *p, int requested) {
    const fc_conv2d_desc *d = &p->desc;
    const double outputs = (double)d->n * (double)d->oc * (double)p->oh * (double)p->ow;
    const double inputs = (double)d->n * (double)d->ic * (double)d->ih * (double)d->iw;
    const int by_flops = fc_threads_for_flops(requested, 2.0 * outputs * (double)(d->kh * d->kw));
    const double bytes = (outputs + inputs) * (double)fc_dtype_bytes(d->dtype);
    const int by_bytes = fc_threads_for_bytes(requested, bytes * (256.0 / 96));
    return by_flops > by_bytes ? by_flops : by_bytes;
}

void fc_depthwise_table(const fc_depthwise_job *job, const void **table, const void *zeros,
                        const char *origin, int64_t row_bytes, int64_t first, int64_t rows) {
    const fc_conv2d_desc *d = &job->problem->desc;
    int64_t begin = 0, end = rows;
    if (!job->bordered) {
        begin = fc_min64(rows, fc_max64(0, d->pad_top - first));
        end = fc_max64(begin, fc_min64(rows, d->ih + d->pad_top - first));
    }
    int64_t i = 0;
    for (; i < begin; i++) table[i] = zeros;
    for (; i < end; i++, origin += row_bytes) table[i] = origin;
    for (; i < rows; i++) table[i] = zeros;
}

/* Copies image rows [y, y + rows) of `planes` planes into their bordered buffers. */
static void fill_planes(const fc_depthwise_job *job, const char *src, int64_t planes, int64_t y,
                        int64_t rows, char *buffer) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype);
    if (rows <= 0 || job->filled_cols <= 0) return;
    fc_split_phases_args split = {
        .src_stride = d->src_stride[3],
        .pixels = job->filled_cols,
        .step = d->stride_w,
        .phase = job->phase,
        .rows = rows,
        .src_row = d->src_stride[2],
        .dst_row = job->pitch,
    };
    /* Rows of dense planes follow one another without a seam. */
    if (rows == job->filled_rows && d->src_stride[1] == rows * d->src_stride[2]) {
        split.rows = rows * planes;
        planes = 1;
    }
    for (int64_t i = 0; i < planes; i++) {
        split.src = src + (i * d->src_stride[1] + y * d->src_stride[2]) * bytes;
        split.dst = buffer + (i * job->filled_rows * job->pitch + job->lead) * bytes;
        p->kernels->split_phases(&split);
    }
}

/* One padded row of a plane whose border holds other than zeros, into its place in the buffer. */
static void fill_bordered_row(const fc_depthwise_job *job, const char *plane, int64_t padded_y,
                              char *row) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), sw = d->stride_w;
    const int64_t y = fc_border_source(d->border, padded_y - d->pad_top, d->ih);
    const char *src = plane + y * d->src_stride[2] * bytes;
    if (job->filled_cols > 0) {
        fc_split_phases_args split = {
            .src = src,
            .dst = row + job->lead * bytes,
            .src_stride = d->src_stride[3],
            .pixels = job->filled_cols,
            .step = sw,
            .phase = job->phase,
        };
        p->kernels->split_phases(&split);
    }
    const int64_t end = (p->ow - 1) * sw + fc_window_cols(d) - d->pad_left;
    for (int64_t x = d->pad_left ? -d->pad_left : d->iw; x < end; x = x == -1 ? d->iw : x + 1) {
        const int64_t place = fc_floor_div(x, sw);
        memcpy(row + (job->lead + place + (x - place * sw) * job->phase) * bytes,
               src + fc_border_source(d->border, x, d->iw) * d->src_stride[3] * bytes,
               (size_t)bytes);
    }
}

void fc_depthwise_fill(const fc_depthwise_job *job, const char *src, int64_t planes, int64_t first,
                       int64_t rows, char *buffer) {
    const fc_conv2d_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype);
    if (!job->bordered) {
        const int64_t y = fc_max64(0, first - d->pad_top);
        fill_planes(job, src, planes, y, fc_min64(d->ih, first + rows - d->pad_top) - y, buffer);
        return;
    }
    for (int64_t i = 0; i < planes * rows; i++)
        fill_bordered_row(job, src + i / rows * d->src_stride[1] * bytes, first + i % rows,
                          buffer + (i / rows * job->filled_rows + i % rows) * job->pitch * bytes);
}
