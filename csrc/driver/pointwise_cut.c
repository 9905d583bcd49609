#include "pointwise_cut.h"

#include "../base/cpu.h"
#include "pointwise_pixels.h"
#include "tile_weights.h"

/* Whether an eighth or more of the vectors that hold one plane is not pixels. */
static bool is_ragged(const fc_conv_problem *p) {
    const int64_t plane = p->oh * p->ow;
    return fc_round_up(plane, p->kernels->vlen) * 7 > plane * 8;
}

/* Whether channels lie so far apart, by a multiple of the page, that all lines of a panel meet in a
 * few sets of the caches and are gone before the next tile wants them: such panels are better copied. */
static bool channels_collide(const fc_conv_problem *p, int64_t icg, int64_t tiles) {
    const int64_t bytes = (int64_t)fc_dtype_bytes(p->desc.dtype);
    return tiles > 2 && icg > 8 && p->desc.src_stride[1] * bytes % 4096 == 0;
}

bool fc_pointwise_tiles_are_low(const fc_conv_problem *p) { return p->kernels->tile_pixels < 12; }

/* Whether a panel meets so many low tiles that to copy it pays: of rows that begin anywhere, it is twice as
 * many lines where it lies, on as many pages. (1x1 layers of ResNet-50 and MobileNetV2, Zen 3, AVX2, gcc 12,
 * 2026-11-30: 1.1 to 1.5 times as fast from eight tiles on, as fast with four, slower with 16 channels.) */
static bool panels_recur(const fc_conv_problem *p, int64_t icg, int64_t tiles) {
    return fc_pointwise_tiles_are_low(p) && tiles >= 8 && icg > 32;
}

bool fc_pointwise_reads_in_place(const fc_conv_problem *p, int64_t icg, int64_t tiles, int64_t list) {
    if (channels_collide(p, icg, tiles) || panels_recur(p, icg, tiles)) return false;
    return list > p->ow ? fc_pointwise_src_is_flat(p) : p->desc.stride_w == 1 && p->desc.src_stride[3] == 1;
}

bool fc_pointwise_dst_is_flat(const fc_conv_problem *p) {
    return p->oh == 1 || p->desc.dst_stride[2] == p->ow;
}

/* Where pixel_rest gains over a vector that is mostly idle; with few channels its scattered stores outweigh
 * that. */
int64_t fc_pointwise_rest(const fc_conv_problem *p, int64_t icg, int64_t list) {
    const int64_t vlen = p->kernels->vlen, rest = list % vlen;
    const int64_t most = p->desc.weights_prepared           ? fc_min64(FC_REST_MAX_PIXELS, vlen * 5 / 8)
                         : p->desc.weight_stride[2] == 1 ? fc_min64(FC_REST_PIXELS, vlen / 4)
                                                            : 0;
    return rest <= most && rest < list && icg >= 2 * vlen ? rest : 0;
}

/* Into how many pieces, at least `least`, each of `lists` lists of `total` is cut for this many threads:
 * as few as leave the busiest within a sixteenth of its share; or else so many that the last ones even
 * it out. */
static int64_t pieces_for(int64_t total, int64_t least, int64_t lists, int64_t threads) {
    const int64_t most = fc_min64(total, fc_max64(least, fc_div_up(4 * threads, lists)));
    for (int64_t pieces = least; pieces < most; pieces++) {
        const int64_t busiest = fc_div_up(lists * pieces, threads) * fc_div_up(total, pieces);
        if (busiest * threads * 16 <= lists * total * 17) return pieces;
    }
    return most;
}

/* How tiles, panels and their depth follow each other. Under low tiles panels come again and again, and must
 * be near. High ones leave them time to come from further off: a panel that leaves no room in the first-level
 * cache passes whole under one tile's weights (Zen 5, AVX-512, 2026-11-25). So do all where channels are few
 * and storing takes longer than the sums: each plane of the result is then written from end to end (16 to 96
 * at 112 x 112 1.23 times as fast, 64 to 256 at 56 x 56 1.05; Zen 4, AVX-512, 2026-11-30). */
static void cut_loops(fc_pointwise_job *job, int64_t panel_bytes) {
    enum { FEW = 64 };
    const int64_t l1 = (int64_t)fc_cpu_caches()->l1d, l2 = (int64_t)fc_cpu_caches()->l2;
    const int64_t bytes = (int64_t)job->problem->kernels->element_bytes;
    job->block = job->tiles, job->depth = job->icg;
    if (!fc_pointwise_tiles_are_low(job->problem)) {
        if (panel_bytes > l1 * 3 / 4 || job->icg <= FEW) job->block = 1;
        return;
    }
    const int64_t pieces = fc_div_up(job->icg * job->width * bytes, l1 * 3 / 4);
    job->depth = fc_div_up(job->icg, fc_max64(pieces, 1));
    const int64_t blocks = fc_div_up(job->tiles * job->icg * job->lanes * bytes, l2 / 4);
    job->block = fc_min64(job->tiles, fc_round_up(fc_div_up(job->tiles, fc_max64(blocks, 1)), 4));
}

fc_pointwise_job fc_pointwise_cut(const fc_conv_problem *p, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), plane = p->oh * p->ow;
    fc_pointwise_job job = {
        .problem = p,
        .icg = d->ic / d->groups,
        .ocg = d->oc / d->groups,
        .merged = fc_pointwise_dst_is_flat(p) && d->n > 1 && is_ragged(p),
        .width = 2 * p->kernels->vlen,
        .parts = 1,
    };
    job.list = job.merged ? d->n * plane : fc_pointwise_dst_is_flat(p) ? plane : p->ow;
    job.lists = d->n * plane / job.list;
    job.rest = job.merged ? 0 : fc_pointwise_rest(p, job.icg, job.list);
    job.panels = fc_div_up(job.list - job.rest, job.width);
    job.tiles = fc_tile_count(p);
    job.rows = fc_tile_rows(p);
    job.lanes = fc_tile_lanes(p);
    job.in_place = !job.merged && fc_pointwise_reads_in_place(p, job.icg, job.tiles, job.list);
    job.by_rows = !job.merged && !job.in_place && !fc_pointwise_src_is_flat(p);
    /* a line more than its pixels: panels that begin in one set of a cache would drive each other out */
    const int64_t panel_bytes = fc_round_up(job.icg * job.width * bytes, FC_CACHE_LINE) + FC_CACHE_LINE;
    job.panel_step = (ptrdiff_t)(panel_bytes / bytes);
    cut_loops(&job, panel_bytes);
    const int64_t most = fc_max64(1, (int64_t)fc_cpu_caches()->l2 / 2 / panel_bytes);
    job.chunks = fc_div_up(job.panels, most);
    const int64_t lists = job.lists * d->groups, tasks = lists * job.chunks;
    if (threads > 1 && tasks < 4 * threads) {
        /* Too few tasks to balance. Each reads all weights of its part and all pixels of its chunk, so
         * cut first where there is more to be divided. What is copied is copied once a part. */
        if (job.ocg > job.list)
            job.parts = job.in_place ? pieces_for(job.tiles, 1, tasks, threads)
                                     : fc_min64(job.tiles, fc_div_up(threads, tasks));
        else
            job.chunks = pieces_for(job.panels, job.chunks, lists, threads);
        if (lists * job.chunks * job.parts < threads) {
            if (job.parts > 1)
                job.chunks = fc_min64(job.panels, fc_div_up(threads, lists * job.parts));
            else
                job.parts = fc_min64(job.tiles, fc_div_up(threads, lists * job.chunks));
        }
    }
    const int64_t copied = job.in_place ? (job.list - job.rest) % job.width != 0
                                        : fc_div_up(job.panels, job.chunks);
    job.panels_bytes = (size_t)(copied * panel_bytes);
    job.worker_bytes =
        job.panels_bytes + (size_t)fc_round_up(job.rest * job.icg * bytes, FC_CACHE_LINE);
    if (job.depth < job.icg)
        job.sums_bytes = (size_t)fc_round_up(job.block * job.rows * job.width * bytes, FC_CACHE_LINE);
    if (job.by_rows) {
        /* an odd number of lines: the channels of a panel then meet in no set of a cache */
        const int64_t most_pixels = fc_min64(copied * job.width, job.list - job.rest) + job.rest;
        job.pitch = (fc_div_up(most_pixels * bytes, FC_CACHE_LINE) | 1) * FC_CACHE_LINE / bytes;
        job.worker_bytes = (size_t)(job.icg * job.pitch * bytes);
    }
    job.worker_bytes += job.sums_bytes;
    return job;
}
