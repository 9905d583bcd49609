/* pool_indices.c: maxima together with their positions, by lines of windows (index_rows.c); windows of
 * other kinds by plain loops, cut to the image beforehand: the same code on every tier, and the meaning
 * of the other way. */
#include <math.h>

#include "index_rows.h"
#include "pool_taps.h"

typedef struct indices_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    int threads;
    int64_t lines, chunk; /* output lines of all planes; lines in a task */
} indices_job;

static indices_job cut(const fc_pool_problem *p, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    indices_job job = {.problem = p, .lines = d->n * d->c * p->oh};
    /* some 10 bytes of plain traffic take as long as one comparison here */
    const double taps = (double)fc_min64(d->kh, d->ih) * (double)fc_min64(d->kw, d->iw);
    const double line_bytes = (double)p->ow * (10 * taps + (double)bytes + sizeof(int64_t));
    job.threads = fc_threads_for_bytes(threads, (double)job.lines * line_bytes);
    job.chunk = job.lines;
    if (job.threads > 1)
        job.chunk = fc_min64(job.lines, fc_max64(fc_div_up(job.lines, 8 * job.threads),
                                                 (int64_t)(65536 / line_bytes) + 1));
    return job;
}

/* float widens to double without a change of order, so one comparison serves both. */
static inline __attribute__((always_inline)) double value_at(const void *src, int64_t i,
                                                             const fc_dtype dtype) {
    return dtype == FC_F64 ? ((const double *)src)[i] : (double)((const float *)src)[i];
}

/* One output line of one plane. The first of equal maxima wins, and the last NaN, as in PyTorch. */
static inline __attribute__((always_inline)) void pool_line(const fc_pool_problem *p,
                                                            const void *plane, int64_t y, void *dst,
                                                            int64_t *indices,
                                                            const fc_dtype dtype) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t row = d->src_stride[2], column = d->src_stride[3];
    int64_t y0, y1, top = fc_window_rows(d, p->oh, y, &y0, &y1);
    for (int64_t x = 0; x < p->ow; x++) {
        int64_t x0, x1, left = fc_window_cols(d, p->ow, x, &x0, &x1);
        int64_t best_y = -1, best_x = 0;
        double best = 0;
        for (int64_t a = y0; a < y1; a++) {
            const int64_t sy = top + a * d->dilation_h;
            for (int64_t b = x0; b < x1; b++) {
                const int64_t sx = left + b * d->dilation_w;
                const double v = value_at(plane, sy * row + sx * column, dtype);
                if (best_y < 0 || v > best || v != v) {
                    best = v;
                    best_y = sy;
                    best_x = sx;
                }
            }
        }
        /* a window between whose taps the whole image fits */
        indices[x] = best_y < 0 ? -1 : best_y * d->iw + best_x;
        if (dtype == FC_F64)
            ((double *)dst)[x] =
                best_y < 0 ? -(double)INFINITY : ((const double *)plane)[best_y * row + best_x * column];
        else
            ((float *)dst)[x] =
                best_y < 0 ? -INFINITY : ((const float *)plane)[best_y * row + best_x * column];
    }
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const indices_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(job->lines, (task + 1) * job->chunk);
    for (int64_t line = task * job->chunk; line < end; line++) {
        const int64_t plane = line / p->oh, n = plane / d->c, c = plane % d->c;
        const void *src = (const char *)job->args->src +
                          (n * d->src_stride[0] + c * d->src_stride[1]) * bytes;
        void *dst = (char *)job->args->dst + line * p->ow * bytes;
        int64_t *indices = job->args->indices + line * p->ow;
        if (d->dtype == FC_F64)
            pool_line(p, src, line % p->oh, dst, indices, FC_F64);
        else
            pool_line(p, src, line % p->oh, dst, indices, FC_F32);
    }
}

static const char *refuse(const fc_pool2d_desc *d, int64_t oh, int64_t ow) {
    (void)oh;
    (void)ow;
    return d->with_indices ? NULL : "positions of the maxima are not asked for";
}

static size_t scratch_bytes(const fc_pool_problem *p, int threads) {
    return fc_index_rows_fit(p) ? fc_index_rows_scratch_bytes(p, threads) : 0;
}

static void execute(const fc_pool_problem *p, const fc_args *args, void *scratch, int threads) {
    if (fc_index_rows_fit(p)) {
        fc_index_rows_execute(p, args, scratch, threads);
        return;
    }
    indices_job job = cut(p, threads);
    job.args = args;
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype, fc_div_up(job.lines, job.chunk),
                      run_task, &job);
}

const fc_pool_driver fc_pool_indices = {
    .algorithm = FC_ALGO_POOL_INDICES,
    .why = "positions of the maxima are asked for: they go beside the maxima",
    .refuse = refuse,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
