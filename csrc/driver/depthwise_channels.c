/* depthwise_channels.c: depthwise convolution of channels side by side, read and written where they lie.
 *
 * A map falls into tiles of pixels and chunks of channels, so small that what a chunk of a tile reads and
 * writes stays in the first-level cache while vector after vector of channels is convolved. Tiles go along
 * strips of rows, all chunks of one before the next, for the caches farther away to see whole pixels.
 *
 * The kernel finds the pixels that a tile's windows reach through a table, where those beyond the image are
 * one pixel of zeros.
 *
 * Pixels that would collide in the cache are copied first, a chunk of a tile at a time.
 *
 * Weights are packed as depthwise_lanes.c packs them. Channels that are no multiple of a vector's lanes end
 * with a vector that repeats some of the one before, which is of the same chunk. What the kernel cannot end
 * by itself, with a residual or another activation than ReLU, is made in scratch and finished from there. */
#include "depthwise_channels.h"

#include <string.h>

#include "../base/cpu.h"
#include "cost.h"
#include "depthwise_rows.h"

enum { CHANNELS = 16 };        /* at least: lanes of the longest vector */
enum { WINDOW_PIXELS = 4096 }; /* that a window spans, at most: the table holds a tile's */

typedef struct channels_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *scratch;
    bool finished;                  /* by the kernel */
    bool copied;                    /* chunks of a tile are */
    int64_t rows, cols;             /* results of a tile */
    int64_t strips, across;         /* tiles of an image */
    int64_t table_rows, table_cols; /* pixels that a tile's windows reach */
    int64_t vectors, chunks, parts; /* of channels; chunks; parts of these that are tasks */
    int64_t tasks, chunk_bytes;     /* bytes: of a pixel in the longest chunk */
    size_t zero_bytes, table_bytes, copy_bytes, worker_bytes;
    int threads;
} channels_job;

bool fc_depthwise_channels_fit(const fc_conv2d_desc *d) {
    return d->src_stride[1] == 1 && d->dst_stride[1] == 1 && d->oc == d->groups && d->ic == d->groups &&
           d->groups >= CHANNELS && d->border == FC_BORDER_ZEROS &&
           fc_window_rows(d) <= WINDOW_PIXELS / fc_window_cols(d);
}

/* Whether pixels lie so far apart that few sets of a first-level cache hold them all. It then costs less to
 * have them side by side: 512 channels at 14 x 14 with 3 x 3 took 160 microseconds, and take 63. */
static bool collide(const fc_conv2d_desc *d) {
    return d->src_stride[3] * (int64_t)fc_dtype_bytes(d->dtype) % 1024 == 0;
}

/* A function of the shape, the tier, the caches and the thread count. */
static channels_job cut(const fc_conv_problem *p, int threads) {
    enum { PIXELS = 14, CHUNK_BYTES = 128 }; /* across a tile, at least; of a pixel in a chunk, about */
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), vector = bytes * p->kernels->vlen;
    channels_job job = {.problem = p,
                        .finished = !d->has_residual && d->activation <= FC_ACT_RELU6,
                        .vectors = fc_div_up(d->groups, p->kernels->vlen)};
    job.across = fc_max64(1, p->ow / PIXELS);
    job.cols = fc_round_up(fc_div_up(p->ow, job.across), FC_CHANNELS_PIXELS);
    job.across = fc_div_up(p->ow, job.cols);
    job.table_cols = (job.cols - 1) * d->stride_w + fc_window_cols(d);
    const int64_t budget = (int64_t)fc_cpu_caches()->l1d / 4 * 3 / vector; /* vectors, read and written */
    const int64_t read_cols = fc_min64(d->iw, job.table_cols);
    int64_t chunk = fc_min64(job.vectors, fc_max64(2, CHUNK_BYTES / vector));
    const int64_t row = job.cols + read_cols * d->stride_h; /* vectors that a row more takes */
    const int64_t shared = read_cols * fc_max64(0, fc_window_rows(d) - d->stride_h);
    const int64_t low = fc_max64(2, fc_div_up(fc_window_rows(d), 2 * d->stride_h));
    job.rows = fc_min64(p->oh, fc_max64(low, (budget / chunk - shared) / row));
    job.strips = fc_div_up(p->oh, job.rows);
    job.rows = fc_div_up(p->oh, job.strips);
    job.strips = fc_div_up(p->oh, job.rows);
    job.table_rows = (job.rows - 1) * d->stride_h + fc_window_rows(d);
    const int64_t read_rows = fc_min64(d->ih, job.table_rows);
    job.copied = collide(d);
    chunk = fc_max64(chunk, budget / (shared + row * job.rows));
    job.chunks = fc_max64(1, fc_min64(job.vectors / 2, job.vectors / chunk));

    const int64_t strips = d->n * job.strips;
    job.threads = fc_depthwise_threads(p, threads);
    job.parts = job.threads == 1 ? 1 : fc_min64(job.chunks, fc_div_up(4 * job.threads, strips));
    job.tasks = strips * job.parts;
    job.threads = (int)fc_min64(job.threads, job.tasks);
    job.zero_bytes = (size_t)fc_round_up(d->groups * bytes, FC_CACHE_LINE);
    job.table_bytes = (size_t)fc_round_up(job.table_rows * job.table_cols * (int64_t)sizeof(void *),
                                          FC_CACHE_LINE);
    job.chunk_bytes = fc_div_up(job.vectors, job.chunks) * vector;
    if (job.copied)
        job.copy_bytes = (size_t)fc_round_up(read_rows * read_cols * job.chunk_bytes, FC_CACHE_LINE);
    job.worker_bytes = job.table_bytes + job.copy_bytes;
    if (!job.finished)
        job.worker_bytes += (size_t)fc_round_up(job.rows * job.cols * job.chunk_bytes, FC_CACHE_LINE);
    return job;
}

size_t fc_depthwise_channels_scratch_bytes(const fc_conv_problem *p, int threads) {
    const channels_job job = cut(p, threads);
    return job.zero_bytes + job.worker_bytes * (size_t)job.threads;
}

/* Not of the caches: the form of packed weights depends on it. */
double fc_depthwise_channels_cost(const fc_conv_problem *p) {
    /* of a vector of channels; of a block of the kernel; of a pixel's place in the table; of one copied */
    enum { UNIT = 60, BLOCK = 20, PLACE = 4, COPIED = 10 };
    /* bytes of src and dst, from which on they come from farther away, and what each byte then takes more
     * than it does by planes (in MobileNetV2; Zen 3, AVX2, 2026-11-30) */
    enum { FAR = 512 << 10, FARTHER = 2 << 20 };
    const double far = 0.11, farther = 0.22;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t few = p->ow % FC_CHANNELS_PIXELS; /* as the kernel cuts, but for 8 and 12 */
    const bool known = d->dilation_w == 1 && d->stride_w <= 2 && (d->kw == 3 || d->kw == 5);
    const bool fused = p->kernels->isa == FC_ISA_AVX2 || p->kernels->isa == FC_ISA_AVX512;
    const double taps = (double)(d->kh * d->kw);
    const double tap = !known ? 22 : !fused ? 14 : d->stride_w == 2 ? 12.5 : 9.6; /* of a block */
    const double whole = (double)(p->ow / FC_CHANNELS_PIXELS) + (few > 4);
    const double row = whole * (BLOCK + tap * taps) + (few && few <= 4 ? BLOCK + 0.9 * tap * taps : 0);
    const double read = (double)((p->oh - 1) * d->stride_h + fc_window_rows(d)) *
                        (double)((p->ow - 1) * d->stride_w + fc_window_cols(d));
    const double bytes = ((double)(d->ih * d->iw) + (double)(p->oh * p->ow)) * (double)d->groups *
                         (double)fc_dtype_bytes(d->dtype);
    const double moved = bytes > FARTHER ? farther * bytes : bytes > FAR ? far * bytes : 0;
    return PLACE * read + moved + (double)fc_div_up(d->groups, p->kernels->vlen) *
                              (UNIT + (double)p->oh * row + (collide(d) ? COPIED * read : 0));
}

/* The pixels of the image that windows of a tile reach: `rows` x `cols` from (y, x) on; the table begins at
 * (table_y, table_x). */
typedef struct reach {
    int64_t table_y, table_x, y, x, rows, cols;
} reach;

static reach reach_of(const channels_job *job, int64_t y, int64_t x) {
    const fc_conv2d_desc *d = &job->problem->desc;
    reach r = {.table_y = y * d->stride_h - d->pad_top, .table_x = x * d->stride_w - d->pad_left};
    r.y = fc_max64(0, r.table_y);
    r.x = fc_max64(0, r.table_x);
    r.rows = fc_max64(0, fc_min64(d->ih, r.table_y + job->table_rows) - r.y);
    r.cols = fc_max64(0, fc_min64(d->iw, r.table_x + job->table_cols) - r.x);
    return r;
}

/* Points the table at pixels, of which `src` is the first of the image, and `row` and `pixel` bytes apart. */
static void fill_table(const channels_job *job, const reach *r, const char *src, int64_t row, int64_t pixel,
                       const void **table) {
    const int64_t size = job->table_rows * job->table_cols;
    const bool inside = r->rows == job->table_rows && r->cols == job->table_cols;
    for (int64_t i = 0; !inside && i < size; i++) table[i] = job->scratch; /* zeros */
    if (r->rows == 0) return;
    table += (r->y - r->table_y) * job->table_cols;
    for (int64_t y = 0; y < r->rows; y++, table += job->table_cols)
        for (int64_t x = 0; x < r->cols; x++) table[r->x - r->table_x + x] = src + y * row + x * pixel;
}

/* Copies a chunk of these pixels, side by side. */
static void copy_tile(const channels_job *job, const reach *r, const char *src, int64_t bytes, char *copy) {
    const int64_t *stride = job->problem->desc.src_stride;
    const int64_t element = (int64_t)fc_dtype_bytes(job->problem->desc.dtype);
    for (int64_t y = 0; y < r->rows; y++)
        for (int64_t x = 0; x < r->cols; x++, copy += job->chunk_bytes)
            memcpy(copy, src + (y * stride[2] + x * stride[3]) * element, (size_t)bytes);
}

/* The results of a tile, of channels from `channel` on, from scratch to where they belong. */
static void finish(const channels_job *job, const char *made, int64_t n, int64_t channel, int64_t channels,
                   int64_t y0, int64_t y1, int64_t x0, int64_t x1) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), *to = d->dst_stride, *add = d->residual_stride;
    fc_unpack_pixels_args unpack = {
        .bias = d->has_bias ? (const char *)job->args->bias + channel * bytes : NULL,
        .src_pixel = channels,
        .channel_stride = 1,
        .pixel_stride = to[3],
        .residual_stride = add[1],
        .residual_pixel = add[3],
        .channels = channels,
        .pixels = x1 - x0,
        .activation = d->activation,
    };
    for (int64_t y = y0; y < y1; y++) {
        unpack.src = made + (y - y0) * (x1 - x0) * channels * bytes;
        unpack.dst = (char *)job->args->dst + (n * to[0] + channel + y * to[2] + x0 * to[3]) * bytes;
        if (d->has_residual)
            unpack.residual = (const char *)job->args->residual +
                              (n * add[0] + channel * add[1] + y * add[2] + x0 * add[3]) * bytes;
        p->kernels->unpack_pixels(&unpack);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const channels_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_args *args = job->args;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), vlen = p->kernels->vlen, *to = d->dst_stride;
    const int64_t part = task % job->parts, strip = task / job->parts % job->strips;
    const int64_t n = task / job->parts / job->strips;
    const int64_t y0 = strip * job->rows, y1 = fc_min64(p->oh, y0 + job->rows);
    const int64_t first = part * job->chunks / job->parts, last = (part + 1) * job->chunks / job->parts;
    char *own = job->scratch + job->zero_bytes + (size_t)worker * job->worker_bytes;
    char *copy = own + job->table_bytes, *made = copy + job->copy_bytes;
    const void **table = (const void **)(void *)own;
    for (int64_t x0 = 0, x1; x0 < p->ow; x0 = x1) {
        x1 = fc_min64(p->ow, x0 + job->cols);
        const reach r = reach_of(job, y0, x0);
        const char *src = (const char *)args->src +
                          (n * d->src_stride[0] + r.y * d->src_stride[2] + r.x * d->src_stride[3]) * bytes;
        if (job->copied)
            fill_table(job, &r, copy, r.cols * job->chunk_bytes, job->chunk_bytes, table);
        else
            fill_table(job, &r, src, d->src_stride[2] * bytes, d->src_stride[3] * bytes, table);
        for (int64_t i = first; i < last; i++) {
            const int64_t vector = i * job->vectors / job->chunks, channel = vector * vlen;
            const int64_t end = fc_min64(d->groups, (i + 1) * job->vectors / job->chunks * vlen);
            const bool finished = job->finished;
            if (job->copied) copy_tile(job, &r, src + channel * bytes, (end - channel) * bytes, copy);
            const fc_conv_channels_args conv = {
                .src = table,
                .weights = (const char *)args->packed + vector * d->kh * d->kw * vlen * bytes,
                .dst = finished ? (char *)args->dst + (n * to[0] + channel + y0 * to[2] + x0 * to[3]) * bytes
                                : made,
                .bias = finished && d->has_bias ? (const char *)args->bias + channel * bytes : NULL,
                .kh = d->kh,
                .kw = d->kw,
                .tap_row = d->dilation_h * job->table_cols,
                .tap_col = d->dilation_w,
                .row_step = d->stride_h * job->table_cols,
                .step = d->stride_w,
                .rows = y1 - y0,
                .pixels = x1 - x0,
                .dst_row = finished ? to[2] : (x1 - x0) * (end - channel),
                .dst_pixel = finished ? to[3] : end - channel,
                .channel = job->copied ? 0 : channel,
                .channels = end - channel,
                .activation = finished ? d->activation : FC_ACT_NONE,
            };
            p->kernels->conv_channels(&conv);
            if (!finished) finish(job, made, n, channel, end - channel, y0, y1, x0, x1);
        }
    }
}

void fc_depthwise_channels_execute(const fc_conv_problem *p, const fc_args *args, void *scratch,
                                   int threads) {
    channels_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    memset(scratch, 0, job.zero_bytes);
    fc_parallel_tasks(job.threads, p->desc.dtype, job.tasks, run_task, &job);
}
