/* linear.c: dst = act(src x weights^T + bias), in one of two ways. The weights' shape alone decides, so
 * that a row gives the same bits in every batch.
 *
 * Deep layers: rows of src against rows of weights, both read where they lie (dot_rows.h). Weights of
 * bfloat16, of which half the bytes come from memory, do so at any depth.
 *
 * Shallow layers: the folding behind each dot product would outweigh it. There a row is a pixel whose
 * channels are the features, against weight panels by the register tile of convolution. Without packed
 * weights a thread packs a panel, uses it for every row and packs the next over it. Threads share out
 * the panels. */
#include "conv_blocked.h"
#include "dot_rows.h"

#include <string.h>

enum {
    /* Features. With 96, one row is five times as fast by dot products as by packing panels for it, and
     * 512 rows take 1.6 times as long; with fewer the loss outgrows the gain. */
    DOTS_FROM = 96,
};

void fc_linear_prepare(fc_linear_problem *p) {
    p->dots = p->desc.weights_bf16 || p->desc.in_features >= DOTS_FROM;
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, p->desc.in_features,
                    p->desc.out_features, 1, 1);
}

static int64_t bf16_panels(const fc_linear_problem *p) {
    return fc_div_up(p->desc.out_features, FC_BF16_PANEL);
}

static int64_t bf16_panel_words(const fc_linear_problem *p) {
    return FC_BF16_PANEL * fc_round_up(p->desc.in_features, FC_BF16_RUN) / 2;
}

size_t fc_linear_packed_bytes(const fc_linear_problem *p) {
    if (p->desc.weights_bf16)
        return (size_t)(bf16_panels(p) * bf16_panel_words(p)) * sizeof(uint32_t);
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

/* To nearest, ties to even. A NaN is made a quiet one, or what is left of it might be an infinity. */
static uint32_t bf16_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static void pack_bf16_task(void *context, int64_t index, int worker) {
    (void)worker;
    enum { WORDS = FC_BF16_RUN / 2 };
    const pack_job *job = context;
    const fc_linear_desc *d = &job->problem->desc;
    const int64_t words = bf16_panel_words(job->problem), first = index * FC_BF16_PANEL;
    uint32_t *panel = (uint32_t *)(void *)job->packed + index * words;
    memset(panel, 0, (size_t)words * sizeof *panel);
    for (int64_t o = 0; o < fc_min64(FC_BF16_PANEL, d->out_features - first); o++) {
        const float *row = (const float *)job->weights + (first + o) * d->in_features;
        for (int64_t k = 0; k < d->in_features; k++)
            panel[(k / FC_BF16_RUN * FC_BF16_PANEL + o) * WORDS + k % WORDS] |=
                bf16_of(row[k]) << (k & WORDS ? 16 : 0);
    }
}

void fc_linear_pack(const fc_linear_problem *p, const void *weights, void *packed, int threads) {
    pack_job job = {p, weights, packed};
    const bool bf16 = p->desc.weights_bf16;
    fc_parallel_tasks(fc_threads_for_bytes(threads, (double)fc_linear_packed_bytes(p)), p->desc.dtype,
                      bf16 ? bf16_panels(p) : p->blocking.panels,
                      bf16 ? pack_bf16_task : pack_task, &job);
}

size_t fc_linear_scratch_bytes(const fc_linear_problem *p, int threads, bool packed) {
    return packed || p->dots ? 0 : (size_t)threads * (size_t)p->blocking.panel_bytes;
}

typedef struct panels_job {
    const fc_linear_problem *problem;
    const fc_args *args;
    char *scratch;
} panels_job;

static void panel_task(void *context, int64_t index, int worker) {
    const panels_job *job = context;
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

void fc_linear_execute(const fc_linear_problem *p, const fc_args *args, void *scratch,
                       int threads) {
    const fc_linear_desc *d = &p->desc;
    if (p->dots) {
        const fc_dot_rows rows = {
            .kernels = p->kernels,
            .dtype = (fc_dtype)d->dtype,
            .activation = d->activation,
            .rows = d->rows,
            .groups = 1,
            .features = d->in_features,
            .outputs = d->out_features,
            .src_row = d->src_row_stride,
            .dst_row = d->out_features,
            .src = args->src,
            .bf16 = d->weights_bf16,
            .weights = d->weights_bf16 ? args->packed : args->weights,
            .bias = d->has_bias ? args->bias : NULL,
            .dst = args->dst,
        };
        fc_dot_rows_execute(&rows, threads);
        return;
    }
    panels_job job = {.problem = p, .args = args, .scratch = scratch};
    fc_parallel_tasks(threads, d->dtype, p->blocking.panels, panel_task, &job);
}
