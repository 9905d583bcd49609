/* pool_channels.c: maxima and averages of images whose channels lie side by side (channels last), read
 * as they lie, into channels last or dense NCHW.
 *
 * Output lines are cut into tiles, and channels into blocks, where the line between these would outgrow
 * the second-level cache:
 *
 *   src rows --pool_rows-->     one line: for each column of a tile its channels, over the window's rows
 *            --pool_rows-->     pixels of dst, over the columns of each window
 *
 * Windows of one row need no such line. For dense NCHW the pixels of some output lines are gathered, and
 * unpack_pixels spreads them over as many runs of dst as there are channels.
 *
 * Both passes take a window by its first element and its number of taps, so that borders, dilation
 * and the windows of adaptive pooling are all one case. Sums run over rows, then over columns; of a tall
 * window over as many rows as are well read side by side, and these sums are added in order. */
#include "../base/cpu.h"
#include "cut.h"
#include "driver.h"
#include "pool_taps.h"

#define MOST_ROWS 16 /* of a window, read side by side */

typedef struct channels_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    fc_pool_line *column;    /* by output column: its window among the columns of its tile */
    fc_pool_line *tile_cols; /* by tile: the columns that it reads, from `first` on */
    fc_pool_line *pair;      /* by pixel of a tile: two sums of it */
    int64_t *counted;        /* by output column: what its window counts in a row */
    char *workers;
    size_t column_bytes, tile_cols_bytes, pair_bytes, counted_bytes;
    size_t line_bytes, sum_bytes, pixel_bytes, divisor_bytes, worker_bytes;
    int threads;
    bool flat;                   /* windows of one row */
    bool direct;                 /* pixels go to dst as they are made */
    int64_t dst_stride[4];       /* then */
    int64_t pixel;               /* elements from one column to the next, in a line, or in src if flat */
    int64_t block, blocks;       /* channels of a block */
    int64_t tile, tiles;         /* output columns of a tile */
    int64_t strip_lines, strips; /* output lines of a strip */
} channels_job;

/* Some channels of a tile. */
typedef struct part {
    const channels_job *job;
    const char *src; /* the first of the columns read, in row 0 */
    const fc_pool_line *column;
    int64_t cols, width, channels; /* width: output columns */
    char *line, *sums;
    void *divisor;
} part;

static size_t whole_lines(int64_t bytes) { return (size_t)fc_round_up(bytes, FC_CACHE_LINE); }

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static channels_job cut(const fc_pool_problem *p, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), vlen = p->kernels->vlen;
    channels_job job = {
        .problem = p,
        .flat = d->kh == 1,
        .direct = d->dst_strided || p->oh * p->ow == 1,
        .block = d->c,
        .tile = p->ow,
        .tiles = 1,
    };
    if (d->dst_strided)
        for (int i = 0; i < 4; i++) job.dst_stride[i] = d->dst_stride[i];
    else /* one pixel an image */
        job.dst_stride[0] = d->c, job.dst_stride[1] = 1;
    const double traffic = (double)(d->n * d->c) * (double)bytes *
                           ((double)d->ih * (double)d->iw + (double)p->oh * (double)p->ow);
    job.threads = fc_threads_for_bytes(threads, traffic);

    /* A line takes an eighth of the second-level cache: long runs, rows as they lie, count for more than
     * the first level. What is wider is cut into blocks of whole cache lines, as few as let a tile be some
     * sixteen times the columns that it shares with the next, and then into tiles. */
    const int64_t grain = FC_CACHE_LINE / bytes;
    const int64_t step = d->adaptive ? fc_div_up(d->iw, p->ow) : d->stride_w;
    const int64_t span = d->adaptive ? d->kw : fc_taps_span(d->kw, d->dilation_w);
    const int64_t whole = fc_min64(d->iw, (p->ow - 1) * step + span);
    const int64_t budget = (int64_t)fc_cpu_caches()->l2 / 8;
    int64_t blocks = 1;
    if (!job.flat && whole * d->c * bytes > budget) {
        const int64_t most = budget / bytes, least = fc_min64(whole, span + 16 * fc_max64(0, span - step));
        blocks = fc_div_up(d->c, fc_max64(grain, most / least));
        job.block = fc_min64(d->c, fc_round_up(fc_div_up(d->c, blocks), grain));
        if (whole * job.block > most)
            job.tile = fc_min64(p->ow, fc_max64(0, most / job.block - span) / step + 1);
    }
    if (job.flat && job.threads > 1 && d->n * p->oh < 4 * job.threads)
        job.tile = fc_div_up(p->ow, 4 * job.threads);
    if (job.tile < p->ow) {
        job.tile = fc_div_up(p->ow, fc_div_up(p->ow, job.tile));
        job.tiles = fc_div_up(p->ow, job.tile);
    }

    /* Lines whose rows stay in that cache from one block to the next. Into dense NCHW lines that follow
     * each other, some vectors of pixels, so that dst is written by whole ones. */
    job.strip_lines = 1;
    if (job.direct)
        job.strip_lines = budget / (fc_min64(d->ih, d->stride_h) * d->iw * d->c * bytes);
    else if (job.tiles == 1)
        job.strip_lines = 4 * vlen / p->ow;
    if (job.direct && job.threads > 1)
        job.strip_lines =
            fc_min64(job.strip_lines, d->n * p->oh * job.tiles * blocks / (4 * job.threads));
    job.strip_lines = fc_min64(p->oh, fc_max64(1, job.strip_lines));
    job.strips = fc_div_up(p->oh, job.strip_lines);
    if (job.threads > 1) { /* few strips: threads share their channels */
        const int64_t units = fc_max64(1, d->n * job.strips * job.tiles);
        const int64_t parts = job.direct ? fc_cut_parts(units, fc_div_up(d->c, grain), job.threads)
                                         : fc_div_up(4 * job.threads, units);
        blocks = fc_max64(blocks, parts);
        job.block = fc_min64(d->c, fc_round_up(fc_div_up(d->c, blocks), grain));
    }
    job.blocks = fc_div_up(d->c, job.block);
    job.pixel = job.flat ? d->src_stride[3] : job.block;

    const int64_t cols = job.flat ? 0 : fc_min64(d->iw, (job.tile - 1) * step + span);
    const int64_t pixel = job.block * bytes, entry = (int64_t)sizeof(fc_pool_line);
    const bool average = d->kind == FC_POOL_AVG, tall = fc_min64(d->kh, d->ih) > MOST_ROWS;
    job.column_bytes = whole_lines(p->ow * entry);
    job.tile_cols_bytes = whole_lines(job.tiles * entry);
    job.pair_bytes = tall ? whole_lines(job.tile * entry) : 0;
    job.counted_bytes = average ? whole_lines(p->ow * (int64_t)sizeof(int64_t)) : 0;
    job.line_bytes = whole_lines(cols * pixel);
    job.sum_bytes = tall ? whole_lines(job.tile * pixel) : 0;
    job.pixel_bytes = job.direct ? 0 : whole_lines(job.strip_lines * job.tile * pixel);
    job.divisor_bytes = average ? whole_lines(job.tile * bytes) : 0;
    job.worker_bytes = job.line_bytes + 3 * job.sum_bytes + job.pixel_bytes + job.divisor_bytes;
    return job;
}

/* What the sums of a line whose windows count `rows` rows are divided by. */
static void fill_divisors(const part *t, int64_t rows, const int64_t *counted) {
    const fc_pool2d_desc *d = &t->job->problem->desc;
    for (int64_t x = 0; x < t->width; x++) {
        const double v = d->divisor_override ? (double)d->divisor_override
                                             : (double)rows * (double)counted[x];
        if (d->dtype == FC_F64)
            ((double *)t->divisor)[x] = v;
        else
            ((float *)t->divisor)[x] = (float)v;
    }
}

/* Windows of `rows` rows from `src` on into pixels `pitch` elements apart. */
static void pool_window(const part *t, const char *src, int64_t rows, void *dst, int64_t pitch,
                        const void *divisor) {
    const channels_job *job = t->job;
    const fc_pool2d_desc *d = &job->problem->desc;
    const fc_pool_line window = {.first = 0, .rows = rows};
    /* a row is one run where nothing lies between its pixels */
    const bool run = t->channels == job->block && d->src_stride[3] == t->channels;
    const fc_pool_rows_args down = {
        .src = src,
        .dst = t->line,
        .line = &window,
        .planes = run ? 1 : t->cols,
        .lines = 1,
        .pixels = run ? t->cols * t->channels : t->channels,
        .src_plane = d->src_stride[3],
        .row_stride = d->dilation_h * d->src_stride[2],
        .dst_line = job->block,
        .kind = d->kind,
    };
    if (t->line) job->problem->kernels->pool_rows(&down);
    const fc_pool_rows_args across = {
        .src = t->line ? t->line : src,
        .dst = dst,
        .line = t->column,
        .divisor = divisor,
        .planes = 1,
        .lines = t->width,
        .pixels = t->channels,
        .row_stride = d->dilation_w * job->pixel,
        .dst_line = pitch,
        .kind = d->kind,
    };
    job->problem->kernels->pool_rows(&across);
}

/* Output line y of a part. */
static void pool_line(const part *t, int64_t y, char *dst, int64_t pitch) {
    const channels_job *job = t->job;
    const fc_pool2d_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    int64_t begin, end, start = fc_window_rows(d, job->problem->oh, y, &begin, &end);
    const char *src = t->src;
    if (end > begin) src += (start + begin * d->dilation_h) * d->src_stride[2] * bytes;
    int64_t rows = end - begin;
    if (rows <= MOST_ROWS) {
        pool_window(t, src, rows, dst, pitch, t->divisor);
        return;
    }
    /* the sum so far lies before or behind the next one, by turns */
    ptrdiff_t sum = (ptrdiff_t)job->sum_bytes;
    char *sofar = t->sums, *next = t->sums + sum;
    pool_window(t, src, MOST_ROWS, sofar, job->block, NULL);
    while (rows > MOST_ROWS) {
        rows -= MOST_ROWS;
        src += MOST_ROWS * d->dilation_h * d->src_stride[2] * bytes;
        pool_window(t, src, fc_min64(rows, MOST_ROWS), next, job->block, NULL);
        const bool last = rows <= MOST_ROWS;
        const fc_pool_rows_args add = {
            .src = sofar,
            .dst = last ? dst : next + sum,
            .line = job->pair,
            .divisor = last ? t->divisor : NULL,
            .planes = 1,
            .lines = t->width,
            .pixels = t->channels,
            .row_stride = sum / bytes,
            .dst_line = last ? pitch : job->block,
            .kind = d->kind,
        };
        job->problem->kernels->pool_rows(&add);
        sofar = next + sum;
        sum = -sum;
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const channels_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t first = task % job->blocks * job->block;
    const int64_t tile = task / job->blocks % job->tiles, x = tile * job->tile;
    const int64_t y0 = task / job->blocks / job->tiles % job->strips * job->strip_lines;
    const int64_t n = task / job->blocks / job->tiles / job->strips;
    const int64_t lines = fc_min64(job->strip_lines, p->oh - y0);
    char *buffer = job->workers + (size_t)worker * job->worker_bytes;
    char *pixels = buffer + job->line_bytes + 3 * job->sum_bytes;
    const part t = {
        .job = job,
        .src = (const char *)job->args->src +
               (n * d->src_stride[0] + first + job->tile_cols[tile].first * d->src_stride[3]) * bytes,
        .column = job->column + x,
        .cols = job->tile_cols[tile].rows,
        .width = fc_min64(job->tile, p->ow - x),
        .channels = fc_min64(job->block, d->c - first),
        .line = job->flat ? NULL : buffer,
        .sums = buffer + job->line_bytes,
        .divisor = job->divisor_bytes ? pixels + job->pixel_bytes : NULL,
    };
    char *dst = (char *)job->args->dst + bytes * (n * job->dst_stride[0] + first +
                                                  y0 * job->dst_stride[2] + x * job->dst_stride[3]);
    int64_t step = job->dst_stride[2], pitch = job->dst_stride[3];
    if (!job->direct) dst = pixels, step = t.width * job->block, pitch = job->block;
    int64_t counted = -1;
    for (int64_t y = y0; y < y0 + lines; y++) {
        const int64_t rows = t.divisor ? fc_counted_rows(d, p->oh, y) : counted;
        if (rows != counted) fill_divisors(&t, rows, job->counted + x);
        counted = rows;
        pool_line(&t, y, dst + (y - y0) * step * bytes, pitch);
    }
    if (job->direct) return;
    const int64_t plane = p->oh * p->ow;
    const fc_unpack_pixels_args unpack = {
        .src = pixels,
        .dst = (char *)job->args->dst + ((n * d->c + first) * plane + y0 * p->ow + x) * bytes,
        .src_pixel = job->block,
        .channel_stride = plane,
        .pixel_stride = 1,
        .channels = t.channels,
        .pixels = lines * t.width,
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
    return job.column_bytes + job.tile_cols_bytes + job.pair_bytes + job.counted_bytes +
           job.worker_bytes * (size_t)job.threads;
}

/* Where the windows of tile `i` lie, and what they count. */
static void fill_tile(const channels_job *job, int64_t i) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t begin_x = i * job->tile, end_x = fc_min64(p->ow, begin_x + job->tile);
    int64_t low = d->iw, high = 0;
    for (int64_t x = begin_x; x < end_x; x++) {
        int64_t begin, end, start = fc_window_cols(d, p->ow, x, &begin, &end);
        job->column[x].rows = end - begin;
        job->column[x].first = start + begin * d->dilation_w;
        if (job->counted_bytes) job->counted[x] = fc_counted_cols(d, p->ow, x);
        if (end == begin) continue;
        low = fc_min64(low, job->column[x].first);
        high = fc_max64(high, start + (end - 1) * d->dilation_w + 1);
    }
    for (int64_t x = begin_x; x < end_x; x++)
        job->column[x].first = job->column[x].rows ? (job->column[x].first - low) * job->pixel : 0;
    /* where no window meets the image, any column will do */
    job->tile_cols[i].first = high ? low : 0;
    job->tile_cols[i].rows = high ? high - low : 1;
}

static void execute(const fc_pool_problem *p, const fc_args *args, void *scratch, int threads) {
    channels_job job = cut(p, threads);
    char *at = scratch;
    job.args = args;
    job.column = (fc_pool_line *)at;
    job.tile_cols = (fc_pool_line *)(at += job.column_bytes);
    job.pair = (fc_pool_line *)(at += job.tile_cols_bytes);
    job.counted = (int64_t *)(at += job.pair_bytes);
    job.workers = at + job.counted_bytes;
    for (int64_t i = 0; i < job.tiles; i++) fill_tile(&job, i);
    for (int64_t x = 0; x < job.tile && job.pair_bytes; x++)
        job.pair[x] = (fc_pool_line){.first = x * job.block, .rows = 2};
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype,
                      p->desc.n * job.strips * job.tiles * job.blocks, run_task, &job);
}

const fc_pool_driver fc_pool_channels = {
    .algorithm = FC_ALGO_POOL_CHANNELS,
    .why = "channels lie side by side: rows, then columns, of blocks of channels",
    .refuse = refuse,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
