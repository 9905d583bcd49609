/* linear.c: dst = act(src x weights^T + bias), in one of two ways. The weights' shape alone decides, so
 * that a row gives the same bits in every batch.
 *
 * Deep layers: rows of src against rows of weights by dot_tile, both read where they lie. One row or
 * a few take each weight once, at the speed of memory. With many rows a block of outputs, whose piece
 * of the depth stays in the second-level cache, passes by every tile of rows, whose piece stays in the
 * first-level one:
 *
 *      for each block of outputs, each piece of the depth, each tile of rows: dot_tile
 *
 * Shallow layers: the folding behind each dot product would outweigh it. There a row is a pixel whose
 * channels are the features, against weight panels by the register tile of convolution. Without packed
 * weights a thread packs a panel, uses it for every row and packs the next over it.
 *
 * Threads share out outputs, and rows where outputs are too few. */
#include "../base/cpu.h"
#include "driver.h"
#include "conv_blocked.h"

enum {
    /* Features. With 96, one row is five times as fast by dot products as by packing panels for it, and
     * 512 rows take 1.6 times as long; with fewer the loss outgrows the gain. */
    DOTS_FROM = 96,
    DOT_OUTPUTS = 16, /* a multiple of the outputs that any tier folds together */
};

void fc_linear_prepare(fc_linear_problem *p) {
    p->dots = p->desc.in_features >= DOTS_FROM;
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, p->desc.in_features,
                    p->desc.out_features, 1, 1);
}

size_t fc_linear_packed_bytes(const fc_linear_problem *p) {
    return p->dots ? 0 : (size_t)(p->blocking.panels * p->blocking.panel_bytes);
}

/* Packs panel `index`, unless `weights` is NULL; returns its vectors, sets its real lanes. */
static int pack_panel(const fc_linear_problem *p, const void *weights, int64_t index, void *dst,
                      int *lanes) {
    const fc_conv_blocking *b = &p->blocking;
    const int64_t first = index * b->panel;
    *lanes = (int)fc_min64(b->panel, b->ocg - first);
    const int vectors = *lanes > p->kernels->vlen ? 2 : 1;
    if (weights) {
        const fc_pack_weights_args pack = {
            .src = (const char *)weights + (size_t)(first * b->icg) * fc_dtype_bytes(p->desc.dtype),
            .dst = dst,
            .row = b->icg,
            .channel = 1,
            .ic = b->icg,
            .kh = 1,
            .kw = 1,
            .block = 1,
            .panels = vectors,
            .lanes = *lanes,
        };
        p->kernels->pack_weights(&pack);
    }
    return vectors;
}

typedef struct pack_job {
    const fc_linear_problem *problem;
    const void *weights;
    char *packed;
} pack_job;

static void pack_task(void *context, int64_t index, int worker) {
    (void)worker;
    const pack_job *job = context;
    int lanes;
    pack_panel(job->problem, job->weights, index,
               job->packed + (size_t)(index * job->problem->blocking.panel_bytes), &lanes);
}

void fc_linear_pack(const fc_linear_problem *p, const void *weights, void *packed, int threads) {
    pack_job job = {p, weights, packed};
    fc_parallel_tasks(fc_threads_for_bytes(threads, (double)fc_linear_packed_bytes(p)),
                      p->desc.dtype, p->blocking.panels, pack_task, &job);
}

size_t fc_linear_scratch_bytes(const fc_linear_problem *p, int threads, bool packed) {
    return packed || p->dots ? 0 : (size_t)threads * (size_t)p->blocking.panel_bytes;
}

typedef struct linear_job {
    const fc_linear_problem *problem;
    const fc_args *args;
    char *scratch;
    int64_t row_block, output_block, output_blocks; /* of dots: what a task takes */
} linear_job;

static void panel_task(void *context, int64_t index, int worker) {
    const linear_job *job = context;
    const fc_linear_problem *p = job->problem;
    const fc_linear_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const size_t first = (size_t)(index * b->panel) * fc_dtype_bytes(d->dtype);
    const size_t panel_bytes = (size_t)b->panel_bytes;
    const char *packed = job->args->packed;
    char *panel = job->scratch + (size_t)worker * panel_bytes;
    int lanes;
    const int vectors = pack_panel(p, packed ? NULL : job->args->weights, index, panel, &lanes);
    const fc_conv_tile_args tile = {
        .src = job->args->src,
        .weights = packed ? packed + (size_t)index * panel_bytes : panel,
        .dst = (char *)job->args->dst + first,
        .src_pixel = d->src_row_stride,
        .dst_pixel = d->out_features,
        .count = {1, 1, 1},
        .run = b->icg,
        .panels = vectors,
        .lanes = lanes,
        .activation = d->activation,
        .bias = d->has_bias ? (const char *)job->args->bias + first : NULL,
    };
    fc_tile_map(p->kernels, tile, 1, d->rows);
}

/* Sets `row_block` and `output_block`; returns the tasks. */
static int64_t cut_dots(linear_job *job, int threads) {
    const fc_linear_problem *p = job->problem;
    const fc_linear_desc *d = &p->desc;
    const int64_t tile = FC_DOT_ROWS(p->kernels->tile_pixels);
    const int64_t depth = fc_min64(d->in_features, FC_DOT_PIECE);
    const int64_t piece_bytes = depth * (int64_t)fc_dtype_bytes(d->dtype);
    const int64_t groups = fc_div_up(d->out_features, DOT_OUTPUTS);
    int64_t output_blocks = 1, row_blocks = 1;
    if (d->rows > tile)
        output_blocks = fc_div_up(d->out_features * piece_bytes, (int64_t)fc_cpu_caches()->l2 / 2);
    if (threads > 1) {
        const int64_t wanted = 8 * threads; /* tasks */
        output_blocks = fc_max64(output_blocks, wanted);
        if (groups < wanted) row_blocks = fc_div_up(wanted, groups);
    }
    job->row_block = fc_round_up(fc_div_up(d->rows, row_blocks), tile);
    job->output_block = DOT_OUTPUTS * fc_div_up(groups, fc_min64(output_blocks, groups));
    job->output_blocks = fc_div_up(d->out_features, job->output_block);
    return fc_div_up(d->rows, job->row_block) * job->output_blocks;
}

static void dot_task(void *context, int64_t index, int worker) {
    (void)worker;
    const linear_job *job = context;
    const fc_linear_problem *p = job->problem;
    const fc_linear_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype);
    const int64_t row = index / job->output_blocks * job->row_block;
    const int64_t output = index % job->output_blocks * job->output_block;
    const int64_t rows = fc_min64(job->row_block, d->rows - row);
    const int64_t tiles = fc_div_up(rows, FC_DOT_ROWS(p->kernels->tile_pixels));
    /* A tile alone needs no pieces: the kernel goes through them group by group. */
    const int64_t piece = tiles == 1 ? d->in_features : FC_DOT_PIECE;
    fc_dot_tile_args tile = {
        .outputs = fc_min64(job->output_block, d->out_features - output),
        .src_row = d->src_row_stride,
        .weights_row = d->in_features,
        .dst_row = d->out_features,
    };
    for (int64_t k = 0; k < d->in_features; k += piece) {
        tile.depth = fc_min64(piece, d->in_features - k);
        tile.accumulate = k > 0;
        tile.weights = (const char *)job->args->weights + (output * d->in_features + k) * bytes;
        if (k + tile.depth == d->in_features) { /* the last piece finishes */
            tile.activation = d->activation;
            if (d->has_bias) tile.bias = (const char *)job->args->bias + output * bytes;
        }
        for (int64_t i = 0; i < tiles; i++) { /* of balanced heights */
            const int64_t first = row + rows * i / tiles, end = row + rows * (i + 1) / tiles;
            tile.rows = (int)(end - first);
            tile.src = (const char *)job->args->src + (first * d->src_row_stride + k) * bytes;
            tile.dst = (char *)job->args->dst + (first * d->out_features + output) * bytes;
            p->kernels->dot_tile(&tile);
        }
    }
}

void fc_linear_execute(const fc_linear_problem *p, const fc_args *args, void *scratch,
                       int threads) {
    linear_job job = {.problem = p, .args = args, .scratch = scratch};
    if (p->dots)
        fc_parallel_tasks(threads, p->desc.dtype, cut_dots(&job, threads), dot_task, &job);
    else
        fc_parallel_tasks(threads, p->desc.dtype, p->blocking.panels, panel_task, &job);
}
