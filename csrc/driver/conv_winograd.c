/* conv_winograd.c: 3x3 and 5x5 convolution of stride 1 by Winograd's minimal filtering F(m, r).
 *
 *   plain NCHW src --pack--> strip of n rows [row][col][channel]     a few channels, first-level cache;
 *                                                                    channels last, src itself
 *   strip --winograd_input--> V [product][tile][channel]             second-level cache
 *   V x U --conv_tile--> M [product][tile][output channels]          for each weight panel
 *   M --winograd_output--> rows of pixels --unpack, bias, residual, activation--> dst; channels last, the
 *                                                                    kernel finishes them in dst
 *
 * An m x m tile of outputs takes n*n products, n = m + r - 1, in place of m*m*r*r: 2.25, 4 and 5.1 times
 * fewer for F(2), F(4), F(6) and 3x3. The products of one place (i, j) of all tiles are a matrix product
 * over the channels, done by the register tile of direct convolution, whose pixels here are tiles.
 *
 * Tiles begin at the first output and every m further on, whatever the cuts, so results do not depend
 * on them. Those that overhang the result make do with fewer points, and so with fewer products: on
 * 14 x 14 outputs and F(4), 484 in place of 576, on 13 x 13 441.
 *
 * A unit is a rectangle of tiles: columns of the map by rows counted over the whole batch. Its V and M
 * share the second-level cache with the weights that stream past. Threads take units; where that would
 * leave them idle, or read the weights too often, weight panels are dealt out too, and V is made first,
 * by all threads together. winograd_job.c cuts. */
#include "conv_phases.h"
#include "cost.h"
#include "winograd_job.h"

#include <math.h>

typedef fc_winograd_job winograd_job;
typedef fc_winograd_unit winograd_unit;

static char *values_of(const winograd_job *job, int64_t unit, int worker) {
    return job->values_at + (size_t)(job->parts > 1 ? unit : worker) * job->values_bytes;
}

/* V of some channels: [product][tile][channel]. */
static void transform_block(const winograd_job *job, const winograd_unit *unit, int64_t c, char *strip,
                            char *values) {
    const fc_conv_problem *p = job->problem;
    const int64_t icg = p->blocking.icg;
    fc_winograd_values(job, unit, c, strip, fc_winograd_plane(p, unit->tiles, icg), icg,
                       values + (size_t)c * fc_dtype_bytes(p->desc.dtype));
}

static void transform_shared(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    const int64_t blocks = fc_div_up(job->problem->blocking.icg, job->block);
    const winograd_unit unit = fc_winograd_unit_at(job, task / blocks);
    transform_block(job, &unit, task % blocks * job->block,
                    job->worker_at + (size_t)worker * job->worker_bytes,
                    values_of(job, task / blocks, worker));
}

/* A panel's pixels, from its products, where dst wants them. */
static void store_straight(const winograd_job *job, const winograd_unit *unit, const fc_panel *panel,
                           fc_winograd_output_args output, const char *products) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(d->dtype);
    const int64_t x = unit->col * job->m;
    output.dst_row = d->dst_stride[2];
    output.dst_pixel = d->dst_stride[3];
    output.activation = d->activation;
    if (d->has_bias) output.bias = (const char *)job->args->bias + panel->oc * bytes;
    for (int64_t i = 0; i < unit->rows; i++) {
        const fc_winograd_row row = fc_winograd_row_at(job, unit, i);
        const int64_t at = panel->oc + row.y * d->dst_stride[2] + x * d->dst_stride[3];
        output.rows = row.pixels;
        output.src = products + row.first * output.src_tile * bytes;
        output.src_last = (row.last - row.first) * output.src_tile;
        output.dst = (char *)job->args->dst + (row.image * d->dst_stride[0] + at) * bytes;
        if (d->has_residual)
            output.residual =
                (const char *)job->args->residual + (row.image * d->residual_stride[0] + at) * bytes;
        p->kernels->winograd_output(&output);
    }
}

/* The pixels of a panel, from its products. */
static void store_panel(const winograd_job *job, const winograd_unit *unit, const fc_panel *panel,
                        const char *products, char *pixels) {
    const fc_conv_problem *p = job->problem;
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t channels = panel->vectors * p->kernels->vlen, x = unit->col * job->m;
    const int64_t cols = unit->pixels;
    fc_winograd_output_args output = {
        .dst = pixels,
        .src_plane = fc_winograd_plane(p, unit->tiles, channels),
        .src_tile = channels,
        .dst_row = cols * channels,
        .dst_pixel = channels,
        .cols = cols,
        .channels = channels,
        .m = job->m,
        .n = job->n,
    };
    if (job->straight && panel->lanes == channels) {
        store_straight(job, unit, panel, output, products);
        return;
    }
    for (int64_t i = 0; i < unit->rows; i++) {
        const fc_winograd_row row = fc_winograd_row_at(job, unit, i);
        output.rows = row.pixels;
        output.src = products + (size_t)(row.first * channels) * bytes;
        output.src_last = (row.last - row.first) * channels;
        p->kernels->winograd_output(&output);
        const int64_t first = (row.image * p->oh + row.y) * p->ow + x;
        if (cols == p->ow) {
            fc_store_pixels(p, job->args, panel, pixels, first, row.pixels * cols);
            continue;
        }
        for (int64_t y = 0; y < row.pixels; y++)
            fc_store_pixels(p, job->args, panel, pixels + (size_t)(y * output.dst_row) * bytes,
                            first + y * p->ow, cols);
    }
}

/* Channels that are summed in one chain: of tiles of 8 x 8, whose products are large, pieces, which are then
 * added, unless precision is no matter: their error grows with the length of a chain. */
static int64_t chain_of(const fc_conv_problem *p, int64_t n) {
    enum { CHANNELS = 96 };
    return n == 8 && p->desc.precision != FC_PRECISION_FAST ? CHANNELS : p->desc.ic / p->desc.groups;
}

/* Register tiles that some tiles take, each of which goes through all weights of a place. */
static int64_t passes(const fc_kernels *kernels, int64_t tiles) {
    return fc_div_up(tiles, kernels->tile_pixels);
}

/* The products of one place of some tiles, in passes over its weights, the first of which is `pass`.
 *
 * Weights of a network come from memory: the first tiles that meet them would wait, and the others not use
 * it. So each step of the sum asks for a line of the next place's weights, in each pass for another of the
 * lines that belong to a step. (Weights from memory, 256 -> 256 and 512 -> 512 on 14 x 14, 512 -> 512 on
 * 7 x 7: 1.05 to 1.2 times as fast, the more the busier memory is; near weights, within 2 %.) With fewer
 * passes than lines it does not pay. */
static void multiply_run(const fc_kernels *kernels, fc_conv_tile_args *tile, int64_t tiles, int64_t next,
                         int64_t pass) {
    const int64_t bytes = (int64_t)kernels->element_bytes, line = 64 / bytes, lines = tile->lanes / line;
    const int64_t count = passes(kernels, tiles);
    const char *src = tile->src, *residual = tile->residual;
    char *dst = tile->dst;
    for (int64_t i = 0; i < count; i++) {
        int64_t begin, end;
        fc_split(tiles, count, i, &begin, &end);
        const ptrdiff_t at = begin * tile->dst_pixel * bytes;
        tile->cols = (int)(end - begin);
        tile->src = src + begin * tile->src_pixel * bytes;
        tile->dst = dst + at;
        if (residual) tile->residual = residual + at;
        tile->ahead = next && pass + i < lines ? next + (pass + i) * line : 0;
        kernels->conv_tile(tile);
    }
}

/* The products of a panel. */
static void multiply(const winograd_job *job, const winograd_unit *unit, const fc_panel *panel,
                     const char *values, char *products) {
    const fc_conv_problem *p = job->problem;
    const fc_conv_blocking *b = &p->blocking;
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t channels = panel->vectors * p->kernels->vlen, weight_plane = b->block * channels;
    const int64_t value_plane = fc_winograd_plane(p, unit->tiles, b->icg);
    const int64_t product_plane = fc_winograd_plane(p, unit->tiles, channels);
    const int64_t line = 64 / (int64_t)bytes;
    fc_conv_tile_args tile = {
        .src_pixel = b->icg,
        .count = {1, 1, 1},
        .rows = 1,
        .panels = panel->vectors,
        .lanes = (int)channels,
        .dst_pixel = channels,
    };
    const int64_t pieces = fc_div_up(b->icg, chain_of(p, job->n));
    for (int64_t q = 0; q < job->n * job->n; q++) {
        const fc_winograd_runs runs =
            fc_winograd_runs_of(job, unit, (int)(q / job->n), (int)(q % job->n));
        const int64_t all_passes = passes(p->kernels, runs.tiles[0]) + passes(p->kernels, runs.tiles[1]);
        const int64_t next = all_passes * line >= channels ? weight_plane : 0;
        int64_t pass = 0;
        for (int k = 0; k < runs.count; k++) {
            if (!runs.tiles[k]) continue;
            char *dst = products + (size_t)(q * product_plane + runs.first[k] * channels) * bytes;
            for (int64_t i = 0; i < pieces; i++) {
                int64_t c, end;
                fc_split(b->icg, pieces, i, &c, &end);
                tile.run = end - c;
                tile.weights = (const char *)panel->weights + (size_t)(q * weight_plane + c * channels) * bytes;
                tile.src = values + (size_t)(q * value_plane + runs.first[k] * b->icg + c) * bytes;
                tile.dst = dst;
                tile.residual = i ? dst : NULL;
                multiply_run(p->kernels, &tile, runs.tiles[k], next, pass);
            }
            pass += passes(p->kernels, runs.tiles[k]);
        }
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv_blocking *b = &p->blocking;
    const int64_t index = task / job->parts;
    const winograd_unit unit = fc_winograd_unit_at(job, index);
    char *strip = job->worker_at + (size_t)worker * job->worker_bytes;
    char *products = strip + job->strip_bytes, *pixels = products + job->products_bytes;
    char *values = values_of(job, index, worker);
    for (int64_t c = 0; c < b->icg && job->parts == 1; c += job->block)
        transform_block(job, &unit, c, strip, values);
    int64_t begin, end;
    fc_split(b->panels, job->parts, task % job->parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const fc_panel panel = fc_panel_at(p, job->args->packed, unit.group, i);
        multiply(job, &unit, &panel, values, products);
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
static fc_precision precision(const fc_conv2d_desc *d) {
    (void)d;
    return FC_PRECISION_DEFAULT;
}

enum { SECOND = 1 << 20, THIRD = 16 << 20 }; /* bytes of weights that a level of cache may hold */

/* What reading transformed weights costs where they do not fit the nearer caches, and for which sizes.
 * Machines without AVX-512 have the slower memory too: there 0.27 and 0.54 lie between what weights take
 * that an earlier call left in the third-level cache and what those of a network take, which come from
 * memory (512 -> 512, 7 x 7: F(4) 3.2 and 3.6 ms, F(2) 2.2 and 2.9; Zen 3, AVX2, 2026-11-30). */
static double streaming(const fc_conv_problem *p, double bytes) {
    const double slower = p->kernels->isa == FC_ISA_AVX512 ? 1 : 3;
    return slower * (bytes > THIRD ? 0.18 * bytes : bytes > SECOND ? 0.09 * bytes : 0);
}

/* What more the weights of F(6) cost, of which F(4) has half.
 * Where one register tile has room for all tiles, weights are gone through once, as they come; F(4) has tiles
 * enough to ask for the next ones meanwhile (14 x 14: weights near, F(6) is 1.05 times as fast; from memory
 * 0.93, on two threads 0.73). And where a layer's weights exceed any cache, a tenth of its time is not worth
 * twice the memory (512 -> 512, 28 x 28: 67 MB; VGG-16 by its layers as they are, then 0.95 GB). */
static double heavier(const fc_conv_problem *p, double bytes, int64_t tiles) {
    if (bytes > THIRD) return 3;
    return tiles <= p->kernels->tile_pixels ? 1.5 : 1;
}

/* Points that count in a direction: of `size` outputs, the tiles that are cut short have fewer. */
static double points_of_rest(int n, int m, int64_t size) {
    int count = 0;
    for (int i = 0; i < n; i++) count += size % m == 0 || fc_winograd_counts(i, n, m, size % m);
    return count;
}

static double cost_of_tiles(const fc_conv_problem *p, int64_t tiles) {
    return tiles ? fc_cost_conv_tiles(p, 1, tiles, p->desc.ic / p->desc.groups) : 0;
}

/* The products, block by block as fc_winograd_runs_of has them. */
static double cost_of_products(const fc_conv_problem *p, int m, int n) {
    const double i = points_of_rest(n, m, p->oh), j = points_of_rest(n, m, p->ow);
    const int64_t rows = p->oh / m, cols = p->ow / m, all_cols = fc_div_up(p->ow, m);
    const int64_t all = fc_div_up(p->oh, m) * all_cols, upper = rows * all_cols;
    const int64_t lower = (fc_div_up(p->oh, m) - rows) * cols; /* without the last column */
    const double apart = cost_of_tiles(p, rows * cols) + cost_of_tiles(p, lower);
    const double joined = cost_of_tiles(p, upper + lower);
    return i * j * cost_of_tiles(p, all) + (n - i) * j * cost_of_tiles(p, upper) +
           i * (n - j) * (apart < joined ? apart : joined) +
           (n - i) * (n - j) * cost_of_tiles(p, rows * cols);
}

static double dense_cost(const fc_conv_problem *p, int m) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vlen = p->kernels->vlen, n = m + d->kh - 1;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const int64_t tiles = fc_div_up(p->oh, m) * fc_div_up(p->ow, m);
    const int64_t step = d->src_stride[3] < d->src_stride[1] ? d->src_stride[3] : 1;
    const double in = (double)fc_div_up(icg, vlen), out = (double)fc_div_up(ocg, vlen);
    const double products = (double)(n * n), vectors = products * out * (double)icg;
    const double bytes = vectors * (double)(vlen * (int64_t)fc_dtype_bytes(d->dtype));
    const double stream = streaming(p, bytes) * (m == 6 ? heavier(p, bytes, tiles) : 1);
    /* weights stream past while products are made: one is hidden behind the other, but not wholly */
    const double made = cost_of_products(p, m, (int)n);
    const double multiplied = fmax(made, stream) + 0.25 * fmin(made, stream);
    const double weights =
        d->weights_prepared ? 0 : 4 * vectors + stream + fc_cost_pack_weights(p, d->kh * d->kw * icg);
    const double far = fc_cost_far_pixels(p, d->src_stride, d->ic, d->ih * d->iw) +
                       fc_cost_far_pixels(p, d->dst_stride, d->oc, p->oh * p->ow);
    return FC_COST_CALL + far +
           (double)d->groups *
               (fc_cost_pack_pixels(p, icg, tiles * m * m, step) + fc_cost_unpack_pixels(p) + multiplied +
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
    const winograd_job job = fc_winograd_cut(p, m, threads);
    return values_bytes(&job, threads) + job.worker_bytes * (size_t)threads;
}

static void dense_execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads,
                          int m) {
    winograd_job job = fc_winograd_cut(p, m, threads);
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

/* Of all phases: those of one size may read more or less of the source. */
static size_t scratch_bytes(const fc_conv_problem *p, int threads, int m) {
    if (!fc_conv_dilated(&p->desc)) return dense_scratch_bytes(p, threads, m);
    size_t most = 0;
    for (int64_t i = 0; i < fc_conv_phase_count(p); i++) {
        const fc_conv_phase phase = fc_conv_phase_at(p, i);
        const size_t bytes = dense_scratch_bytes(&phase.problem, threads, m);
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
        .precision = precision,                                                                 \
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
