#include "conv_pixels.h"

#include "../base/cpu.h"

typedef struct pixels_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    fc_gather_fn gather;
    bool whole_depth;
    char *scratch;
    size_t worker_bytes, gathered_bytes;
    int64_t total, chunk, parts; /* pixels; pixels of a task; pieces the panels are dealt into */
    int64_t tile_chunk;          /* pixels whose tiles are unpacked together */
} pixels_job;

static int64_t depth_of(const fc_conv_problem *p) {
    return p->blocking.blocks * p->blocking.block * p->desc.kh * p->desc.kw;
}

static pixels_job cut(const fc_conv_problem *p, int threads) {
    const fc_conv_blocking *b = &p->blocking;
    const int64_t bytes = (int64_t)fc_dtype_bytes(p->desc.dtype), tile = p->kernels->tile_pixels;
    pixels_job job = {.problem = p, .parts = 1, .total = p->desc.n * p->oh * p->ow};
    /* half the second-level cache of gathered pixels, whole register tiles, evenly dealt */
    int64_t most = fc_max64(1, (int64_t)fc_cpu_caches()->l2 / 2 / (depth_of(p) * bytes) / tile);
    int64_t tiles = fc_div_up(job.total, tile);
    int64_t chunks = fc_div_up(tiles, most);
    if (threads > 1 && chunks < 4 * threads) {
        if (b->panels * b->panel_bytes > job.total * depth_of(p) * bytes && b->panels >= threads) {
            while (job.parts < b->panels && chunks * job.parts % threads) job.parts++;
        } else {
            chunks = fc_min64(tiles, 4 * threads);
        }
    }
    job.chunk = fc_div_up(tiles, chunks) * tile;
    job.gathered_bytes = (size_t)fc_round_up(job.chunk * depth_of(p) * bytes, FC_CACHE_LINE);
    job.tile_chunk = fc_min64(job.chunk, fc_max64(1, 16384 / (b->panel * bytes) / tile) * tile);
    job.worker_bytes = job.gathered_bytes +
                       (size_t)fc_round_up(job.tile_chunk * b->panel * bytes, FC_CACHE_LINE);
    return job;
}

static void run_task(void *context, int64_t task, int worker) {
    const pixels_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv_blocking *b = &p->blocking;
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t first = task / job->parts * job->chunk;
    const int64_t count = fc_min64(job->chunk, job->total - first);
    if (count <= 0) return; /* rounding chunks up to whole tiles can leave the last ones empty */
    char *gathered = job->scratch + (size_t)worker * job->worker_bytes;
    char *tiles = gathered + job->gathered_bytes;
    int64_t begin, end;
    fc_split(b->panels, job->parts, task % job->parts, &begin, &end);

    fc_conv_tile_args tile = {
        .src_pixel = job->whole_depth ? depth_of(p) : b->block,
        .count = {job->whole_depth ? 1 : b->blocks, 1, 1},
        .step = {count * b->block, 0, 0},
        .run = job->whole_depth ? depth_of(p) : b->block,
    };
    for (int64_t group = 0; group < p->desc.groups; group++) {
        job->gather(p, job->args->src, group, first, count, gathered);
        for (int64_t i = begin; i < end; i++) {
            fc_panel panel = fc_panel_at(p, job->args->packed, group, i);
            const int64_t columns = panel.vectors * p->kernels->vlen;
            tile.weights = panel.weights;
            tile.panels = panel.vectors;
            tile.lanes = (int)columns;
            tile.dst_pixel = columns;
            for (int64_t at = 0; at < count; at += job->tile_chunk) {
                int64_t pixels = fc_min64(job->tile_chunk, count - at);
                tile.src = gathered + (size_t)(at * tile.src_pixel) * bytes;
                tile.dst = tiles;
                fc_tile_map(p->kernels, tile, 1, pixels);
                fc_store_pixels(p, job->args, &panel, tiles, first + at, pixels);
            }
        }
    }
}

size_t fc_conv_pixels_scratch_bytes(const fc_conv_problem *problem, int threads) {
    return cut(problem, threads).worker_bytes * (size_t)threads;
}

void fc_conv_pixels(const fc_conv_problem *problem, const fc_args *args, void *scratch, int threads,
                    fc_gather_fn gather, bool whole_depth) {
    pixels_job job = cut(problem, threads);
    job.args = args;
    job.gather = gather;
    job.whole_depth = whole_depth;
    job.scratch = scratch;
    fc_parallel_tasks(threads, problem->desc.dtype, fc_div_up(job.total, job.chunk) * job.parts,
                      run_task, &job);
}
