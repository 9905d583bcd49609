/* conv_direct.c: direct convolution of any stride, dilation, padding and group count.
 *
 *   plain NCHW src --pack--> strip [block][row][col][channels of block]   bordered
 *   strip x weight panel --conv_tile--> tiles [pixel][output channels]    first-level cache
 *   tiles --unpack, bias, residual, activation--> plain NCHW dst          channels last: tiles lie in dst
 *
 * A unit is a strip of output rows of one group of one image. The strip carries the border (zeros, or
 * what padding mode says), so the tile kernel knows no edges; it is about half of the second-level
 * cache. The tiles of one panel stay within a few rows so that they are still in the first level when
 * they are unpacked. The order of each sum is that of the tile kernel, (block, kh, kw, channel),
 * whatever the cuts: results do not depend on them.
 *
 * Products with a border of zeros are left out: an output row has the kernel rows that meet the image,
 * and columns are cut where the kernel columns that meet it change, if that pays (tap_spans.h).
 *
 * Threads take units. Where there are fewer than threads, or the weights outweigh the images, a unit's
 * weight panels are dealt out too, so that each thread reads its own alone; the strips, which all of
 * them read, are then converted first, by all threads together. */
#include "../base/cpu.h"
#include "conv_blocked.h"
#include "cost.h"
#include "cut.h"
#include "strip_row.h"
#include "tap_spans.h"

typedef struct direct_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *strips_at;          /* a strip for each unit when they are shared, else for each worker */
    char *tiles_at;           /* of each worker */
    size_t strip_bytes, tile_bytes;
    int64_t strips;           /* of an image */
    int64_t units, parts;     /* parts: pieces that a unit's weight panels are dealt into */
    int64_t chunk_rows;       /* output rows whose tiles are unpacked together */
    int64_t pieces;           /* of the channel blocks: each piece's weights stay in the second level */
    bool straight;            /* tiles are finished where dst wants them */
    fc_tap_spans spans;
} direct_job;

/* One unit: output rows [y0, y0 + rows). */
typedef struct direct_unit {
    int64_t n, group, y0, rows, src_rows;
} direct_unit;

static int64_t strip_cols(const fc_conv_problem *p) {
    return (p->ow - 1) * p->desc.stride_w + (p->desc.kw - 1) * p->desc.dilation_w + 1;
}

static int64_t strip_src_rows(const fc_conv_problem *p, int64_t rows) {
    return (rows - 1) * p->desc.stride_h + (p->desc.kh - 1) * p->desc.dilation_h + 1;
}

static size_t strip_size(const fc_conv_problem *p, int64_t rows) {
    const fc_conv_blocking *b = &p->blocking;
    return (size_t)fc_round_up(strip_src_rows(p, rows) * strip_cols(p) * b->blocks * b->block *
                                   (int64_t)fc_dtype_bytes(p->desc.dtype),
                               FC_CACHE_LINE);
}

/* How one call is cut. A function of the shape, the caches and the thread count alone. */
static direct_job cut(const fc_conv_problem *p, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const size_t budget = fc_cpu_caches()->l2 / 2;
    int64_t low = 1, high = p->oh; /* the most rows whose strip fits the budget, at least one */
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (strip_size(p, middle) <= budget)
            low = middle;
        else
            high = middle - 1;
    }
    /* Of a row of output: products; of what the next strip converts again: some 20 vector operations
     * for each vector of the strip. */
    const int64_t taps = d->kh * d->kw, vlen = p->kernels->vlen;
    const fc_strip_cost cost = {
        .row = (double)(p->ow * b->blocks * b->block * taps) * (double)(2 * b->panels),
        .fixed = 20.0 * (double)(strip_cols(p) * b->blocks * b->block / vlen) *
                 (double)fc_max64(0, strip_src_rows(p, 1) - d->stride_h),
    };
    direct_job job = {.problem = p, .parts = 1, .strips = fc_div_up(p->oh, low)};
    const int64_t maps = d->n * d->groups;
    if (b->panels * b->panel_bytes > (int64_t)strip_size(p, p->oh))
        job.parts = fc_cut_parts(maps * job.strips, b->panels, threads);
    job.strips = fc_cut_strips(maps * job.parts, p->oh, low, threads, cost);
    if (job.parts == 1 && maps * job.strips < threads)
        job.parts = fc_cut_parts(maps * job.strips, b->panels, threads);
    job.units = maps * job.strips;
    const int64_t rows = fc_div_up(p->oh, job.strips);
    const int64_t row_bytes = p->ow * b->panel * (int64_t)fc_dtype_bytes(d->dtype);
    job.strip_bytes = strip_size(p, rows);
    job.pieces = fc_min64(b->blocks, fc_div_up(b->panel_bytes, (int64_t)fc_cpu_caches()->l2 / 4));
    /* Only what registers finish of every panel: to load again what was stored far away waits for memory, and
     * of a last panel's lanes a residual is not added before. */
    job.straight = fc_conv_tiles_fit_dst(p) && !d->has_residual && d->activation <= FC_ACT_RELU6;
    job.chunk_rows = fc_max64(1, fc_min64(rows, 16384 / row_bytes));
    job.tile_bytes = (size_t)fc_round_up(job.chunk_rows * row_bytes, FC_CACHE_LINE);
    return job;
}

static direct_unit unit_at(const direct_job *job, int64_t index) {
    const fc_conv_problem *p = job->problem;
    const int64_t map = index / job->strips;
    direct_unit unit = {.n = map / p->desc.groups, .group = map % p->desc.groups};
    int64_t end;
    fc_split(p->oh, job->strips, index % job->strips, &unit.y0, &end);
    unit.rows = end - unit.y0;
    unit.src_rows = strip_src_rows(p, unit.rows);
    return unit;
}

/* One block of channels of a unit's rows of the padded source. */
static void pack_block(const direct_job *job, const direct_unit *unit, int64_t block, char *strip) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const size_t pixel = (size_t)b->block * fc_dtype_bytes(d->dtype);
    const int64_t cols = strip_cols(p), first = unit->y0 * d->stride_h, c = block * b->block;
    fc_strip_row row = {
        .image = unit->n,
        .channel = unit->group * b->icg + c,
        .channels = fc_min64(b->block, b->icg - c),
        .block = b->block,
        .cols = cols,
    };
    strip += (size_t)(block * unit->src_rows * cols) * pixel;
    for (int64_t r = 0; r < unit->src_rows; r++, strip += (size_t)cols * pixel) {
        if (!fc_phase_is_read(r % d->stride_h, 0, d->kh, d->dilation_h, d->stride_h)) continue;
        row.y = first + r;
        fc_strip_row_pack(p, job->args->src, row, strip);
    }
}

static void pack_shared(void *context, int64_t task, int worker) {
    (void)worker;
    const direct_job *job = context;
    const int64_t blocks = job->problem->blocking.blocks;
    const direct_unit unit = unit_at(job, task / blocks);
    pack_block(job, &unit, task % blocks, job->strips_at + (size_t)(task / blocks) * job->strip_bytes);
}

/* Output rows [rows.from, rows.to) of the map, columns `cols`, a piece of the channel blocks: `tile` has
 * what does not depend on them; its src and weights begin the unit's strip row `y` and the piece. */
static void run_span(const direct_job *job, fc_conv_tile_args tile, fc_tap_span rows, fc_tap_span cols,
                     int64_t y) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t block = p->blocking.block, n = tile.panels * p->kernels->vlen;
    const size_t bytes = fc_dtype_bytes(d->dtype);
    const int64_t high = rows.last - rows.first, wide = cols.last - cols.first;
    tile.src = (const char *)tile.src +
               (size_t)(y * tile.src_row + rows.first * tile.step[1] + cols.from * tile.src_pixel +
                        cols.first * d->dilation_w * block) *
                   bytes;
    tile.weights = (const char *)tile.weights +
                   (size_t)((rows.first * d->kw + cols.first) * block * n) * bytes;
    tile.dst = (char *)tile.dst + (y * tile.dst_row + cols.from * tile.dst_pixel) * (ptrdiff_t)bytes;
    tile.count[1] = wide > 0 ? high : 0;
    tile.skip[1] = (d->kw - wide) * block * n;
    tile.skip[0] = (d->kh - tile.count[1]) * d->kw * block * n;
    if (d->dilation_w == 1) { /* kernel columns and channels are one contiguous run */
        tile.count[2] = 1;
        tile.run = wide * block;
    } else {
        tile.count[2] = wide;
        tile.run = block;
    }
    /* The weights that follow are asked for by the last two rows, a vector of the two each. */
    const ptrdiff_t ahead = tile.ahead;
    const int64_t count = rows.to - rows.from, vlen = p->kernels->vlen;
    const int64_t height = 2 * (cols.to - cols.from) <= p->kernels->tile_pixels ? 2 : 1;
    const int64_t quiet = ahead ? fc_max64(0, fc_div_up(count, height) - 2) * height : count;
    tile.ahead = 0;
    if (quiet) fc_tile_map(p->kernels, tile, quiet, cols.to - cols.from);
    for (int64_t r = quiet; r < count; r += height) {
        fc_conv_tile_args last = tile;
        last.src = (const char *)tile.src + (size_t)(r * tile.src_row) * bytes;
        last.dst = (char *)tile.dst + r * tile.dst_row * (ptrdiff_t)bytes;
        last.ahead = ahead + (r > quiet ? (tile.panels - 1) * vlen : 0);
        fc_tile_map(p->kernels, last, fc_min64(height, count - r), cols.to - cols.from);
    }
}

/* The tiles of one panel and `chunk` output rows from row y of the unit. `next`: the panel behind this
 * one is wanted after it. */
static void run_chunk(const direct_job *job, const direct_unit *unit, const fc_panel *panel,
                      const char *strip, int64_t y, int64_t chunk, bool next, char *tiles) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const size_t bytes = fc_dtype_bytes(d->dtype);
    const int64_t cols = strip_cols(p), columns = panel->vectors * p->kernels->vlen;
    const int64_t block_weights = d->kh * d->kw * b->block * columns;
    fc_conv_tile_args tile = {
        .dst = tiles,
        .src_pixel = d->stride_w * b->block,
        .src_row = d->stride_h * cols * b->block,
        .step = {unit->src_rows * cols * b->block, d->dilation_h * cols * b->block,
                 d->dilation_w * b->block},
        .panels = panel->vectors,
        .lanes = (int)columns,
        .dst_pixel = columns,
        .dst_row = p->ow * columns,
    };
    if (job->straight) {
        const int64_t at = unit->n * d->dst_stride[0] + panel->oc + (unit->y0 + y) * d->dst_stride[2];
        tile.lanes = panel->lanes;
        tile.dst_pixel = d->dst_stride[3];
        tile.dst_row = d->dst_stride[2];
        tile.dst = (char *)job->args->dst + at * (ptrdiff_t)bytes;
    }
    const char *from = strip + (size_t)(y * tile.src_row) * bytes;
    for (int64_t piece = 0; piece < job->pieces; piece++) {
        int64_t first, last;
        fc_split(b->blocks, job->pieces, piece, &first, &last);
        tile.count[0] = last - first;
        tile.accumulate = piece > 0;
        if (job->straight && last == b->blocks) {
            tile.activation = d->activation;
            if (d->has_bias) tile.bias = (const char *)job->args->bias + (size_t)panel->oc * bytes;
        }
        tile.src = from + (size_t)(first * tile.step[0]) * bytes;
        tile.weights = (const char *)panel->weights + (size_t)(first * block_weights) * bytes;
        for (int64_t i = 0; i < job->spans.row_count; i++) {
            const fc_tap_span rows = job->spans.rows[i];
            const bool whole = rows.last - rows.first == d->kh;
            fc_tap_span part = rows; /* within the chunk */
            part.from = fc_max64(rows.from, unit->y0 + y);
            part.to = fc_min64(rows.to, unit->y0 + y + chunk);
            if (part.from >= part.to) continue;
            for (int64_t j = 0; j < job->spans.col_count; j++) {
                const fc_tap_span at = job->spans.cols[j];
                const bool asks = whole && at.last - at.first == d->kw;
                tile.ahead = asks && (next || last < b->blocks) ? (last - first) * block_weights : 0;
                run_span(job, tile, part, at, part.from - unit->y0 - y);
            }
        }
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const direct_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv_blocking *b = &p->blocking;
    const int64_t index = task / job->parts;
    const direct_unit unit = unit_at(job, index);
    char *strip = job->strips_at + (size_t)(job->parts > 1 ? index : worker) * job->strip_bytes;
    char *tiles = job->tiles_at + (size_t)worker * job->tile_bytes;
    for (int64_t i = 0; i < b->blocks && job->parts == 1; i++) pack_block(job, &unit, i, strip);

    int64_t begin, end;
    fc_split(b->panels, job->parts, task % job->parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        fc_panel panel = fc_panel_at(p, job->args->packed, unit.group, i);
        for (int64_t y = 0; y < unit.rows; y += job->chunk_rows) {
            const int64_t chunk = fc_min64(job->chunk_rows, unit.rows - y);
            const bool next = i + 1 < end && y + chunk == unit.rows;
            run_chunk(job, &unit, &panel, strip, y, chunk, next, tiles);
            if (!job->straight)
                fc_store_pixels(p, job->args, &panel, tiles, (unit.n * p->oh + unit.y0 + y) * p->ow,
                                chunk * p->ow);
        }
    }
}

static const char *refuse(const fc_conv2d_desc *d) {
    (void)d;
    return NULL;
}

static double cost(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t icg = d->ic / d->groups, block = fc_strip_block(icg), blocks = fc_div_up(icg, block);
    const int64_t depth = blocks * block * d->kh * d->kw;
    const double rows = (double)(strip_src_rows(p, p->oh) * blocks);
    const int64_t cols = fc_min64(strip_cols(p), d->iw);
    return FC_COST_CALL + fc_cost_far_pixels(p, d->dst_stride, d->oc, p->oh * p->ow) +
           (double)d->groups *
               (rows * (FC_COST_STRIP_ROW + fc_cost_pack_pixels(p, block, cols, 1)) +
                fc_tap_spans_share(p) * fc_cost_conv_tiles(p, p->oh, p->ow, depth) + fc_cost_unpack_pixels(p) +
                fc_cost_pack_weights(p, depth));
}

static void prepare(fc_conv_problem *p) {
    int64_t icg = p->desc.ic / p->desc.groups, ocg = p->desc.oc / p->desc.groups;
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, icg, ocg, fc_strip_block(icg),
                    p->desc.kh * p->desc.kw);
}

static size_t strips_bytes(const direct_job *job, int threads) {
    return job->strip_bytes * (size_t)(job->parts > 1 ? job->units : threads);
}

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    const direct_job job = cut(p, threads);
    return strips_bytes(&job, threads) + job.tile_bytes * (size_t)threads + fc_tap_spans_bytes(p);
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    direct_job job = cut(p, threads);
    job.args = args;
    job.spans = fc_tap_spans_set(p, scratch);
    job.strips_at = (char *)scratch + fc_tap_spans_bytes(p);
    job.tiles_at = job.strips_at + strips_bytes(&job, threads);
    if (job.parts > 1)
        fc_parallel_tasks(threads, p->desc.dtype, job.units * p->blocking.blocks, pack_shared, &job);
    fc_parallel_tasks(threads, p->desc.dtype, job.units * job.parts, run_task, &job);
}

const fc_conv_driver fc_conv_direct = {
    .algorithm = FC_ALGO_DIRECT,
    .why = "dense window: strips of rows against register tiles",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_conv_packed_bytes,
    .pack = fc_conv_pack,
    .packing = fc_conv_packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
