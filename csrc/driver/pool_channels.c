/* pool_channels.c: maxima and averages of images whose channels lie side by side (channels last), read
 * as they lie, into dense NCHW.
 *
 * Channels are cut into blocks such that what follows stays in the first-level cache:
 *
 *   src rows --pool_rows-->     one line: for each column its block of channels, over the window's rows
 *            --pool_rows-->     pixels of some output lines, one block of channels each, over its columns
 *            --unpack_pixels--> as many runs of dst as there are channels
 *
 * Both passes take a window by its first element and its number of taps, so that borders, dilation
 * and the windows of adaptive pooling are all one case. Sums run over rows, then over columns. */
#include "../base/cpu.h"
#include "driver.h"
#include "pool_taps.h"

typedef struct channels_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    char *scratch;
    fc_pool_line *column; /* by output column: its window in a line */
    size_t column_bytes, line_bytes, pixel_bytes, divisor_bytes, worker_bytes;
    int threads;
    int64_t block, blocks;       /* channels of a block */
    int64_t strip_lines, strips; /* output lines of a strip */
} channels_job;

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static channels_job cut(const fc_pool_problem *p, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), vlen = p->kernels->vlen;
    channels_job job = {.problem = p};
    const double traffic = (double)(d->n * d->c) * (double)bytes *
                           ((double)d->ih * (double)d->iw + (double)p->oh * (double)p->ow);
    job.threads = fc_threads_for_bytes(threads, traffic);

    /* some vectors of pixels, so that dst is written by whole ones */
    job.strip_lines = fc_min64(p->oh, fc_max64(1, 4 * vlen / p->ow));
    job.strips = fc_div_up(p->oh, job.strip_lines);
    const int64_t budget = (int64_t)fc_cpu_caches()->l1d / 2;
    const int64_t channel_bytes = (d->iw + job.strip_lines * p->ow) * bytes;
    job.block = fc_min64(d->c, fc_max64(1, budget / channel_bytes / vlen) * vlen);
    job.blocks = fc_div_up(d->c, job.block);

    job.column_bytes = (size_t)fc_round_up(p->ow * (int64_t)sizeof(fc_pool_line), FC_CACHE_LINE);
    job.line_bytes = (size_t)fc_round_up(d->iw * job.block * bytes, FC_CACHE_LINE);
    job.pixel_bytes =
        (size_t)fc_round_up(job.strip_lines * p->ow * job.block * bytes, FC_CACHE_LINE);
    job.divisor_bytes =
        d->kind == FC_POOL_AVG ? (size_t)fc_round_up(p->ow * bytes, FC_CACHE_LINE) : 0;
    job.worker_bytes = job.line_bytes + job.pixel_bytes + job.divisor_bytes;
    return job;
}

/* What each sum of output line y is divided by. */
static void fill_divisors(const fc_pool_problem *p, int64_t y, void *divisor) {
    const fc_pool2d_desc *d = &p->desc;
    const double rows = d->divisor_override ? 1 : (double)fc_counted_rows(d, p->oh, y);
    for (int64_t x = 0; x < p->ow; x++) {
        const double v = d->divisor_override ? (double)d->divisor_override
                                             : rows * (double)fc_counted_cols(d, p->ow, x);
        if (d->dtype == FC_F64)
            ((double *)divisor)[x] = v;
        else
            ((float *)divisor)[x] = (float)v;
    }
}

/* Output line y of `channels` channels from `src` on, into pixels `block` elements apart. */
static void pool_line(const channels_job *job, const char *src, int64_t channels, int64_t y,
                      char *line, char *pixels, void *divisor) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    int64_t begin, end, start = fc_window_rows(d, p->oh, y, &begin, &end);
    const fc_pool_line window = {
        .first = end > begin ? (start + begin * d->dilation_h) * d->src_stride[2] : 0,
        .rows = end - begin,
    };
    /* a row is one run where nothing lies between its pixels */
    const bool whole = channels == job->block && d->src_stride[3] == channels;
    const fc_pool_rows_args rows = {
        .src = src,
        .dst = line,
        .line = &window,
        .planes = whole ? 1 : d->iw,
        .lines = 1,
        .pixels = whole ? d->iw * channels : channels,
        .src_plane = d->src_stride[3],
        .row_stride = d->dilation_h * d->src_stride[2],
        .dst_line = job->block,
        .kind = d->kind,
    };
    p->kernels->pool_rows(&rows);
    if (d->kind == FC_POOL_AVG) fill_divisors(p, y, divisor);
    const fc_pool_rows_args columns = {
        .src = line,
        .dst = pixels,
        .line = job->column,
        .divisor = d->kind == FC_POOL_AVG ? divisor : NULL,
        .planes = 1,
        .lines = p->ow,
        .pixels = channels,
        .row_stride = d->dilation_w * job->block,
        .dst_line = job->block,
        .kind = d->kind,
    };
    p->kernels->pool_rows(&columns);
}

static void run_task(void *context, int64_t task, int worker) {
    const channels_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), plane = p->oh * p->ow;
    const int64_t first = task % job->blocks * job->block;
    const int64_t y0 = task / job->blocks % job->strips * job->strip_lines;
    const int64_t n = task / job->blocks / job->strips;
    const int64_t channels = fc_min64(job->block, d->c - first);
    const int64_t lines = fc_min64(job->strip_lines, p->oh - y0);
    char *line = job->scratch + job->column_bytes + (size_t)worker * job->worker_bytes;
    char *pixels = line + job->line_bytes;
    const char *src = (const char *)job->args->src + (n * d->src_stride[0] + first) * bytes;
    for (int64_t y = 0; y < lines; y++)
        pool_line(job, src, channels, y0 + y, line, pixels + y * p->ow * job->block * bytes,
                  pixels + job->pixel_bytes);
    const fc_unpack_pixels_args unpack = {
        .src = pixels,
        .dst = (char *)job->args->dst + ((n * d->c + first) * plane + y0 * p->ow) * bytes,
        .src_pixel = job->block,
        .channel_stride = plane,
        .pixel_stride = 1,
        .channels = channels,
        .pixels = lines * p->ow,
        .activation = FC_ACT_NONE,
    };
    p->kernels->unpack_pixels(&unpack);
}

static const char *refuse(const fc_pool2d_desc *d, int64_t oh, int64_t ow) {
    (void)oh;
    (void)ow;
    if (d->with_indices) return "positions of the maxima are asked for";
    return d->src_stride[3] == 1 ? "columns lie side by side, not channels" : NULL;
}

static size_t scratch_bytes(const fc_pool_problem *p, int threads) {
    const channels_job job = cut(p, threads);
    return job.column_bytes + job.worker_bytes * (size_t)job.threads;
}

static void execute(const fc_pool_problem *p, const fc_args *args, void *scratch, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    channels_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    job.column = scratch;
    for (int64_t x = 0; x < p->ow; x++) {
        int64_t begin, end, start = fc_window_cols(d, p->ow, x, &begin, &end);
        job.column[x].rows = end - begin;
        job.column[x].first = end > begin ? (start + begin * d->dilation_w) * job.block : 0;
    }
    fc_parallel_tasks(job.threads, (fc_dtype)d->dtype, d->n * job.strips * job.blocks, run_task,
                      &job);
}

const fc_pool_driver fc_pool_channels = {
    .algorithm = FC_ALGO_POOL_CHANNELS,
    .why = "channels lie side by side: rows, then columns, of blocks of channels",
    .refuse = refuse,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
