/* unfold.c: windows into columns, and columns added back into windows: plane by plane, in rows. */
#include <string.h>

#include "driver.h"

typedef struct unfold_job {
    const fc_unfold_problem *problem;
    const fc_args *args;
} unfold_job;

/* The result columns [*begin, *end) whose tap `b` meets the image, the first at column *from. */
static void columns_inside(const fc_unfold_problem *p, int64_t b, int64_t *begin, int64_t *end,
                           int64_t *from) {
    const fc_unfold_desc *d = &p->desc;
    const int64_t start = b * d->dilation_w - d->pad_w; /* of result column 0 */
    *begin = fc_min64(p->ow, start < 0 ? fc_div_up(-start, d->stride_w) : 0);
    *end = start < d->iw ? fc_min64(p->ow, (d->iw - 1 - start) / d->stride_w + 1) : 0;
    *end = fc_max64(*begin, *end);
    *from = start + *begin * d->stride_w;
}

static void unfold_task(void *context, int64_t plane, int worker) {
    (void)worker;
    const unfold_job *job = context;
    const fc_unfold_problem *p = job->problem;
    const fc_unfold_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const char *src = (const char *)job->args->src +
                      (plane / d->c * d->src_stride[0] + plane % d->c * d->src_stride[1]) * bytes;
    char *dst = (char *)job->args->dst + plane * d->kh * d->kw * p->oh * p->ow * bytes;
    for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
        int64_t begin, end, from;
        columns_inside(p, tap % d->kw, &begin, &end, &from);
        for (int64_t y = 0; y < p->oh; y++, dst += p->ow * bytes) {
            const int64_t row = y * d->stride_h + tap / d->kw * d->dilation_h - d->pad_h;
            if (row < 0 || row >= d->ih) {
                memset(dst, 0, (size_t)(p->ow * bytes));
                continue;
            }
            memset(dst, 0, (size_t)(begin * bytes));
            memset(dst + end * bytes, 0, (size_t)((p->ow - end) * bytes));
            if (end == begin) continue;
            fc_split_phases_args copy = {
                .src = src + (row * d->src_stride[2] + from * d->src_stride[3]) * bytes,
                .dst = dst + begin * bytes,
                .src_stride = d->stride_w * d->src_stride[3],
                .pixels = end - begin,
                .step = 1,
            };
            p->kernels->split_phases(&copy);
        }
    }
}

static void fold_task(void *context, int64_t plane, int worker) {
    (void)worker;
    const unfold_job *job = context;
    const fc_unfold_problem *p = job->problem;
    const fc_unfold_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const char *src = (const char *)job->args->src + plane * d->kh * d->kw * p->oh * p->ow * bytes;
    char *dst = (char *)job->args->dst + plane * d->ih * d->iw * bytes;
    memset(dst, 0, (size_t)(d->ih * d->iw * bytes));
    for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
        int64_t begin, end, from;
        columns_inside(p, tap % d->kw, &begin, &end, &from);
        for (int64_t y = 0; y < p->oh; y++, src += p->ow * bytes) {
            const int64_t row = y * d->stride_h + tap / d->kw * d->dilation_h - d->pad_h;
            if (row < 0 || row >= d->ih || end == begin) continue;
            fc_add_strided_args add = {
                .src = src + begin * bytes,
                .dst = dst + (row * d->iw + from) * bytes,
                .count = end - begin,
                .step = d->stride_w,
            };
            p->kernels->add_strided(&add);
        }
    }
}

void fc_unfold_execute(const fc_unfold_problem *p, const fc_args *args, int threads) {
    unfold_job job = {p, args};
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, p->desc.n * p->desc.c, unfold_task, &job);
}

void fc_fold_execute(const fc_unfold_problem *p, const fc_args *args, int threads) {
    unfold_job job = {p, args};
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, p->desc.n * p->desc.c, fold_task, &job);
}
