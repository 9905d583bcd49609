/* conv_planar.c: convolution of planes whose pixels follow each other, by the tile whose vectors are
 * pixels: for few input channels (stems), few output channels a group, and odd counts of either.
 *
 *   src planes --copied with their border--> strip [channel][phase][row][column]   thread-private
 *   strip x weights as they lie --plane_tile, bias, residual, activation--> dst planes
 *
 * Rows and columns of the strip are dealt into the phases of the strides, so that under every tap
 * neighbouring outputs read neighbouring elements:
 *
 *   tap (a, b) of output (y, x) is padded row y*sh + a*dh, source column x*sw + e, e = b*dw - pad_left:
 *   phase (a*dh mod sh, e mod sw), row y + a*dh / sh, column x + floor(e / sw)
 *
 * The columns of a phase begin with `lead` zeros and are `pitch` elements. Vectors are laid over them
 *
 *   by rows   each row of output in vectors of its own, of whose last some lanes may be dropped; or
 *   flat      all rows of the strip as one list of pixels, of which the last of each pitch are dropped,
 *             where that drops fewer: 56 of 58 pixels are results rather than 56 of 64.
 *
 * A task is a strip of one group of one image, or a part of the group's output channels where the
 * strips are too few. Each sum runs over (channel, kh, kw) in this order, whatever the cuts. */
#include "../base/cpu.h"
#include "conv_blocked.h"
#include "cost.h"
#include "cut.h"
#include "dense_weights.h"

#include <string.h>

typedef struct planar_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *scratch;
    const ptrdiff_t *tap;
    int64_t icg, ocg;
    int64_t lead, pitch;        /* elements: before column 0, of a row of a phase */
    int64_t phase_rows, phase;  /* rows, elements of a phase of a whole strip */
    int64_t channel;            /* elements of a channel */
    bool flat;
    int64_t strips;             /* of an image */
    int64_t tiles, parts;       /* of a group's output channels, and pieces they are dealt into */
    int64_t filled;             /* columns of a source row that any window reads */
    size_t tap_bytes, worker_bytes;
} planar_job;

static int64_t window_rows(const fc_conv2d_desc *d) { return (d->kh - 1) * d->dilation_h + 1; }
static int64_t window_cols(const fc_conv2d_desc *d) { return (d->kw - 1) * d->dilation_w + 1; }

static int64_t strip_src_rows(const fc_conv2d_desc *d, int64_t rows) {
    return (rows - 1) * d->stride_h + window_rows(d);
}

/* How the columns of the strip and the vectors over them lie. */
static void lay_out(planar_job *job) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t sw = d->stride_w, whole = fc_round_up(p->ow, p->kernels->vlen);
    job->filled = fc_max64(0, fc_min64(d->iw, (p->ow - 1) * sw + window_cols(d) - d->pad_left));
    job->lead = fc_div_up(d->pad_left, sw);
    const int64_t reach = p->ow + fc_floor_div(window_cols(d) - 1 - d->pad_left, sw);
    job->pitch = job->lead + fc_max64(0, fc_max64(reach, fc_div_up(job->filled, sw)));
    job->flat = (double)(whole - job->pitch) * (double)(job->icg * d->kh * d->kw) >
                FC_COST_SPREAD * (double)whole;
}

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static planar_job cut(const fc_conv_problem *p, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), line = FC_CACHE_LINE / bytes;
    const int64_t sw = d->stride_w, vlen = p->kernels->vlen;
    planar_job job = {.problem = p, .icg = d->ic / d->groups, .ocg = d->oc / d->groups, .parts = 1};
    lay_out(&job);
    job.tiles = fc_div_up(job.ocg, p->kernels->tile_pixels);

    /* a strip within a quarter of the second-level cache, which the weights share */
    const int64_t row_bytes = job.icg * sw * job.pitch * bytes;
    const int64_t rows = (int64_t)fc_cpu_caches()->l2 / 4 / row_bytes - window_rows(d);
    const int64_t most = fc_max64(1, rows / d->stride_h + 1);
    const int64_t maps = d->n * d->groups, taps = d->kh * d->kw;
    /* vector operations: of a row of output, and of the source rows that the next strip copies again */
    const fc_strip_cost cost = {
        .row = (double)(job.ocg * job.icg * taps * fc_div_up(p->ow, vlen)) / 2,
        .fixed = 2.0 * (double)(job.icg * sw * job.pitch / vlen) *
                 (double)fc_max64(0, window_rows(d) - d->stride_h),
    };
    job.strips = fc_cut_strips(maps, p->oh, most, threads, cost);
    if (maps * job.strips < threads)
        job.parts = fc_min64(job.tiles, fc_div_up(threads, maps * job.strips));
    job.phase_rows = fc_div_up(strip_src_rows(d, fc_div_up(p->oh, job.strips)), d->stride_h);
    job.phase = job.phase_rows * job.pitch;
    /* The last vector reads on behind the last row. An odd number of lines, so that channels do not
     * meet in the same sets of a cache. */
    job.channel = fc_round_up(d->stride_h * sw * job.phase + vlen, 2 * line) + line;
    job.tap_bytes = (size_t)fc_round_up(taps * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    job.worker_bytes = FC_CACHE_LINE + (size_t)fc_round_up(job.icg * job.channel * bytes, FC_CACHE_LINE);
    return job;
}

/* Source rows, at least one, into the phases of columns that taps read. `split` has all but the columns. */
static void fill_columns(const planar_job *job, fc_split_phases_args split) {
    const fc_kernels *kernels = job->problem->kernels;
    const fc_conv2d_desc *d = &job->problem->desc;
    const ptrdiff_t bytes = (ptrdiff_t)kernels->element_bytes, stride = d->src_stride[3];
    split.src_stride = stride;
    split.step = d->stride_w;
    split.phase = job->phase;
    split.pixels = job->filled;
    if (split.step <= 2) { /* whole vectors, all phases at once */
        if (split.pixels) kernels->split_phases(&split);
        return;
    }
    const char *src = split.src;
    char *dst = split.dst;
    split.src_stride *= d->stride_w;
    split.step = 1;
    for (int64_t g = 0; g < fc_min64(d->stride_w, job->filled); g++) {
        if (!fc_phase_is_read(g, -d->pad_left, d->kw, d->dilation_w, d->stride_w)) continue;
        split.src = src + g * stride * bytes;
        split.dst = dst + g * job->phase * bytes;
        split.pixels = fc_div_up(job->filled - g, d->stride_w);
        kernels->split_phases(&split);
    }
}

/* Padded source rows [first, first + rows) of one group, channel by channel, as far as taps read them.
 * What lies left and right of the source's columns is zero since the worker's first task. */
static void fill_strip(const planar_job *job, int64_t n, int64_t group, int64_t first, int64_t rows,
                       char *strip) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), sh = d->stride_h, sw = d->stride_w;
    const int64_t row_bytes = job->pitch * bytes;
    for (int64_t f = 0; f < fc_min64(sh, rows); f++) {
        if (!fc_phase_is_read(f, 0, d->kh, d->dilation_h, sh)) continue;
        /* rows f, f + sh, ... of the strip: `above` of them lie over the source, those from `end` below */
        const int64_t count = (rows - f - 1) / sh + 1, y = first + f - d->pad_top;
        const int64_t above = fc_min64(count, fc_div_up(fc_max64(0, -y), sh));
        const int64_t end = fc_max64(above, fc_min64(count, fc_div_up(fc_max64(0, d->ih - y), sh)));
        for (int64_t c = 0; c < job->icg; c++) {
            char *at = strip + (c * job->channel + f * sw * job->phase) * bytes;
            for (int64_t g = 0; g < sw && above + count > end; g++) {
                memset(at + g * job->phase * bytes, 0, (size_t)(above * row_bytes));
                memset(at + g * job->phase * bytes + end * row_bytes, 0,
                       (size_t)((count - end) * row_bytes));
            }
            if (end == above) continue;
            fill_columns(job, (fc_split_phases_args){
                .src = fc_conv_src_at(p, job->args->src, n, group * job->icg + c, y + above * sh, 0),
                .dst = at + above * row_bytes + job->lead * bytes,
                .rows = end - above,
                .src_row = sh * d->src_stride[2],
                .dst_row = job->pitch,
            });
        }
    }
}

typedef struct place {
    int64_t y, x;
} place;

/* `lanes` pixels of output from `at` on, in the tile from `lane` on; none when not positive. */
static void add_piece(fc_plane_tile_args *tile, const fc_conv2d_desc *d, int64_t ow, place at,
                      int64_t lane, int64_t lanes) {
    if (lanes <= 0) return;
    tile->piece[tile->pieces++] = (fc_plane_piece){
        .lane = lane,
        .lanes = lanes,
        .dst_at = at.y * d->dst_stride[2] + at.x * d->dst_stride[3],
        .residual_at = at.y * ow + at.x,
    };
}

/* Output rows [y0, y0 + rows) of the channels of one tile. */
static void convolve_rows(const planar_job *job, fc_plane_tile_args tile, int64_t n, int64_t oc,
                          int64_t y0, int64_t rows) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_args *args = job->args;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), vlen = p->kernels->vlen;
    const int64_t plane = p->oh * p->ow, across = fc_div_up(p->ow, vlen);
    const int most = tile.rows <= FC_WIDE_ROWS(p->kernels->tile_pixels) ? 4 : 2;
    tile.weights = (const char *)(args->packed ? args->packed : args->weights) +
                   oc * tile.weights_row * bytes;
    tile.dst = (char *)args->dst + (n * d->dst_stride[0] + oc * d->dst_stride[1] +
                                    y0 * d->dst_stride[2]) * bytes;
    if (d->has_bias) tile.bias = (const char *)args->bias + oc * bytes;
    if (d->has_residual)
        tile.residual =
            (const char *)args->residual + ((n * d->oc + oc) * plane + y0 * p->ow) * bytes;
    const int64_t count = job->flat ? fc_div_up((rows - 1) * job->pitch + p->ow, vlen) : rows * across;
    place at = {0, 0};
    for (int64_t i = 0; i < count; i += tile.vectors) {
        tile.vectors = count - i >= most ? most : count - i >= 2 ? 2 : 1;
        tile.pieces = 0;
        for (int v = 0; v < tile.vectors; v++) {
            tile.src_at[v] = at.y * job->pitch + at.x;
            if (!job->flat) {
                add_piece(&tile, d, p->ow, at, v * vlen, fc_min64(vlen, p->ow - at.x));
                at.x += vlen;
                if (at.x >= p->ow) at = (place){at.y + 1, 0};
                continue;
            }
            for (int64_t lane = 0; lane < vlen && at.y < rows;) {
                const int64_t lanes = fc_min64(vlen - lane, job->pitch - at.x);
                add_piece(&tile, d, p->ow, at, v * vlen + lane, fc_min64(lanes, p->ow - at.x));
                lane += lanes;
                at.x += lanes;
                if (at.x == job->pitch) at = (place){at.y + 1, 0};
            }
        }
        if (tile.pieces) p->kernels->plane_tile(&tile);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const planar_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t strip = task / job->parts % job->strips, map = task / job->parts / job->strips;
    const int64_t n = map / d->groups, group = map % d->groups;
    int64_t y0, end, from, to;
    fc_split(p->oh, job->strips, strip, &y0, &end);
    fc_split(job->tiles, job->parts, task % job->parts, &from, &to);
    int64_t *ready = (int64_t *)(void *)(job->scratch + (size_t)worker * job->worker_bytes);
    char *rows = (char *)ready + FC_CACHE_LINE;
    if (!*ready) memset(rows, 0, job->worker_bytes - FC_CACHE_LINE);
    *ready = 1;
    fill_strip(job, n, group, y0 * d->stride_h, strip_src_rows(d, end - y0), rows);
    fc_plane_tile_args tile = {
        .src = rows,
        .tap = job->tap,
        .channels = job->icg,
        .taps = d->kh * d->kw,
        .src_channel = job->channel,
        .weights_row = job->icg * d->kh * d->kw,
        .dst_channel = d->dst_stride[1],
        .dst_pixel = d->dst_stride[3],
        .residual_channel = p->oh * p->ow,
        .activation = d->activation,
    };
    for (int64_t i = from; i < to; i++) {
        int64_t low, high;
        fc_split(job->ocg, job->tiles, i, &low, &high);
        tile.rows = (int)(high - low);
        convolve_rows(job, tile, n, group * job->ocg + low, y0, end - y0);
    }
}

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->border != FC_BORDER_ZEROS) return "its strips know no border but zeros";
    return NULL;
}

/* One tile of `rows` output channels over all vectors of an image. */
static double tile_cost(const planar_job *job, int64_t rows) {
    enum { TILE = 57, VECTOR = 4, SPREAD = 35 }; /* to begin a tile; to store a vector of sums */
    const double store = job->problem->desc.dst_stride[3] != 1 ? 3.0 * (double)job->problem->kernels->vlen
                         : job->flat                           ? SPREAD
                                                               : VECTOR;
    const fc_conv_problem *p = job->problem;
    const int64_t vlen = p->kernels->vlen, depth = job->icg * p->desc.kh * p->desc.kw;
    const int64_t most = rows <= FC_WIDE_ROWS(p->kernels->tile_pixels) ? 4 : 2;
    int64_t left = job->flat ? fc_div_up((p->oh - 1) * job->pitch + p->ow, vlen)
                             : p->oh * fc_div_up(p->ow, vlen);
    double sum = 0;
    for (int64_t vectors = most; vectors > 0; left %= vectors, vectors /= 2) {
        const double products = (double)(rows * vectors);
        /* a load of pixels takes the place of two: they lie across lines */
        double step = fc_max64(FC_COST_LATENCY, rows * vectors);
        if (step < (double)rows + 2.4 * (double)vectors) step = (double)rows + 2.4 * (double)vectors;
        sum += (double)(left / vectors) *
               ((double)depth * step + TILE + products * store);
    }
    return sum;
}

static double cost(const fc_conv_problem *p) {
    enum { CALL = 700, ROW = 10, VECTOR = 5, STRIDED_ROW = 25, PHASE = 90 };
    const fc_conv2d_desc *d = &p->desc;
    planar_job job = {.problem = p, .icg = d->ic / d->groups, .ocg = d->oc / d->groups};
    lay_out(&job);
    const int64_t tiles = fc_div_up(job.ocg, p->kernels->tile_pixels), sw = d->stride_w;
    const int64_t rows = job.ocg / tiles, larger = job.ocg % tiles;
    double group = (double)(tiles - larger) * tile_cost(&job, rows);
    if (larger) group += (double)larger * tile_cost(&job, rows + 1);
    /* rows of the strip: whole vectors, or element by element, a phase at a time */
    const int64_t src_rows = fc_min64(strip_src_rows(d, p->oh), p->oh * fc_min64(d->kh, d->stride_h) +
                                                                    window_rows(d));
    double row = ROW + VECTOR * (double)fc_div_up(job.filled, p->kernels->vlen);
    if (sw > 2 || d->src_stride[3] != 1)
        row = (double)fc_min64(sw, d->kw) * (STRIDED_ROW + 2 * (double)fc_div_up(job.filled, sw));
    group += (double)job.icg * ((double)src_rows * row + PHASE * (double)fc_min64(d->stride_h, src_rows));
    return FC_COST_CALL + CALL + (double)d->groups * group +
           2.0 * (double)(fc_dense_weights_bytes(p) / fc_dtype_bytes(d->dtype));
}

static void prepare(fc_conv_problem *p) { (void)p; }

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    planar_job job = cut(p, threads);
    return job.tap_bytes + job.worker_bytes * (size_t)threads;
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    planar_job job = cut(p, threads);
    ptrdiff_t *tap = scratch;
    for (int64_t a = 0; a < d->kh; a++)
        for (int64_t b = 0; b < d->kw; b++) {
            const int64_t e = b * d->dilation_w - d->pad_left;
            const int64_t column = fc_floor_div(e, d->stride_w);
            const int64_t row = a * d->dilation_h / d->stride_h, phase = a * d->dilation_h % d->stride_h;
            tap[a * d->kw + b] =
                (phase * d->stride_w + e - column * d->stride_w) * job.phase + row * job.pitch +
                job.lead + column;
        }
    job.tap = tap;
    job.args = args;
    job.scratch = (char *)scratch + job.tap_bytes;
    for (int i = 0; i < threads; i++)
        *(int64_t *)(void *)(job.scratch + (size_t)i * job.worker_bytes) = 0; /* not ready */
    fc_parallel_tasks(threads, d->dtype, d->n * d->groups * job.strips * job.parts, run_task, &job);
}

const fc_conv_driver fc_conv_planar = {
    .algorithm = FC_ALGO_PLANAR,
    .why = "planes as they lie: vectors of pixels against weights as they lie",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_dense_weights_bytes,
    .pack = fc_dense_weights_pack,
    .packing = fc_dense_weights_packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
