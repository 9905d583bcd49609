/* pool_windows.c: sliding windows, maximum, average or norm: rows first, then columns.
 *
 * A strip of output lines is made in two passes over a buffer that stays in the first-level cache:
 *
 *   src rows --pool_rows-->  | border | one line: maximum (sum) of its window's rows | border |
 *            --pool_columns--> dst lines
 *
 * Rows outside the image are left out of a line's window; columns outside are the buffer's border,
 * -Inf or 0, which is written once a call. Small planes share a strip, several to a pass, so that
 * vectors are not loaded while the stores that they straddle are still in flight.
 *
 * Windows of two or three columns, step 1 or 2, go without the buffer: pool_plane keeps the lines of
 * the first pass in registers. It computes the same, sums in the same order.
 *
 * Windows far wider than the image would need borders to match, and those of adaptive pooling come in
 * two widths. There each output column takes only the taps that meet the image and is made by a call
 * of its own. */
#include <math.h>

#include "../base/cpu.h"
#include "driver.h"
#include "pool_taps.h"

/* Planes in one strip, at most. */
#define STRIP_PLANES 64

typedef struct pool_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    fc_pool_line *line;           /* by output row */
    char *line_divisor;           /* by output row */
    char *pixel_divisor;          /* by output column, rounded up to whole vectors */
    char *buffers;                /* of all workers */
    unsigned char *ready;         /* by worker: borders are in place */
    size_t line_bytes, line_divisor_bytes, pixel_divisor_bytes, ready_bytes, buffer_bytes;
    int threads;
    bool wide;                    /* columns one by one */
    bool narrow;                  /* windows of pool_plane */
    bool reciprocal;              /* every divisor is a power of two */
    int64_t cols;                 /* columns of the image that any window meets */
    int64_t lead, pitch;          /* elements: before column 0, of a buffer line */
    int64_t run;                  /* planes that follow each other at src_stride[1] */
    int64_t strip_lines, strips;  /* output lines of a strip; strips of a plane */
    int64_t planes;               /* planes of a strip, 1 when strips > 1 */
    int64_t units, chunk;         /* strips of all planes taken singly; units in a task */
} pool_job;

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static pool_job cut(const fc_pool_problem *p, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t line = FC_CACHE_LINE / bytes, vlen = p->kernels->vlen;
    const int64_t planes = d->n * d->c, whole = fc_round_up(p->ow, vlen);
    const int64_t window = fc_taps_span(d->kw, d->dilation_w);
    pool_job job = {.problem = p, .wide = d->adaptive || window > 2 * d->iw + 64};
    job.narrow = !job.wide && (d->kw == 2 || d->kw == 3) && d->stride_w <= 2 &&
                 d->dilation_w == 1 && d->pad_left <= 1 && d->kind != FC_POOL_LP;

    if (job.narrow) {
        job.cols = d->iw;
    } else if (job.wide) {
        job.cols = d->iw;
        job.pitch = d->iw + vlen;
    } else {
        const int64_t reach = (p->ow - 1) * d->stride_w + window;
        job.cols = fc_min64(d->iw, reach - d->pad_left);
        job.lead = fc_round_up(d->pad_left, line);
        const int64_t read = d->stride_w <= 2 ? whole * d->stride_w + window - 1 : reach;
        job.pitch = job.lead + fc_max64(job.cols, read - d->pad_left);
    }
    job.pitch = fc_round_up(job.pitch, line);
    job.run = d->n == 1 || d->src_stride[0] == d->c * d->src_stride[1] ? planes : d->c;

    const double traffic = (double)planes * (double)bytes *
                           ((double)d->ih * (double)d->iw + (double)p->oh * (double)p->ow);
    job.threads = threads = fc_threads_for_bytes(threads, traffic);

    /* Strips: the buffer within half of the first-level cache; finer when planes are too few to
     * feed the threads. */
    const int64_t budget =
        job.narrow ? INT64_MAX : (int64_t)fc_cpu_caches()->l1d / 2 / (job.pitch * bytes);
    int64_t lines = fc_max64(4, budget);
    if (threads > 1 && planes < 4 * threads)
        lines = fc_min64(lines, fc_max64(4, fc_div_up(p->oh * planes, 4 * threads)));
    job.strips = fc_div_up(p->oh, fc_min64(lines, p->oh));
    job.strip_lines = fc_div_up(p->oh, job.strips);
    job.strips = fc_div_up(p->oh, job.strip_lines);
    job.planes = 1;
    if (job.strips == 1)
        job.planes = job.narrow ? job.run
                                : fc_max64(1, fc_min64(fc_min64(STRIP_PLANES, job.run),
                                                       budget / p->oh));
    job.units = planes * job.strips;
    /* Tasks of at least 64 KiB of traffic, some eight a thread, in whole strips. */
    const double unit_bytes = traffic / (double)job.units;
    job.chunk = job.units;
    if (threads > 1) {
        job.chunk = fc_max64(fc_div_up(job.units, 8 * threads), (int64_t)(65536 / unit_bytes) + 1);
        if (!job.narrow) job.chunk = fc_round_up(job.chunk, job.planes);
        job.chunk = fc_min64(job.units, job.chunk);
    }

    const bool average = d->kind != FC_POOL_MAX;
    job.line_bytes = (size_t)fc_round_up(p->oh * (int64_t)sizeof(fc_pool_line), FC_CACHE_LINE);
    job.line_divisor_bytes = average ? (size_t)fc_round_up(p->oh * bytes, FC_CACHE_LINE) : 0;
    job.pixel_divisor_bytes = average ? (size_t)fc_round_up(whole * bytes, FC_CACHE_LINE) : 0;
    job.ready_bytes = (size_t)fc_round_up(threads, FC_CACHE_LINE);
    job.buffer_bytes = (size_t)(job.planes * job.strip_lines * job.pitch * bytes);
    return job;
}

static void set_real(const fc_pool_problem *p, void *array, int64_t i, double value) {
    if (p->desc.dtype == FC_F64)
        ((double *)array)[i] = value;
    else
        ((float *)array)[i] = (float)value;
}

static bool power_of_two(int64_t v) { return v > 0 && (v & (v - 1)) == 0; }

/* The divisor of an average is a product, of its row's number and its column's. With a power of
 * two dividing and multiplying by the reciprocal are the same, to the bit. */
static void fill_divisors(pool_job *job) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t whole = fc_round_up(p->ow, p->kernels->vlen);
    for (int pass = 0; pass < 2; pass++) {
        bool all = true;
        for (int64_t y = 0; y < p->oh; y++) {
            int64_t v = d->divisor_override;
            if (!v) v = fc_counted_rows(d, p->oh, y);
            all = all && power_of_two(v);
            set_real(p, job->line_divisor, y, job->reciprocal ? 1 / (double)v : (double)v);
        }
        for (int64_t x = 0; x < whole; x++) {
            int64_t v = 1;
            if (!d->divisor_override && x < p->ow)
                v = fc_counted_cols(d, p->ow, x);
            all = all && power_of_two(v);
            set_real(p, job->pixel_divisor, x, job->reciprocal ? 1 / (double)v : (double)v);
        }
        if (job->reciprocal || !all) return;
        job->reciprocal = true;
    }
}

static void fill_lines(pool_job *job) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    for (int64_t y = 0; y < p->oh; y++) {
        int64_t begin, end, start = fc_window_rows(d, p->oh, y, &begin, &end);
        job->line[y].rows = end - begin;
        job->line[y].first = end > begin ? (start + begin * d->dilation_h) * d->src_stride[2] : 0;
    }
}

/* One output column of all lines at a time, by the taps that meet the image. */
static void pool_wide(const fc_pool_problem *p, const fc_pool_columns_args *all) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    for (int64_t x = 0; x < p->ow; x++) {
        int64_t begin, end, start = fc_window_cols(d, p->ow, x, &begin, &end);
        fc_pool_columns_args one = *all;
        one.dst = (char *)all->dst + x * bytes;
        one.pixels = 1;
        one.step = 1;
        if (begin == end) { /* a maximum: averages are not dilated */
            for (int64_t i = 0; i < one.planes * one.lines; i++)
                set_real(p, one.dst, i * one.dst_line, -(double)INFINITY);
            continue;
        }
        one.src = (const char *)all->src + (start + begin * d->dilation_w) * bytes;
        one.taps = end - begin;
        if (d->kind != FC_POOL_MAX)
            one.pixel_divisor = (const char *)all->pixel_divisor + x * bytes;
        p->kernels->pool_columns(&one);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const pool_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    char *buffer = job->buffers + (size_t)worker * job->buffer_bytes;
    if (!job->ready[worker]) {
        const double border = d->kind == FC_POOL_MAX ? -(double)INFINITY : 0;
        const int64_t count = job->planes * job->strip_lines * job->pitch;
        for (int64_t i = 0; i < count; i++) set_real(p, buffer, i, border);
        job->ready[worker] = 1;
    }
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end;) {
        const int64_t plane = unit / job->strips, y = unit % job->strips * job->strip_lines;
        const int64_t n = plane / d->c, c = plane % d->c;
        const char *src = (const char *)job->args->src +
                          (n * d->src_stride[0] + c * d->src_stride[1]) * bytes;
        const int64_t lines = fc_min64(job->strip_lines, p->oh - y);
        const int64_t planes =
            fc_min64(fc_min64(job->planes, end - unit), job->run - plane % job->run);
        const void *line_divisor = job->line_divisor + y * bytes;
        char *dst = (char *)job->args->dst + (plane * p->oh + y) * p->ow * bytes;
        if (job->narrow) {
            const fc_pool_plane_args windows = {
                .src = src,
                .dst = dst,
                .line = job->line + y,
                .line_divisor = line_divisor,
                .pixel_divisor = job->pixel_divisor,
                .planes = planes,
                .lines = lines,
                .pixels = p->ow,
                .width = job->cols,
                .src_plane = d->src_stride[1],
                .row_stride = d->dilation_h * d->src_stride[2],
                .dst_line = p->ow,
                .taps = (int)d->kw,
                .step = (int)d->stride_w,
                .before = (int)d->pad_left,
                .reciprocal = job->reciprocal,
                .kind = d->kind,
            };
            p->kernels->pool_plane(&windows);
            unit += planes;
            continue;
        }
        const fc_pool_rows_args rows = {
            .src = src,
            .dst = buffer + job->lead * bytes,
            .line = job->line + y,
            .planes = planes,
            .lines = lines,
            .pixels = job->cols,
            .src_plane = d->src_stride[1],
            .row_stride = d->dilation_h * d->src_stride[2],
            .dst_line = job->pitch,
            .kind = d->kind,
            .norm = d->norm,
        };
        p->kernels->pool_rows(&rows);
        const fc_pool_columns_args columns = {
            .src = buffer + (job->wide ? 0 : job->lead - d->pad_left) * bytes,
            .dst = dst,
            .line_divisor = line_divisor,
            .pixel_divisor = job->pixel_divisor,
            .planes = planes,
            .lines = lines,
            .pixels = p->ow,
            .src_line = job->pitch,
            .dst_line = p->ow,
            .taps = d->kw,
            .step = d->stride_w,
            .tap_step = d->dilation_w,
            .reciprocal = job->reciprocal,
            .kind = d->kind,
            .norm = d->norm,
            .window = (double)(d->kh * d->kw),
        };
        if (job->wide)
            pool_wide(p, &columns);
        else
            p->kernels->pool_columns(&columns);
        unit += planes;
    }
}

static const char *refuse(const fc_pool2d_desc *d, int64_t oh, int64_t ow) {
    (void)oh;
    (void)ow;
    if (d->with_indices) return "positions of the maxima are asked for";
    return d->src_stride[3] == 1 ? NULL : "channels lie side by side, not columns";
}

static size_t scratch_bytes(const fc_pool_problem *p, int threads) {
    const pool_job job = cut(p, threads);
    return job.line_bytes + job.line_divisor_bytes + job.pixel_divisor_bytes + job.ready_bytes +
           job.buffer_bytes * (size_t)job.threads;
}

static void execute(const fc_pool_problem *p, const fc_args *args, void *scratch, int threads) {
    pool_job job = cut(p, threads);
    char *at = scratch;
    job.args = args;
    job.line = (fc_pool_line *)at;
    job.line_divisor = at += job.line_bytes;
    job.pixel_divisor = at += job.line_divisor_bytes;
    job.ready = (unsigned char *)(at += job.pixel_divisor_bytes);
    job.buffers = at + job.ready_bytes;
    for (int i = 0; i < job.threads; i++) job.ready[i] = 0;
    fill_lines(&job);
    if (p->desc.kind != FC_POOL_MAX) fill_divisors(&job);
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype, fc_div_up(job.units, job.chunk),
                      run_task, &job);
}

const fc_pool_driver fc_pool_windows = {
    .algorithm = FC_ALGO_POOL_ROWS,
    .why = "window slides: rows first, then columns",
    .refuse = refuse,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
