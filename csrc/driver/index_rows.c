/* index_rows.c: maxima together with their positions, by lines of windows.
 *
 *   src rows --split_phases--> | -Inf | phase 0 | -Inf | ... | -Inf | phase s - 1 | -Inf |
 *            --pool_indices--> dst and indices lines
 *
 * A strip's rows lie in a buffer that stays in the first-level cache, by phases of the stride, so that
 * each tap of neighbouring windows is one vector. Rows outside the image are left out of a line's
 * windows; columns outside are borders of -Inf, written once a call. They never win: a window in which
 * nothing is more says its first tap in the image. Small planes share a strip, several to a pass. */
#include <math.h>

#include "../base/cpu.h"
#include "cut.h"
#include "index_rows.h"
#include "pool_taps.h"

/* Planes in one strip, at most. */
#define STRIP_PLANES 64
/* Phases that split_phases makes by vectors. */
#define MOST_STRIDE 16

typedef struct rows_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    fc_pool_line *line; /* by output row, in a buffer that holds the whole plane */
    int64_t *origin;    /* by output row: the position of column 0's first tap there */
    ptrdiff_t *column;  /* by tap */
    char *number;       /* by tap of a window */
    char *start;        /* by output column, rounded up to whole vectors */
    char *buffers;      /* of all workers */
    unsigned char *ready; /* by worker: borders are in place */
    size_t line_bytes, origin_bytes, column_bytes, number_bytes, start_bytes, ready_bytes, buffer_bytes;
    int threads;
    bool every_row;               /* some window reads each row */
    int64_t cols;                 /* columns of the image that any window meets */
    int64_t lead, phase, pitch;   /* elements: before column 0 of all phases, of a phase, of a row */
    int64_t run;                  /* planes that follow each other at src_stride[1] */
    int64_t strip_lines, strips;  /* output lines of a strip; strips of a plane */
    int64_t strip_rows;           /* source rows of a strip, at most */
    int64_t planes;               /* planes of a strip, 1 when strips > 1 */
    int64_t units, chunk;         /* strips of all planes taken singly; units in a task */
} rows_job;

bool fc_index_rows_fit(const fc_pool_problem *p) {
    const fc_pool2d_desc *d = &p->desc;
    /* single windows fill too little of a vector, and borders should not be wider than the image */
    if (d->adaptive || d->stride_w > MOST_STRIDE || p->ow < 2 ||
        fc_taps_span(d->kw, d->dilation_w) > 2 * d->iw + 64 ||
        fc_taps_span(d->kh, d->dilation_h) > 2 * d->ih + 64)
        return false;
    /* numbers of taps, below (2 ih + 66) iw + 64 */
    if (d->iw + 64 >= FC_POOL_NUMBERS / (2 * d->ih + 66)) return false;
    /* dilated windows may have the image between their taps */
    int64_t begin, end;
    for (int64_t y = 0; d->dilation_h > 1 && y < p->oh; y++)
        if (fc_window_rows(d, p->oh, y, &begin, &end), begin == end) return false;
    for (int64_t x = 0; d->dilation_w > 1 && x < p->ow; x++)
        if (fc_window_cols(d, p->ow, x, &begin, &end), begin == end) return false;
    return true;
}

/* Rows between the first and the last tap of `lines` lines, as far as the image has them. */
static int64_t rows_of(const fc_pool2d_desc *d, int64_t lines) {
    return fc_min64(d->ih, (lines - 1) * d->stride_h + fc_taps_span(d->kh, d->dilation_h));
}

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static rows_job cut(const fc_pool_problem *p, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t planes = d->n * d->c, whole = fc_round_up(p->ow, p->kernels->vlen);
    const int64_t window = fc_taps_span(d->kw, d->dilation_w), step = d->stride_w;
    rows_job job = {.problem = p};
    job.cols = fc_min64(d->iw, (p->ow - 1) * step + window - d->pad_left);
    job.lead = fc_div_up(d->pad_left, step);
    job.phase = job.lead + fc_max64(fc_div_up(job.cols, step), whole + (window - 1) / step);
    job.phase = fc_round_up(job.phase, FC_CACHE_LINE / bytes);
    job.pitch = job.phase * step;
    job.run = d->n == 1 || d->src_stride[0] == d->c * d->src_stride[1] ? planes : d->c;
    job.every_row = d->stride_h == 1 || (d->dilation_h == 1 && d->kh >= d->stride_h);

    /* a comparison takes about as long as half an element of plain traffic */
    const double results = (double)p->oh * (double)p->ow;
    const double taps = (double)fc_min64(d->kh, d->ih) * (double)d->kw;
    const double traffic = (double)planes * ((double)bytes * ((double)d->ih * (double)d->iw +
                                             results * (1 + taps / 2)) + results * sizeof(int64_t));
    job.threads = threads = fc_threads_for_bytes(threads, traffic);

    /* Strips: the buffer within half of the first-level cache, but no more rows twice than once; finer
     * when planes are too few to feed the threads. */
    const int64_t budget = (int64_t)fc_cpu_caches()->l1d / 2 / (job.pitch * bytes);
    const int64_t shared = fc_max64(0, fc_taps_span(d->kh, d->dilation_h) - d->stride_h);
    const int64_t least = fc_max64(4, fc_div_up(shared, d->stride_h));
    int64_t lines = fc_max64(least, (budget - shared) / d->stride_h);
    if (threads > 1 && planes < 4 * threads)
        lines = fc_min64(lines, fc_max64(least, fc_div_up(p->oh * planes, 4 * threads)));
    job.strips = fc_div_up(p->oh, fc_min64(lines, p->oh));
    job.strip_lines = fc_div_up(p->oh, job.strips);
    job.strips = fc_div_up(p->oh, job.strip_lines);
    job.strip_rows = rows_of(d, job.strip_lines);
    job.planes = 1;
    if (job.strips == 1)
        job.planes = fc_max64(1, fc_min64(fc_min64(STRIP_PLANES, job.run), budget / job.strip_rows));
    job.units = planes * job.strips;
    /* Tasks of at least 64 KiB of traffic, some eight a thread, in whole strips. */
    const double unit_bytes = traffic / (double)job.units;
    job.chunk = job.units;
    if (threads > 1) {
        job.chunk = fc_max64(fc_div_up(job.units, 8 * threads), (int64_t)(65536 / unit_bytes) + 1);
        job.chunk = fc_min64(job.units, fc_round_up(job.chunk, job.planes));
    }

    job.line_bytes = (size_t)fc_round_up(p->oh * (int64_t)sizeof(fc_pool_line), FC_CACHE_LINE);
    job.origin_bytes = (size_t)fc_round_up(p->oh * (int64_t)sizeof(int64_t), FC_CACHE_LINE);
    job.column_bytes = (size_t)fc_round_up(d->kw * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    job.number_bytes = (size_t)fc_round_up(fc_min64(d->kh, d->ih) * d->kw * bytes, FC_CACHE_LINE);
    job.start_bytes = (size_t)fc_round_up(whole * bytes, FC_CACHE_LINE);
    job.ready_bytes = (size_t)fc_round_up(threads, FC_CACHE_LINE);
    job.buffer_bytes = (size_t)(job.planes * job.strip_rows * job.pitch * bytes);
    return job;
}

static void set_number(const fc_pool_problem *p, char *array, int64_t i, int64_t value) {
    const int32_t narrow = (int32_t)value;
    if (p->desc.dtype == FC_F64)
        memcpy(array + i * 8, &value, sizeof value);
    else
        memcpy(array + i * 4, &narrow, sizeof narrow);
}

static void fill(rows_job *job) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t whole = fc_round_up(p->ow, p->kernels->vlen);
    for (int64_t y = 0; y < p->oh; y++) {
        int64_t begin, end, row = fc_window_rows(d, p->oh, y, &begin, &end);
        row += begin * d->dilation_h;
        job->line[y].rows = end - begin;
        job->line[y].first = row * job->pitch;
        job->origin[y] = row * d->iw - d->pad_left;
    }
    for (int64_t t = 0; t < d->kw; t++) {
        const int64_t at = job->lead * d->stride_w + t * d->dilation_w - d->pad_left;
        job->column[t] = at % d->stride_w * job->phase + at / d->stride_w;
    }
    for (int64_t r = 0; r < fc_min64(d->kh, d->ih); r++)
        for (int64_t t = 0; t < d->kw; t++)
            set_number(p, job->number, r * d->kw + t, r * d->dilation_h * d->iw + t * d->dilation_w);
    for (int64_t x = 0; x < whole; x++) {
        int64_t begin = 0, end;
        if (x < p->ow) fc_window_cols(d, p->ow, x, &begin, &end);
        set_number(p, job->start, x, begin * d->dilation_w);
    }
}

static void clear_borders(const rows_job *job, char *buffer) {
    const int64_t count = job->planes * job->strip_rows * job->pitch;
    for (int64_t i = 0; i < count; i++)
        if (job->problem->desc.dtype == FC_F64)
            ((double *)buffer)[i] = -(double)INFINITY;
        else
            ((float *)buffer)[i] = -INFINITY;
}

/* Rows [from, to) of several planes into the buffer; those that no window reads are left out. */
static void split_rows(const rows_job *job, const char *src, char *buffer, int64_t planes,
                       int64_t from, int64_t to) {
    const fc_pool2d_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    fc_split_phases_args split = {
        .src_stride = d->src_stride[3],
        .pixels = job->cols,
        .step = d->stride_w,
        .phase = job->phase,
        .rows = job->every_row ? to - from : 1,
        .src_row = d->src_stride[2],
        .dst_row = job->pitch,
    };
    for (int64_t i = 0; i < planes; i++)
        for (int64_t row = from; row < to; row += split.rows) {
            if (!job->every_row &&
                !fc_phase_is_read((row + d->pad_top) % d->stride_h, 0, d->kh, d->dilation_h, d->stride_h))
                continue;
            split.src = src + (i * d->src_stride[1] + row * d->src_stride[2]) * bytes;
            split.dst = buffer + ((i * job->strip_rows + row - from) * job->pitch + job->lead) * bytes;
            job->problem->kernels->split_phases(&split);
        }
}

static void run_task(void *context, int64_t task, int worker) {
    const rows_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    char *buffer = job->buffers + (size_t)worker * job->buffer_bytes;
    if (!job->ready[worker]) {
        clear_borders(job, buffer);
        job->ready[worker] = 1;
    }
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk, planes; unit < end; unit += planes) {
        const int64_t plane = unit / job->strips, y = unit % job->strips * job->strip_lines;
        const int64_t n = plane / d->c, c = plane % d->c, lines = fc_min64(job->strip_lines, p->oh - y);
        const int64_t top = y * d->stride_h - d->pad_top, from = fc_max64(0, top);
        const int64_t to = fc_min64(d->ih, top + (lines - 1) * d->stride_h +
                                               fc_taps_span(d->kh, d->dilation_h));
        planes = fc_min64(fc_min64(job->planes, end - unit), job->run - plane % job->run);
        const char *src = (const char *)job->args->src +
                          (n * d->src_stride[0] + c * d->src_stride[1]) * bytes;
        split_rows(job, src, buffer, planes, from, to);
        const int64_t at = (plane * p->oh + y) * p->ow;
        const fc_pool_indices_args windows = {
            .src = buffer,
            .dst = (char *)job->args->dst + at * bytes,
            .indices = job->args->indices + at,
            .line = job->line + y,
            .origin = job->origin + y,
            .column = job->column,
            .number = job->number,
            .start = job->start,
            .planes = planes,
            .lines = lines,
            .pixels = p->ow,
            .taps = d->kw,
            .step = d->stride_w,
            .src_plane = job->strip_rows * job->pitch,
            .row_stride = d->dilation_h * job->pitch,
            .first = from * job->pitch,
        };
        p->kernels->pool_indices(&windows);
    }
}

size_t fc_index_rows_scratch_bytes(const fc_pool_problem *p, int threads) {
    const rows_job job = cut(p, threads);
    return job.line_bytes + job.origin_bytes + job.column_bytes + job.number_bytes + job.start_bytes +
           job.ready_bytes + job.buffer_bytes * (size_t)job.threads;
}

void fc_index_rows_execute(const fc_pool_problem *p, const fc_args *args, void *scratch, int threads) {
    rows_job job = cut(p, threads);
    char *at = scratch;
    job.args = args;
    job.line = (fc_pool_line *)(void *)at;
    job.origin = (int64_t *)(void *)(at += job.line_bytes);
    job.column = (ptrdiff_t *)(void *)(at += job.origin_bytes);
    job.number = at += job.column_bytes;
    job.start = at += job.number_bytes;
    job.ready = (unsigned char *)(at += job.start_bytes);
    job.buffers = at + job.ready_bytes;
    for (int i = 0; i < job.threads; i++) job.ready[i] = 0;
    fill(&job);
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype, fc_div_up(job.units, job.chunk),
                      run_task, &job);
}
