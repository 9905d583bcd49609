/* linear.c: dst = act(src x weights^T + bias), rows of src against weight panels by the register
 * tile; a row is a pixel whose channels are the features.
 *
 * Threads share out weight panels: weights outweigh everything else, so each is read by one thread
 * and once. Without packed weights a thread packs a piece of its panel, uses it for every row and
 * packs the next over it; the depth is cut into pieces at fixed places and sums continue from one
 * to the next, so packed or not, one row or many, the order of every sum is the same. */
#include "driver.h"
#include "conv_blocked.h"

enum { DEPTH_PIECE = 2048 }; /* features: a piece of a panel stays in the second-level cache */

typedef struct linear_job {
    const fc_linear_problem *problem;
    const fc_args *args;
    char *scratch;
    size_t piece_bytes;
} linear_job;

void fc_linear_prepare(fc_linear_problem *p) {
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, p->desc.in_features,
                    p->desc.out_features, 1, 1);
}

size_t fc_linear_packed_bytes(const fc_linear_problem *p) {
    return (size_t)(p->blocking.panels * p->blocking.panel_bytes);
}

/* Packs features [k, k + depth) of panel `index`; returns its vectors, sets its real lanes. */
static int pack_piece(const fc_linear_problem *p, const void *weights, int64_t index, int64_t k,
                      int64_t depth, void *dst, int *lanes) {
    const fc_conv_blocking *b = &p->blocking;
    int64_t first = index * b->panel;
    *lanes = (int)fc_min64(b->panel, b->ocg - first);
    int vectors = *lanes > p->kernels->vlen ? 2 : 1;
    if (weights) {
        fc_pack_weights_args pack = {
            .src = (const char *)weights +
                   (size_t)(first * b->icg + k) * fc_dtype_bytes(p->desc.dtype),
            .dst = dst,
            .row = b->icg,
            .channel = 1,
            .ic = depth,
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
    pack_piece(job->problem, job->weights, index, 0, job->problem->blocking.icg,
               job->packed + (size_t)(index * job->problem->blocking.panel_bytes), &lanes);
}

void fc_linear_pack(const fc_linear_problem *p, const void *weights, void *packed, int threads) {
    pack_job job = {p, weights, packed};
    fc_parallel_tasks(fc_threads_for_bytes(threads, (double)fc_linear_packed_bytes(p)),
                      p->desc.dtype, p->blocking.panels, pack_task, &job);
}

size_t fc_linear_scratch_bytes(const fc_linear_problem *p, int threads, bool packed) {
    if (packed) return 0;
    return (size_t)threads *
           (size_t)(fc_min64(DEPTH_PIECE, p->blocking.icg) * p->blocking.panel *
                    (int64_t)fc_dtype_bytes(p->desc.dtype));
}

static void run_task(void *context, int64_t index, int worker) {
    const linear_job *job = context;
    const fc_linear_problem *p = job->problem;
    const fc_linear_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const size_t bytes = fc_dtype_bytes(d->dtype);
    const char *src = job->args->src, *bias = job->args->bias;
    char *dst = (char *)job->args->dst + (size_t)(index * b->panel) * bytes;

    for (int64_t k = 0; k < b->icg; k += DEPTH_PIECE) {
        const int64_t depth = fc_min64(DEPTH_PIECE, b->icg - k);
        char *piece = job->scratch + (size_t)worker * job->piece_bytes;
        int lanes;
        int vectors = pack_piece(p, job->args->packed ? NULL : job->args->weights, index, k, depth,
                                 piece, &lanes);
        if (job->args->packed)
            piece = (char *)job->args->packed +
                    (size_t)(index * b->panel_bytes) +
                    (size_t)(k * vectors * p->kernels->vlen) * bytes;
        fc_conv_tile_args tile = {
            .src = src + (size_t)k * bytes,
            .weights = piece,
            .dst = dst,
            .src_pixel = d->src_row_stride,
            .dst_pixel = d->out_features,
            .count = {1, 1, 1},
            .run = depth,
            .panels = vectors,
            .lanes = lanes,
            .accumulate = k > 0,
        };
        if (k + depth == b->icg) { /* the last piece finishes */
            tile.activation = d->activation;
            tile.bias = d->has_bias ? bias + (size_t)(index * b->panel) * bytes : NULL;
        }
        fc_tile_map(p->kernels, tile, 1, d->rows);
    }
}

void fc_linear_execute(const fc_linear_problem *p, const fc_args *args, void *scratch,
                       int threads) {
    linear_job job = {
        .problem = p,
        .args = args,
        .scratch = scratch,
        .piece_bytes = fc_linear_scratch_bytes(p, 1, false),
    };
    fc_parallel_tasks(threads, p->desc.dtype, p->blocking.panels, run_task, &job);
}
