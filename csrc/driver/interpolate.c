/* interpolate.c: images of another size, row by row of the result, and the gradient of that. Where each row and column comes from
 * is worked out once a call, in the arithmetic of PyTorch: of nearest neighbours in float32 whatever
 * the dtype, and of the rest in the dtype. */
#include <math.h>
#include <string.h>

#include "driver.h"

/* Where one axis of the result comes from: pixels [0] and [1], with their weights. */
typedef struct axis_table {
    ptrdiff_t *pixel[2];
    char *weight[2]; /* of the dtype */
} axis_table;

typedef struct interpolate_job {
    const fc_interpolate_problem *problem;
    const fc_args *args;
    axis_table rows, cols;
    char *lines; /* of all workers */
    size_t line_bytes;
    int64_t chunk; /* rows of the result in a task */
} interpolate_job;

static bool between_pixels(const fc_interpolate_desc *d) {
    return d->mode == FC_INTERPOLATE_BILINEAR || d->mode == FC_INTERPOLATE_BILINEAR_CORNERS;
}

static size_t table_bytes(const fc_interpolate_desc *d, int64_t count) {
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    return (size_t)(2 * fc_round_up(count * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE) +
                    2 * fc_round_up(count * bytes, FC_CACHE_LINE));
}

static size_t line_bytes(const fc_interpolate_desc *d) {
    return (size_t)fc_round_up(d->iw * (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), FC_CACHE_LINE);
}

size_t fc_interpolate_scratch_bytes(const fc_interpolate_problem *p, int threads) {
    const fc_interpolate_desc *d = &p->desc;
    return table_bytes(d, d->oh) + table_bytes(d, d->ow) + line_bytes(d) * (size_t)threads;
}

static axis_table lay_table(const fc_interpolate_desc *d, int64_t count, char *at) {
    const size_t pixels = (size_t)fc_round_up(count * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    const size_t weights = (size_t)fc_round_up(
        count * (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), FC_CACHE_LINE);
    return (axis_table){{(ptrdiff_t *)at, (ptrdiff_t *)(at + pixels)},
                        {at + 2 * pixels, at + 2 * pixels + weights}};
}

static void nearest(const fc_interpolate_desc *d, axis_table *table, int64_t in, int64_t out,
                    double scale) {
    const float narrow = (float)scale;
    const float offset = d->mode == FC_INTERPOLATE_NEAREST_EXACT ? 0.5f : 0.0f;
    for (int64_t i = 0; i < out; i++) {
        int64_t from = (int64_t)floorf(((float)i + offset) * narrow);
        if (d->doubling && out == in) from = i;
        if (d->doubling && out == 2 * in) from = i / 2;
        table->pixel[0][i] = fc_max64(0, fc_min64(from, in - 1));
    }
}

static void linear_f32(const fc_interpolate_desc *d, axis_table *table, int64_t in, int64_t out,
                       double scale) {
    const float narrow = (float)scale;
    for (int64_t i = 0; i < out; i++) {
        float at = narrow * (float)i;
        if (d->mode == FC_INTERPOLATE_BILINEAR) at = narrow * ((float)i + 0.5f) - 0.5f;
        if (at < 0) at = 0;
        const int64_t low = fc_min64((int64_t)at, in - 1);
        float part = at - (float)low;
        if (part > 1) part = 1;
        table->pixel[0][i] = low;
        table->pixel[1][i] = low + (low < in - 1);
        ((float *)table->weight[0])[i] = 1 - part;
        ((float *)table->weight[1])[i] = part;
    }
}

static void linear_f64(const fc_interpolate_desc *d, axis_table *table, int64_t in, int64_t out,
                       double scale) {
    for (int64_t i = 0; i < out; i++) {
        double at = scale * (double)i;
        if (d->mode == FC_INTERPOLATE_BILINEAR) at = scale * ((double)i + 0.5) - 0.5;
        if (at < 0) at = 0;
        const int64_t low = fc_min64((int64_t)at, in - 1);
        double part = at - (double)low;
        if (part > 1) part = 1;
        table->pixel[0][i] = low;
        table->pixel[1][i] = low + (low < in - 1);
        ((double *)table->weight[0])[i] = 1 - part;
        ((double *)table->weight[1])[i] = part;
    }
}

static void fill_table(const fc_interpolate_desc *d, axis_table *table, int64_t in, int64_t out,
                       double scale) {
    if (!between_pixels(d))
        nearest(d, table, in, out, scale);
    else if (d->dtype == FC_F64)
        linear_f64(d, table, in, out, scale);
    else
        linear_f32(d, table, in, out, scale);
}

static double weight_at(const axis_table *table, int which, int64_t i, int32_t dtype) {
    return dtype == FC_F64 ? ((const double *)table->weight[which])[i]
                           : (double)((const float *)table->weight[which])[i];
}

static void nearest_row(const interpolate_job *job, const char *src, char *dst) {
    const fc_interpolate_desc *d = &job->problem->desc;
    const ptrdiff_t *column = job->cols.pixel[0];
    for (int64_t x = 0; x < d->ow; x++) {
        if (d->dtype == FC_F64)
            ((double *)dst)[x] = ((const double *)src)[column[x]];
        else
            ((float *)dst)[x] = ((const float *)src)[column[x]];
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const interpolate_job *job = context;
    const fc_interpolate_problem *p = job->problem;
    const fc_interpolate_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t all = d->n * d->c * d->oh, end = fc_min64(all, (task + 1) * job->chunk);
    for (int64_t row = task * job->chunk; row < end; row++) {
        const int64_t plane = row / d->oh, y = row % d->oh;
        const char *src =
            (const char *)job->args->src +
            (plane / d->c * d->src_stride[0] + plane % d->c * d->src_stride[1]) * bytes;
        const char *upper = src + job->rows.pixel[0][y] * d->src_stride[2] * bytes;
        char *dst = (char *)job->args->dst + row * d->ow * bytes;
        if (!between_pixels(d)) {
            nearest_row(job, upper, dst);
            continue;
        }
        fc_bilinear_row_args args = {
            .row = {upper, src + job->rows.pixel[1][y] * d->src_stride[2] * bytes},
            .row_weight = {weight_at(&job->rows, 0, y, d->dtype),
                           weight_at(&job->rows, 1, y, d->dtype)},
            .weight = {job->cols.weight[0], job->cols.weight[1]},
            .column = {job->cols.pixel[0], job->cols.pixel[1]},
            .line = job->lines + (size_t)worker * job->line_bytes,
            .dst = dst,
            .width = d->iw,
            .pixels = d->ow,
        };
        p->kernels->bilinear_row(&args);
    }
}

void fc_interpolate_execute(const fc_interpolate_problem *p, const fc_args *args, void *scratch,
                            int threads) {
    const fc_interpolate_desc *d = &p->desc;
    interpolate_job job = {.problem = p, .args = args, .line_bytes = line_bytes(d)};
    char *at = scratch;
    job.rows = lay_table(d, d->oh, at);
    job.cols = lay_table(d, d->ow, at += table_bytes(d, d->oh));
    job.lines = at + table_bytes(d, d->ow);
    fill_table(d, &job.rows, d->ih, d->oh, d->scale_h);
    fill_table(d, &job.cols, d->iw, d->ow, d->scale_w);
    const int64_t rows = d->n * d->c * d->oh;
    const double row_bytes = 2.0 * (double)d->ow * (double)fc_dtype_bytes((fc_dtype)d->dtype);
    job.chunk = rows;
    if (threads > 1)
        job.chunk = fc_min64(
            rows, fc_max64(fc_div_up(rows, 8 * threads), (int64_t)(65536 / row_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(rows, job.chunk), run_task, &job);
}

/* ---- gradient ------------------------------------------------------------------------------------
 *
 * The same tables read the other way, one row of dst at a time: the rows of src that came from it are
 * added up with their weights, in order, and then the columns of that sum. Rows are split among threads. */

size_t fc_interpolate_gradient_scratch_bytes(const fc_interpolate_problem *p, int threads) {
    const fc_interpolate_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    return table_bytes(d, d->oh) + table_bytes(d, d->ow) +
           (size_t)fc_round_up(d->ow * bytes, FC_CACHE_LINE) * (size_t)threads;
}

/* The first row of src that came from source row `from` or a later one. */
static int64_t first_from(const axis_table *rows, int64_t count, int64_t from) {
    int64_t low = 0, high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (rows->pixel[0][middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The sum of all rows that came from row y, by weight; false: there is none. */
static bool sum_rows(const interpolate_job *job, const char *src, int64_t y, char *line) {
    const fc_interpolate_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const bool between = between_pixels(d);
    fc_add_scaled_args add = {.dst = line, .count = d->ow, .fresh = 1};
    for (int64_t r = first_from(&job->rows, d->oh, between ? y - 1 : y);
         r < d->oh && job->rows.pixel[0][r] <= y; r++) {
        add.weight = 1;
        if (between) {
            const bool upper = job->rows.pixel[0][r] == y, lower = job->rows.pixel[1][r] == y;
            add.weight = (upper ? weight_at(&job->rows, 0, r, d->dtype) : 0) +
                         (lower ? weight_at(&job->rows, 1, r, d->dtype) : 0);
            if (!upper && !lower) continue;
        }
        add.src = src + r * d->ow * bytes;
        job->problem->kernels->add_scaled(&add);
        add.fresh = 0;
    }
    return !add.fresh;
}

static inline __attribute__((always_inline)) double value_at(const void *at, int64_t i,
                                                             const bool wide) {
    return wide ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

static inline __attribute__((always_inline)) void add_at(void *at, int64_t i, double value,
                                                         const bool wide) {
    if (wide)
        ((double *)at)[i] += value;
    else
        ((float *)at)[i] += (float)value;
}

/* Columns of nearest neighbours: each pixel's run is added up before it is stored. */
static inline __attribute__((always_inline)) void gather_runs(const interpolate_job *job,
                                                              const char *line, char *dst,
                                                              const bool wide) {
    const int64_t pixels = job->problem->desc.ow;
    const ptrdiff_t *column = job->cols.pixel[0];
    for (int64_t x = 0; x < pixels;) {
        const ptrdiff_t to = column[x];
        double run = value_at(line, x, wide);
        for (x++; x < pixels && column[x] == to; x++) {
            run += value_at(line, x, wide);
            if (!wide) run = (double)(float)run;
        }
        add_at(dst, to, run, wide);
    }
}

static inline __attribute__((always_inline)) void gather_between(const interpolate_job *job,
                                                                 const char *line, char *dst,
                                                                 const bool wide) {
    const int64_t pixels = job->problem->desc.ow;
    for (int64_t x = 0; x < pixels; x++) {
        const double value = value_at(line, x, wide);
        add_at(dst, job->cols.pixel[0][x], value * value_at(job->cols.weight[0], x, wide), wide);
        add_at(dst, job->cols.pixel[1][x], value * value_at(job->cols.weight[1], x, wide), wide);
    }
}

static void gradient_task(void *context, int64_t task, int worker) {
    const interpolate_job *job = context;
    const fc_interpolate_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t all = d->n * d->c * d->ih, end = fc_min64(all, (task + 1) * job->chunk);
    char *line = job->lines + (size_t)worker * job->line_bytes;
    for (int64_t row = task * job->chunk; row < end; row++) {
        const char *src = (const char *)job->args->src + row / d->ih * d->oh * d->ow * bytes;
        char *dst = (char *)job->args->dst + row * d->iw * bytes;
        memset(dst, 0, (size_t)(d->iw * bytes));
        if (!sum_rows(job, src, row % d->ih, line)) continue;
        if (between_pixels(d) && d->dtype == FC_F64)
            gather_between(job, line, dst, true);
        else if (between_pixels(d))
            gather_between(job, line, dst, false);
        else if (d->dtype == FC_F64)
            gather_runs(job, line, dst, true);
        else
            gather_runs(job, line, dst, false);
    }
}

void fc_interpolate_gradient_execute(const fc_interpolate_problem *p, const fc_args *args,
                                     void *scratch, int threads) {
    const fc_interpolate_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    interpolate_job job = {.problem = p, .args = args,
                           .line_bytes = (size_t)fc_round_up(d->ow * bytes, FC_CACHE_LINE)};
    char *at = scratch;
    job.rows = lay_table(d, d->oh, at);
    job.cols = lay_table(d, d->ow, at += table_bytes(d, d->oh));
    job.lines = at + table_bytes(d, d->ow);
    fill_table(d, &job.rows, d->ih, d->oh, d->scale_h);
    fill_table(d, &job.cols, d->iw, d->ow, d->scale_w);
    const int64_t rows = d->n * d->c * d->ih;
    const double row_bytes = ((double)d->iw + (double)d->oh / (double)d->ih * (double)d->ow) * (double)bytes;
    job.chunk = rows;
    if (threads > 1)
        job.chunk = fc_min64(
            rows, fc_max64(fc_div_up(rows, 8 * threads), (int64_t)(65536 / row_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(rows, job.chunk), gradient_task, &job);
}
