/* conv_winograd.c: 3x3 and 5x5 convolution of stride 1 by Winograd's minimal filtering F(m, r).
 *
 *   plain NCHW src --pack--> strip of n rows [row][col][channel]     a few channels, first-level cache
 *   strip --winograd_input--> V [product][tile][channel]             second-level cache
 *   V x U --conv_tile--> M [product][tile][output channels]          for each weight panel
 *   M --winograd_output--> rows of pixels --unpack, bias, residual, activation--> dst
 *
 * An m x m tile of outputs takes n*n products, n = m + r - 1, in place of m*m*r*r: 2.25, 4 and 5.1 times
 * fewer for F(2), F(4), F(6) and 3x3. The products of one place (i, j) of all tiles are a matrix product
 * over the channels, done by the register tile of direct convolution, whose pixels here are tiles.
 *
 * Tiles begin at the first output and every m further on, whatever the cuts, so results do not depend
 * on them. Those that overhang the result are computed on zeros and not stored.
 *
 * A unit is a rectangle of tiles: columns of the map by rows counted over the whole batch. Its V and M
 * share the second-level cache with the weights that stream past. Threads take units; where there are
 * fewer than threads, weight panels are dealt out too, and V is made first, by all threads together. */
#include "../base/cpu.h"
#include "conv_blocked.h"
#include "conv_phases.h"
#include "cost.h"
#include "cut.h"

#include <string.h>

typedef struct winograd_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    int m, n;
    int64_t tile_rows, tile_cols;        /* of an image */
    int64_t columns, strips;             /* cuts of tile_cols and of the batch's tile rows */
    int64_t units, parts;                /* parts: pieces that a unit's weight panels are dealt into */
    int64_t block;                       /* channels of a strip */
    int64_t most_tiles, most_cols;       /* of a unit */
    char *values_at, *worker_at;
    size_t values_bytes;                 /* V of a unit */
    size_t strip_bytes, products_bytes, pixels_bytes, worker_bytes;
} winograd_job;

typedef struct winograd_unit {
    int64_t group;
    int64_t col, cols; /* tiles */
    int64_t row, rows; /* tile rows over the batch */
    int64_t tiles;
} winograd_unit;

static int64_t plane_of(const fc_conv_problem *p, int64_t tiles, int64_t channels) {
    /* one line more, lest n*n planes meet in one set of the caches */
    return tiles * channels + FC_CACHE_LINE / (int64_t)fc_dtype_bytes(p->desc.dtype);
}

static size_t whole_lines(int64_t elements, const fc_conv_problem *p) {
    return (size_t)fc_round_up(elements * (int64_t)fc_dtype_bytes(p->desc.dtype), FC_CACHE_LINE);
}

/* How one call is cut. A function of the shape, the caches and the thread count alone. */
static winograd_job cut(const fc_conv_problem *p, int m, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), n = m + d->kh - 1;
    winograd_job job = {
        .problem = p,
        .m = m,
        .n = (int)n,
        .tile_rows = fc_div_up(p->oh, m),
        .tile_cols = fc_div_up(p->ow, m),
        .parts = 1,
        .block = FC_CACHE_LINE / bytes,
    };
    /* As many tiles as the second-level cache has room for, but four register tiles at the least, and up
     * to eight in four times the room: deep layers then read V from the third level, and their weights,
     * which outweigh it, less often. */
    const int64_t l2 = (int64_t)fc_cpu_caches()->l2, least = 4 * p->kernels->tile_pixels;
    const int64_t tile_bytes = n * n * (b->icg + b->panel) * bytes;
    const int64_t most = fc_max64(fc_max64(least, l2 / 8 * 5 / tile_bytes),
                                  fc_min64(2 * least, 4 * l2 / tile_bytes));
    job.columns = fc_div_up(job.tile_cols, most);
    const int64_t cols = fc_div_up(job.tile_cols, job.columns), rows = d->n * job.tile_rows;
    /* for a row of tiles: its products; for each strip again: the weights, from the third level */
    const fc_strip_cost cost = {
        .row = (double)(cols * b->icg * n * n) * (double)(2 * b->panels),
        .fixed = 0.1 * (double)(b->panels * b->panel_bytes),
    };
    const int64_t maps = d->groups * job.columns;
    job.strips = fc_cut_strips(maps, rows, fc_max64(1, most / cols), threads, cost);
    job.units = maps * job.strips;
    if (job.units < threads) job.parts = fc_cut_parts(job.units, b->panels, threads);

    job.most_cols = cols;
    job.most_tiles = cols * fc_div_up(rows, job.strips);
    job.values_bytes = whole_lines(n * n * plane_of(p, job.most_tiles, b->icg), p);
    job.strip_bytes = whole_lines(n * (cols * m + d->kw - 1) * job.block, p);
    job.products_bytes = whole_lines(n * n * plane_of(p, job.most_tiles, b->panel), p);
    job.pixels_bytes = whole_lines(m * cols * m * b->panel, p);
    job.worker_bytes = job.strip_bytes + job.products_bytes + job.pixels_bytes;
    return job;
}

static winograd_unit unit_at(const winograd_job *job, int64_t index) {
    const int64_t map = index / job->strips;
    winograd_unit unit = {.group = map / job->columns};
    int64_t end;
    fc_split(job->tile_cols, job->columns, map % job->columns, &unit.col, &end);
    unit.cols = end - unit.col;
    fc_split(job->problem->desc.n * job->tile_rows, job->strips, index % job->strips, &unit.row, &end);
    unit.rows = end - unit.row;
    unit.tiles = unit.rows * unit.cols;
    return unit;
}

/* Columns [from, to) of a row of the strip, all beyond the source's edge. */
static void pack_border(const fc_conv_problem *p, fc_pack_pixels_args pack, const char *row,
                        int64_t first, int64_t from, int64_t to, char *strip_row) {
    const fc_conv2d_desc *d = &p->desc;
    const size_t bytes = fc_dtype_bytes(d->dtype), pixel = (size_t)pack.block * bytes;
    for (int64_t x = from; x < to; x++) {
        const int64_t at = first + x - d->pad_left;
        const int64_t column =
            at < d->iw + d->pad_right ? fc_border_source(d->border, at, d->iw) : -1;
        pack.dst = strip_row + (size_t)x * pixel;
        if (column < 0) {
            memset(pack.dst, 0, pixel);
            continue;
        }
        pack.src = row + column * d->src_stride[3] * (ptrdiff_t)bytes;
        pack.pixels = 1;
        p->kernels->pack_pixels(&pack);
    }
}

/* Row `y` of the padded image, columns from `first` on, channels [c, c + channels) of a group. */
static void pack_row(const winograd_job *job, const winograd_unit *unit, int64_t image, int64_t y,
                     int64_t c, int64_t channels, int64_t cols, char *strip_row) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const size_t pixel = (size_t)job->block * fc_dtype_bytes(d->dtype);
    const int64_t at = y - d->pad_top;
    const int64_t source = at < d->ih + d->pad_bottom ? fc_border_source(d->border, at, d->ih) : -1;
    if (source < 0) {
        memset(strip_row, 0, (size_t)cols * pixel);
        return;
    }
    const int64_t first = unit->col * job->m;
    const int64_t left = fc_min64(cols, fc_max64(0, d->pad_left - first));
    const int64_t begin = fc_max64(0, first - d->pad_left);
    const int64_t filled = fc_max64(0, fc_min64(d->iw - begin, cols - left));
    const char *row = fc_conv_src_at(p, job->args->src, image, unit->group * p->blocking.icg + c,
                                     source, 0);
    fc_pack_pixels_args pack = {
        .src = row + begin * d->src_stride[3] * (ptrdiff_t)fc_dtype_bytes(d->dtype),
        .dst = strip_row + (size_t)left * pixel,
        .channel_stride = d->src_stride[1],
        .pixel_stride = d->src_stride[3],
        .channels = channels,
        .pixels = filled,
        .block = job->block,
    };
    if (filled) p->kernels->pack_pixels(&pack);
    pack_border(p, pack, row, first, 0, left, strip_row);
    pack_border(p, pack, row, first, left + filled, cols, strip_row);
}

/* V of one unit, channels [c, c + block). Of a tile row below another one, r - 1 rows are there. */
static void transform_block(const winograd_job *job, const winograd_unit *unit, int64_t c, char *strip,
                            char *values) {
    const fc_conv_problem *p = job->problem;
    const int64_t icg = p->blocking.icg, channels = fc_min64(job->block, icg - c);
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t overlap = job->n - job->m, cols = unit->cols * job->m + overlap;
    const size_t row_bytes = (size_t)(cols * job->block) * bytes;
    fc_winograd_input_args input = {
        .src = strip,
        .src_row = cols * job->block,
        .src_pixel = job->block,
        .dst_plane = plane_of(p, unit->tiles, icg),
        .dst_tile = icg,
        .tiles = unit->cols,
        .step = job->m,
        .channels = channels,
        .n = job->n,
    };
    for (int64_t row = 0; row < unit->rows; row++) {
        const int64_t image = (unit->row + row) / job->tile_rows;
        const int64_t y = (unit->row + row) % job->tile_rows * job->m;
        const bool follows = row && y;
        if (follows) memmove(strip, strip + (size_t)job->m * row_bytes, (size_t)overlap * row_bytes);
        for (int64_t i = follows ? overlap : 0; i < job->n; i++)
            pack_row(job, unit, image, y + i, c, channels, cols, strip + (size_t)i * row_bytes);
        input.dst = values + (size_t)(row * unit->cols * icg + c) * bytes;
        p->kernels->winograd_input(&input);
    }
}

static char *values_of(const winograd_job *job, int64_t unit, int worker) {
    return job->values_at + (size_t)(job->parts > 1 ? unit : worker) * job->values_bytes;
}

static void transform_shared(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    const int64_t blocks = fc_div_up(job->problem->blocking.icg, job->block);
    const winograd_unit unit = unit_at(job, task / blocks);
    transform_block(job, &unit, task % blocks * job->block,
                    job->worker_at + (size_t)worker * job->worker_bytes,
                    values_of(job, task / blocks, worker));
}

/* The pixels of a panel, from its products. */
static void store_panel(const winograd_job *job, const winograd_unit *unit, const fc_panel *panel,
                        const char *products, char *pixels) {
    const fc_conv_problem *p = job->problem;
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t channels = panel->vectors * p->kernels->vlen, x = unit->col * job->m;
    const int64_t cols = fc_min64(unit->cols * job->m, p->ow - x);
    fc_winograd_output_args output = {
        .dst = pixels,
        .src_plane = plane_of(p, unit->tiles, channels),
        .src_tile = channels,
        .dst_row = cols * channels,
        .dst_pixel = channels,
        .cols = cols,
        .channels = channels,
        .m = job->m,
        .n = job->n,
    };
    for (int64_t row = 0; row < unit->rows; row++) {
        const int64_t image = (unit->row + row) / job->tile_rows;
        const int64_t y = (unit->row + row) % job->tile_rows * job->m;
        const int64_t rows = fc_min64(job->m, p->oh - y);
        output.src = products + (size_t)(row * unit->cols * channels) * bytes;
        p->kernels->winograd_output(&output);
        const int64_t first = (image * p->oh + y) * p->ow + x;
        if (cols == p->ow) {
            fc_store_pixels(p, job->args, panel, pixels, first, rows * cols);
            continue;
        }
        for (int64_t i = 0; i < rows; i++)
            fc_store_pixels(p, job->args, panel, pixels + (size_t)(i * output.dst_row) * bytes,
                            first + i * p->ow, cols);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv_blocking *b = &p->blocking;
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t index = task / job->parts;
    const winograd_unit unit = unit_at(job, index);
    char *strip = job->worker_at + (size_t)worker * job->worker_bytes;
    char *products = strip + job->strip_bytes, *pixels = products + job->products_bytes;
    char *values = values_of(job, index, worker);
    for (int64_t c = 0; c < b->icg && job->parts == 1; c += job->block)
        transform_block(job, &unit, c, strip, values);

    const int64_t value_plane = plane_of(p, unit.tiles, b->icg);
    fc_conv_tile_args tile = {.src_pixel = b->icg, .count = {1, 1, 1}, .run = b->icg};
    int64_t begin, end;
    fc_split(b->panels, job->parts, task % job->parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const fc_panel panel = fc_panel_at(p, job->args->packed, unit.group, i);
        const int64_t channels = panel.vectors * p->kernels->vlen;
        const int64_t product_plane = plane_of(p, unit.tiles, channels);
        const int64_t weight_plane = b->block * channels;
        tile.panels = panel.vectors;
        tile.lanes = (int)channels;
        tile.dst_pixel = channels;
        for (int64_t q = 0; q < job->n * job->n; q++) {
            tile.src = values + (size_t)(q * value_plane) * bytes;
            tile.dst = products + (size_t)(q * product_plane) * bytes;
            tile.weights = (const char *)panel.weights + (size_t)(q * weight_plane) * bytes;
            fc_tile_map(p->kernels, tile, 1, unit.tiles);
        }
        store_panel(job, &unit, &panel, products, pixels);
    }
}

/* ---- weights ---------------------------------------------------------------------------------- */

typedef struct weights_job {
    const fc_conv_problem *problem;
    const char *weights;
    void *packed;
    int n;
} weights_job;

/* Taps go to the last planes of their panel, and are transformed where they lie. */
static void pack_panel(void *context, int64_t task, int worker) {
    (void)worker;
    const weights_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const size_t bytes = fc_dtype_bytes(d->dtype);
    const fc_panel panel = fc_panel_at(p, job->packed, task / b->panels, task % b->panels);
    const int64_t channels = panel.vectors * p->kernels->vlen, taps = d->kh * d->kw;
    const int64_t plane = b->block * channels;
    const int64_t *stride = d->weight_stride;
    char *at = (char *)panel.weights, *last = at + (size_t)((job->n * job->n - taps) * plane) * bytes;
    const fc_pack_weights_args pack = {
        .src = job->weights + (panel.oc / b->ocg * stride[0] + panel.oc % b->ocg * stride[1]) *
                                  (ptrdiff_t)bytes,
        .dst = last,
        .row = stride[1],
        .channel = stride[2],
        .tap_row = stride[3],
        .tap_col = stride[4],
        .ic = b->icg,
        .kh = d->kh,
        .kw = d->kw,
        .block = b->block,
        .panels = panel.vectors,
        .lanes = panel.lanes,
    };
    p->kernels->pack_weights(&pack);
    const fc_winograd_weights_args transform = {
        .src = last,
        .dst = at,
        .src_tap = plane,
        .dst_plane = plane,
        .count = b->icg * channels,
        .r = (int)d->kh,
        .n = job->n,
    };
    p->kernels->winograd_weights(&transform);
}

static void pack(const fc_conv_problem *p, const void *weights, void *packed, int threads, int m) {
    weights_job job = {p, weights, packed, m + (int)p->desc.kh - 1};
    fc_parallel_tasks(fc_threads_for_bytes(threads, 4.0 * (double)fc_conv_packed_bytes(p)),
                      p->desc.dtype, p->desc.groups * p->blocking.panels, pack_panel, &job);
}

/* ---- the three sizes -------------------------------------------------------------------------- */

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->stride_h != 1 || d->stride_w != 1) return "it takes stride 1 alone";
    if (d->kh != d->kw || (d->kh != 3 && d->kh != 5)) return "it takes 3x3 and 5x5 windows alone";
    return fc_conv_dilated(d) ? fc_conv_phases_refuse(d) : NULL;
}

static const char *refuse_6(const fc_conv2d_desc *d) {
    const char *reason = refuse(d);
    return !reason && d->kh != 3 ? "it takes 3x3 windows alone" : reason;
}
#define refuse_2 refuse
#define refuse_4 refuse

/* By their error relative to that of the result, on Gaussian data, at most 4e-6 (docs/numerics.md). */
static fc_precision precision_2(const fc_conv2d_desc *d) {
    (void)d;
    return FC_PRECISION_DEFAULT;
}

static fc_precision precision_4(const fc_conv2d_desc *d) {
    enum { MOST_CHANNELS_5X5 = 96 };
    return d->kh == 3 || d->ic / d->groups <= MOST_CHANNELS_5X5 ? FC_PRECISION_DEFAULT
                                                                 : FC_PRECISION_FAST;
}

static fc_precision precision_6(const fc_conv2d_desc *d) {
    (void)d;
    return FC_PRECISION_FAST;
}

/* What reading transformed weights costs where they do not fit the nearer caches, and for which sizes. */
static double streaming(double bytes) {
    enum { SECOND = 1 << 20, THIRD = 16 << 20 };
    return bytes > THIRD ? 0.18 * bytes : bytes > SECOND ? 0.09 * bytes : 0;
}

static double dense_cost(const fc_conv_problem *p, int m) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vlen = p->kernels->vlen, n = m + d->kh - 1;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const int64_t tiles = fc_div_up(p->oh, m) * fc_div_up(p->ow, m);
    const int64_t step = d->src_stride[3] < d->src_stride[1] ? d->src_stride[3] : 1;
    const double in = (double)fc_div_up(icg, vlen), out = (double)fc_div_up(ocg, vlen);
    const double products = (double)(n * n), vectors = products * out * (double)icg;
    const double stream = streaming(vectors * (double)(vlen * (int64_t)fc_dtype_bytes(d->dtype)));
    const double weights =
        d->weights_prepared ? 0 : 4 * vectors + 2 * stream + fc_cost_pack_weights(p, d->kh * d->kw * icg);
    return FC_COST_CALL +
           (double)d->groups *
               (fc_cost_pack_pixels(p, icg, tiles * m * m, step) + fc_cost_unpack_pixels(p) +
                products * fc_cost_conv_tiles(p, 1, tiles, icg) + stream +
                (double)tiles * products * (double)n * (2 * in + 1.6 * out) + weights);
}

static void prepare(fc_conv_problem *p, int m) {
    const int64_t icg = p->desc.ic / p->desc.groups, n = m + p->desc.kh - 1;
    /* a row more than there are channels, lest n*n planes of weights meet in one set of the caches */
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, icg, p->desc.oc / p->desc.groups, icg + 1,
                    n * n);
}

static size_t values_bytes(const winograd_job *job, int threads) {
    return job->values_bytes * (size_t)(job->parts > 1 ? job->units : threads);
}

static size_t dense_scratch_bytes(const fc_conv_problem *p, int threads, int m) {
    const winograd_job job = cut(p, m, threads);
    return values_bytes(&job, threads) + job.worker_bytes * (size_t)threads;
}

static void dense_execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads,
                          int m) {
    winograd_job job = cut(p, m, threads);
    job.args = args;
    job.values_at = scratch;
    job.worker_at = job.values_at + values_bytes(&job, threads);
    if (job.parts > 1)
        fc_parallel_tasks(threads, p->desc.dtype,
                          job.units * fc_div_up(p->blocking.icg, job.block), transform_shared, &job);
    fc_parallel_tasks(threads, p->desc.dtype, job.units * job.parts, run_task, &job);
}

/* ---- dilated windows, phase by phase -------------------------------------------------------- */

static double cost(const fc_conv_problem *p, int m) {
    if (!fc_conv_dilated(&p->desc)) return dense_cost(p, m);
    fc_conv_phase phase[FC_PHASE_SIZES];
    int64_t times[FC_PHASE_SIZES];
    const int sizes = fc_conv_phase_sizes(p, phase, times);
    double sum = dense_cost(&phase[0].problem, m); /* with its weights, which the others share */
    for (int i = 0; i < sizes; i++) {
        phase[i].problem.desc.weights_prepared = 1;
        sum += (double)(times[i] - (i == 0)) * dense_cost(&phase[i].problem, m);
    }
    return sum;
}

static size_t scratch_bytes(const fc_conv_problem *p, int threads, int m) {
    if (!fc_conv_dilated(&p->desc)) return dense_scratch_bytes(p, threads, m);
    fc_conv_phase phase[FC_PHASE_SIZES];
    int64_t times[FC_PHASE_SIZES];
    const int sizes = fc_conv_phase_sizes(p, phase, times);
    size_t most = 0;
    for (int i = 0; i < sizes; i++) {
        const size_t bytes = dense_scratch_bytes(&phase[i].problem, threads, m);
        if (bytes > most) most = bytes;
    }
    return most;
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads, int m) {
    if (!fc_conv_dilated(&p->desc)) {
        dense_execute(p, args, scratch, threads, m);
        return;
    }
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(p->desc.dtype);
    for (int64_t i = 0; i < fc_conv_phase_count(p); i++) {
        const fc_conv_phase phase = fc_conv_phase_at(p, i);
        fc_args part = *args;
        part.src = (const char *)args->src + phase.src * bytes;
        part.dst = (char *)args->dst + phase.dst * bytes;
        dense_execute(&phase.problem, &part, scratch, threads, m);
    }
}

#define DRIVER(M)                                                                              \
    static double cost_##M(const fc_conv_problem *p) { return cost(p, M); }                    \
    static void prepare_##M(fc_conv_problem *p) { prepare(p, M); }                             \
    static void pack_##M(const fc_conv_problem *p, const void *weights, void *packed, int threads) { \
        pack(p, weights, packed, threads, M);                                                  \
    }                                                                                          \
    static uint64_t packing_##M(const fc_conv_problem *p) {                                    \
        return fc_packing_id(FC_PACKED_WINOGRAD, M, p->blocking.panel);                        \
    }                                                                                          \
    static size_t scratch_bytes_##M(const fc_conv_problem *p, int threads) {                   \
        return scratch_bytes(p, threads, M);                                                   \
    }                                                                                          \
    static void execute_##M(const fc_conv_problem *p, const fc_args *args, void *scratch,      \
                            int threads) {                                                     \
        execute(p, args, scratch, threads, M);                                                 \
    }                                                                                          \
    const fc_conv_driver fc_conv_winograd_f##M = {                                             \
        .algorithm = FC_ALGO_WINOGRAD_F##M,                                                    \
        .why = "window of stride 1: fewer products by transforms",                       \
        .precision = precision_##M,                                                             \
        .refuse = refuse_##M,                                                                     \
        .cost = cost_##M,                                                                      \
        .prepare = prepare_##M,                                                                \
        .packed_bytes = fc_conv_packed_bytes,                                                  \
        .pack = pack_##M,                                                                      \
        .packing = packing_##M,                                                                \
        .scratch_bytes = scratch_bytes_##M,                                                    \
        .execute = execute_##M,                                                                \
    }

DRIVER(2);
DRIVER(4);
DRIVER(6);
