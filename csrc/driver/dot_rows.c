#include "dot_rows.h"

#include "../base/cpu.h"

enum { OUTPUTS = 16 }; /* a multiple of the outputs that any tier folds together, and of panels */

typedef struct dot_job {
    const fc_dot_rows *rows;
    int64_t row_block, output_block, output_blocks; /* what a task takes; blocks of one group */
} dot_job;

static int64_t weight_bytes(const fc_dot_rows *d) {
    return d->bf16 ? (int64_t)sizeof(uint16_t) : (int64_t)fc_dtype_bytes(d->dtype);
}

/* How far ahead weights are asked for that come from memory, into the second-level cache: 9216 to 4096
 * features on one thread of a Zen 4 then read 27 GB/s, 22 if nothing is asked for, 19 if the nearest cache is
 * to have it, which can wait for few lines at a time. From a cache nothing is gained. */
static int64_t ahead(const fc_dot_rows *d) {
    enum { AHEAD_BYTES = 2048 };
    const int64_t all = d->groups * d->outputs * d->features * weight_bytes(d);
    const bool far = all > (int64_t)fc_cpu_caches()->l3 / 4;
    return far ? (d->bf16 ? 2 : 1) * AHEAD_BYTES / (int64_t)fc_dtype_bytes(d->dtype) : 0;
}

/* Sets the blocks; returns the tasks. */
static int64_t cut(dot_job *job, int threads) {
    const fc_dot_rows *d = job->rows;
    const int64_t tile = FC_DOT_ROWS(d->kernels->tile_pixels);
    const int64_t depth = fc_min64(d->features, FC_DOT_PIECE);
    const int64_t piece_bytes = depth * weight_bytes(d);
    const int64_t folds = fc_div_up(d->outputs, OUTPUTS);
    int64_t output_blocks = 1, row_blocks = 1;
    if (d->rows > tile)
        output_blocks = fc_div_up(d->outputs * piece_bytes, (int64_t)fc_cpu_caches()->l2 / 2);
    if (threads > 1) {
        const int64_t wanted = fc_div_up(8 * threads, d->groups); /* tasks of a group */
        output_blocks = fc_max64(output_blocks, wanted);
        if (folds < wanted) row_blocks = fc_div_up(wanted, folds);
    }
    job->row_block = fc_round_up(fc_div_up(d->rows, row_blocks), tile);
    job->output_block = OUTPUTS * fc_div_up(folds, fc_min64(output_blocks, folds));
    job->output_blocks = fc_div_up(d->outputs, job->output_block);
    return fc_div_up(d->rows, job->row_block) * d->groups * job->output_blocks;
}

static void run_task(void *context, int64_t index, int worker) {
    (void)worker;
    const dot_job *job = context;
    const fc_dot_rows *d = job->rows;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), all = d->groups * d->outputs;
    const int64_t group = index / job->output_blocks % d->groups;
    const int64_t row = index / job->output_blocks / d->groups * job->row_block;
    const int64_t first = index % job->output_blocks * job->output_block; /* output of the group */
    const int64_t output = group * d->outputs + first;
    const int64_t rows = fc_min64(job->row_block, d->rows - row);
    const int64_t tiles = fc_div_up(rows, FC_DOT_ROWS(d->kernels->tile_pixels));
    /* A tile alone needs no pieces: the kernel goes through them group by group. */
    const int64_t piece = tiles == 1 ? d->features : FC_DOT_PIECE;
    const int64_t across = d->bf16 ? FC_BF16_PANEL : 1; /* outputs that share a run of features */
    fc_dot_tile_args tile = {
        .outputs = fc_min64(job->output_block, d->outputs - first),
        .src_row = d->src_row,
        .weights_row = d->bf16 ? fc_round_up(d->features, FC_BF16_RUN) : d->features,
        .dst_row = d->dst_row,
        .residual_row = all,
        .bf16 = d->bf16,
    };
    for (int64_t k = 0; k < d->features; k += piece) {
        tile.depth = fc_min64(piece, d->features - k);
        tile.accumulate = k > 0;
        tile.weights =
            (const char *)d->weights + (output * tile.weights_row + k * across) * weight_bytes(d);
        const bool last = k + tile.depth == d->features; /* it finishes */
        if (last) {
            tile.activation = d->activation;
            if (d->bias) tile.bias = (const char *)d->bias + output * bytes;
        }
        for (int64_t i = 0; i < tiles; i++) { /* of balanced heights */
            const int64_t begin = row + rows * i / tiles, end = row + rows * (i + 1) / tiles;
            tile.rows = (int)(end - begin);
            tile.ahead = i == 0 ? ahead(d) : 0; /* the others find them near */
            tile.src = (const char *)d->src + (begin * d->src_row + group * d->features + k) * bytes;
            tile.dst = (char *)d->dst + (begin * d->dst_row + output) * bytes;
            if (last && d->residual)
                tile.residual = (const char *)d->residual + (begin * all + output) * bytes;
            d->kernels->dot_tile(&tile);
        }
    }
}

void fc_dot_rows_execute(const fc_dot_rows *rows, int threads) {
    dot_job job = {.rows = rows};
    fc_parallel_tasks(threads, rows->dtype, cut(&job, threads), run_task, &job);
}
