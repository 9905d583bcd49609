#include "tile_weights.h"

int64_t fc_tile_count(const fc_conv_problem *problem) {
    return fc_div_up(problem->desc.oc / problem->desc.groups, problem->kernels->tile_pixels);
}

int64_t fc_tile_rows(const fc_conv_problem *problem) {
    return fc_div_up(problem->desc.oc / problem->desc.groups, fc_tile_count(problem));
}

int64_t fc_tile_lanes(const fc_conv_problem *problem) {
    return fc_round_up(fc_tile_rows(problem), problem->kernels->vlen);
}

static int64_t tile_bytes(const fc_conv_problem *problem) {
    const fc_conv2d_desc *d = &problem->desc;
    return d->ic / d->groups * fc_tile_lanes(problem) * (int64_t)fc_dtype_bytes(d->dtype);
}

size_t fc_tile_weights_bytes(const fc_conv_problem *problem) {
    if (!problem->desc.weights_prepared) return 0;
    return (size_t)(problem->desc.groups * fc_tile_count(problem) * tile_bytes(problem));
}

typedef struct pack_job {
    const fc_conv_problem *problem;
    const char *weights;
    char *packed;
} pack_job;

static void pack_tile(void *context, int64_t task, int worker) {
    (void)worker;
    const pack_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t tiles = fc_tile_count(p), row = task % tiles * fc_tile_rows(p);
    const fc_pack_weights_args args = {
        .src = job->weights + (task / tiles * d->weight_stride[0] + row * d->weight_stride[1]) *
                                  (ptrdiff_t)fc_dtype_bytes(d->dtype),
        .dst = job->packed + task * tile_bytes(p),
        .row = d->weight_stride[1],
        .channel = d->weight_stride[2],
        .tap_row = 1,
        .tap_col = 1,
        .ic = d->ic / d->groups,
        .kh = 1,
        .kw = 1,
        .block = d->ic / d->groups,
        .panels = (int)(fc_tile_lanes(p) / p->kernels->vlen),
        .lanes = (int)fc_min64(fc_tile_rows(p), d->oc / d->groups - row),
    };
    p->kernels->pack_weights(&args);
}

void fc_tile_weights_pack(const fc_conv_problem *problem, const void *weights, void *packed,
                          int threads) {
    pack_job job = {problem, weights, packed};
    const int64_t tasks = problem->desc.groups * fc_tile_count(problem);
    const double moved = 4.0 * (double)(tasks * tile_bytes(problem));
    fc_parallel_tasks(fc_threads_for_bytes(threads, moved), problem->desc.dtype, tasks, pack_tile, &job);
}

uint64_t fc_tile_weights_packing(const fc_conv_problem *problem) {
    return fc_packing_id(FC_PACKED_TILES, fc_tile_rows(problem), fc_tile_lanes(problem));
}
