/* gradient_winograd.c: the gradient of a convolution by its weights, by Winograd's F(4, r) transposed.
 *
 *   src --winograd_input--> V [product][block][tile][input channel of the block]
 *   diff_dst --pack--> strip --winograd_diff--> D [product][panel][tile][output channel of the panel]
 *   V x D --pixel_tile--> M [product][input channel][output channel]          of a task, over all tiles
 *   M --winograd_sums--> taps --unpack_pixels--> dense OIHW, after the last tile
 *
 * A 4 x 4 tile of diff_dst meets the r x r taps in (r + 3)^2 products in place of 16 r^2: 4 and 6.25 times
 * fewer for 3x3 and 5x5. For each product the sums over the tiles are a matrix product. A task is some input
 * channels against a panel of output channels, its M for the second-level cache.
 *
 * Tiles come in units of some hundred, in the third-level cache: all threads transform a unit, then
 * they multiply it, then comes the next. A weight's sum is a chain of multiply-adds over the tiles of a unit
 * in their order; the units' are added in theirs. Where there are several units, M of all tasks is kept, a
 * band of panels at a time, for each of which V is made anew.
 *
 * With few channels cores would hand each other V and D for little work, which can take longer than the
 * work. Then there are several chains of units, each with a V, D and M of its own and all done by one thread,
 * whose sums are added at the end. How many is a matter of the shape: no bit depends on threads. (64 -> 64
 * at 56x56, 8 images, two threads, Zen 4: 3.3 ms; without chains 3.7, and at times 8.8.) */
#include "gradient_winograd.h"

#include "../base/cpu.h"
#include "winograd_job.h"

enum {
    M = 4,            /* pixels of a tile in a row */
    LEAST_PANELS = 4, /* of a band */
    MOST_CHAINS = 8,
    CHAIN_TILES = 96,    /* at the least, or adding sums would show */
    CHAIN_SUMS = 5 << 16 /* at the most: M of a chain is for a core's own cache */
};

typedef struct gradient_job {
    const fc_weight_gradient_problem *problem;
    const fc_args *args;
    fc_winograd_job tiles;
    int64_t icg, ocg, panel, panels; /* of a group; a panel is that many output channels */
    int64_t units, chains;           /* of a group */
    int64_t band;                    /* panels that are summed together */
    int64_t blocks, parts, lines;    /* of the input channels, and those of the largest part */
    int64_t strip, transforms;       /* output channels transformed together; blocks and strips of a band */
    int64_t group, from, to;         /* panels of the band that is being summed */
    fc_winograd_unit unit;
    bool first, last; /* of the units */
    int64_t values_plane, diff_plane;
    char *values, *diff, *sums, *workers;
    size_t values_bytes, diff_bytes, strip_bytes, task_bytes, chain_bytes;
} gradient_job;

/* Tiles of a unit: a panel of D is then at most half of a first-level cache, and chains are no longer than
 * the precision allows that those of the convolution itself have. */
static int64_t unit_tiles(const fc_weight_gradient_problem *p) { return p->desc.kh == 3 ? 128 : 96; }

/* The convolution whose source is transformed. */
static fc_conv_problem convolution(const fc_weight_gradient_problem *p) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    fc_conv_problem conv = {
        .desc = {.dtype = d->dtype,
                 .border = d->border,
                 .n = d->n,
                 .ic = d->ic,
                 .ih = d->ih,
                 .iw = d->iw,
                 .oc = d->oc,
                 .kh = d->kh,
                 .kw = d->kw,
                 .pad_top = d->pad_top,
                 .pad_bottom = d->pad_bottom,
                 .pad_left = d->pad_left,
                 .pad_right = d->pad_right,
                 .stride_h = 1,
                 .stride_w = 1,
                 .dilation_h = 1,
                 .dilation_w = 1,
                 .groups = d->groups},
        .oh = p->oh,
        .ow = p->ow,
        .kernels = p->kernels,
        .blocking = {.icg = d->ic / d->groups, .ocg = d->oc / d->groups},
    };
    memcpy(conv.desc.src_stride, d->src_stride, sizeof conv.desc.src_stride);
    return conv;
}

static size_t whole_lines(const gradient_job *job, int64_t elements) {
    return (size_t)fc_round_up(elements * (int64_t)job->problem->kernels->element_bytes, FC_CACHE_LINE);
}

/* Output channels of panels [from, to), rounded up to whole vectors. */
static int64_t width_of(const gradient_job *job, int64_t from, int64_t to) {
    const int64_t channels = fc_min64(job->ocg - from * job->panel, (to - from) * job->panel);
    return fc_round_up(channels, job->problem->kernels->vlen);
}

/* Elements of a plane of a task's M: a line more than there are sums, lest planes meet in one set of the
 * caches. */
static int64_t sums_plane(const gradient_job *job, int64_t lines, int64_t width) {
    return lines * width + FC_CACHE_LINE / (int64_t)job->problem->kernels->element_bytes;
}

static gradient_job job_make(const fc_weight_gradient_problem *p, const fc_conv_problem *conv, int threads) {
    const fc_kernels *k = p->kernels;
    const int64_t bytes = (int64_t)k->element_bytes;
    gradient_job job = {
        .problem = p,
        .tiles = fc_winograd_frame(conv, M, unit_tiles(p)),
        .icg = conv->blocking.icg,
        .ocg = conv->blocking.ocg,
        .panel = 2 * k->vlen,
        .panels = fc_div_up(conv->blocking.ocg, 2 * k->vlen),
    };
    const fc_winograd_job *t = &job.tiles;
    job.strip = fc_min64(job.panel, t->block);
    const int64_t products = t->n * t->n;
    job.blocks = fc_div_up(job.icg, t->block);
    job.units = t->columns * t->strips;
    job.band = job.panels;
    job.chains = 1;
    if (products * job.icg * job.ocg <= CHAIN_SUMS)
        job.chains = fc_max64(1, fc_min64(fc_min64(MOST_CHAINS, job.units),
                                          p->desc.n * t->tile_rows * t->tile_cols / CHAIN_TILES));
    if (job.units > 1 && job.chains == 1) {
        const int64_t most = (int64_t)fc_cpu_caches()->l3 / 4 / (products * job.icg * job.panel * bytes);
        const int64_t blocks = fc_div_up(job.panels, fc_max64(LEAST_PANELS, most));
        job.band = fc_div_up(job.panels, blocks);
    }
    /* two tasks a thread, if there are so many */
    const int64_t task_bytes = products * t->block * job.panel * bytes;
    const int64_t near = fc_max64(1, (int64_t)fc_cpu_caches()->l2 / 3 / task_bytes);
    const int64_t even = threads > 1 && job.chains == 1 ? fc_div_up(2 * (int64_t)threads, job.band) : 1;
    job.parts = fc_min64(job.blocks, fc_max64(fc_div_up(job.blocks, near), even));
    job.lines = fc_div_up(job.blocks, job.parts) * t->block;

    const int64_t width = width_of(&job, 0, job.band);
    const int64_t rows = fc_div_up(p->desc.n * t->tile_rows, t->strips);
    const int64_t cols = fc_div_up(t->tile_cols, t->columns);
    const int64_t tiles = rows * cols;
    job.values_bytes = whole_lines(&job, products * fc_winograd_plane(conv, tiles, job.blocks * t->block));
    job.diff_bytes = whole_lines(&job, products * fc_winograd_plane(conv, tiles, width));
    const size_t strip = whole_lines(&job, M * cols * M * job.strip);
    const size_t taps = whole_lines(&job, job.lines * p->desc.kh * p->desc.kw * job.panel);
    job.strip_bytes = t->strip_bytes > strip ? t->strip_bytes : strip;
    if (taps > job.strip_bytes) job.strip_bytes = taps;
    job.task_bytes = whole_lines(&job, products * sums_plane(&job, job.lines, job.panel));
    job.chain_bytes = job.task_bytes * (size_t)(job.units > 1 ? job.band * job.parts : threads);
    return job;
}

static char *strip_of(const gradient_job *job, int worker) {
    return job->workers + (size_t)worker * job->strip_bytes;
}

/* ---- tiles ---------------------------------------------------------------------------------------- */

/* D of the `job->strip` output channels from `oc` on. */
static void transform_diff(const gradient_job *job, int64_t oc, char *strip) {
    const fc_weight_gradient_problem *p = job->problem;
    const fc_winograd_unit *unit = &job->unit;
    const int64_t *stride = p->desc.diff_dst_stride, bytes = (int64_t)p->kernels->element_bytes;
    const int64_t panel = oc / job->panel, block = job->strip;
    const int64_t width = width_of(job, panel, panel + 1), channels = fc_min64(block, job->ocg - oc);
    char *dst =
        job->diff + ((panel - job->from) * unit->tiles * job->panel + oc % job->panel) * bytes;
    fc_winograd_clear_joined(&job->tiles, unit, job->diff_plane, width, channels, dst);
    fc_winograd_diff_args diff = {
        .src_pixel = block,
        .dst_plane = job->diff_plane,
        .dst_tile = width,
        .cols = unit->pixels,
        .channels = channels,
        .m = M,
        .n = job->tiles.n,
    };
    const bool follow = unit->pixels == p->ow && stride[2] == p->ow * stride[3];
    for (int64_t i = 0; i < unit->rows; i++) {
        const fc_winograd_row row = fc_winograd_row_at(&job->tiles, unit, i);
        const char *src = (const char *)job->args->diff_dst +
                          (row.image * stride[0] + (job->group * job->ocg + oc) * stride[1] +
                           row.y * stride[2] + unit->col * M * stride[3]) *
                              bytes;
        fc_pack_pixels_args pack = {
            .channel_stride = stride[1],
            .pixel_stride = stride[3],
            .channels = channels,
            .block = block,
            /* the next row of tiles, of this image or of the next one */
            .ahead = row.y + row.pixels < p->oh ? row.pixels * stride[2] : stride[0] - row.y * stride[2],
        };
        const int64_t runs = follow ? 1 : row.pixels;
        pack.pixels = row.pixels * unit->pixels / runs;
        for (int64_t k = 0; k < runs; k++) {
            pack.src = src + k * stride[2] * bytes;
            pack.dst = strip + k * unit->pixels * block * bytes;
            p->kernels->pack_pixels(&pack);
        }
        for (int64_t k = 0; k < row.pixels; k++) diff.src[k] = strip + k * unit->pixels * block * bytes;
        diff.rows = row.pixels;
        diff.dst = dst + row.first * width * bytes;
        diff.dst_last = (row.last - row.first) * width;
        p->kernels->winograd_diff(&diff);
    }
}

/* V of some channels, or D. */
static void transform(void *context, int64_t task, int worker) {
    const gradient_job *job = context;
    const fc_winograd_job *t = &job->tiles;
    /* evenly among each other */
    const int64_t at = task * job->blocks / job->transforms, next = (task + 1) * job->blocks / job->transforms;
    if (next > at)
        fc_winograd_values(t, &job->unit, at * t->block, strip_of(job, worker), job->values_plane, t->block,
                           job->values + (size_t)(at * job->unit.tiles * t->block) *
                                             job->problem->kernels->element_bytes);
    else
        transform_diff(job, job->from * job->panel + (task - at) * job->strip, strip_of(job, worker));
}

/* ---- products ------------------------------------------------------------------------------------- */

/* Blocks of input channels and a panel of output channels. */
typedef struct gradient_task {
    int64_t panel, block, blocks;
    int64_t begin, lines;    /* input channels */
    int64_t channels, width; /* of the panel, in all and in whole vectors */
    char *sums;
} gradient_task;

static void multiply(const gradient_job *job, const gradient_task *task) {
    const fc_kernels *k = job->problem->kernels;
    const fc_winograd_job *t = &job->tiles;
    const int64_t bytes = (int64_t)k->element_bytes, plane = sums_plane(job, task->lines, task->width);
    const int64_t block = t->block, cuts = fc_div_up(block, k->tile_pixels);
    fc_pixel_tile_args tile = {
        .ahead_step = block * bytes,
        .src_channel = task->width,
        .weights_row = 1,
        .weights_channel = block,
        .pixels = (int)task->width,
        .dst_channel = task->width,
        .residual_channel = task->width,
        .activation = FC_ACT_NONE,
    };
    for (int64_t q = 0; q < t->n * t->n; q++) {
        const fc_winograd_runs runs =
            fc_winograd_runs_of(t, &job->unit, (int)(q / t->n), (int)(q % t->n));
        const char *values =
            job->values + (q * job->values_plane + task->block * job->unit.tiles * block) * bytes;
        const char *diff = job->diff + (q * job->diff_plane +
                                        (task->panel - job->from) * job->unit.tiles * job->panel) *
                                           bytes;
        char *sums = task->sums + q * plane * bytes;
        for (int64_t i = 0; i < task->blocks * cuts; i++) {
            int64_t begin, end;
            fc_split(block, cuts, i % cuts, &begin, &end);
            const int64_t line = i / cuts * block + begin;
            tile.rows = (int)fc_min64(end - begin, task->lines - line);
            if (tile.rows <= 0) break;
            tile.dst = sums + line * task->width * bytes;
            tile.residual = job->first ? NULL : tile.dst;
            for (int r = 0; r < runs.count; r++) {
                const int64_t at = (i / cuts * job->unit.tiles + runs.first[r]) * block + begin;
                tile.src = diff + runs.first[r] * task->width * bytes;
                tile.weights = values + at * bytes;
                tile.ahead = values + (at + job->unit.tiles * block) * bytes; /* the next block */
                tile.depth = runs.tiles[r];
                k->pixel_tile(&tile);
                tile.residual = tile.dst;
            }
        }
    }
}

/* A task's sums to its weights. */
static void finish(const gradient_job *job, const gradient_task *task, char *taps_at) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, taps = p->desc.kh * p->desc.kw;
    const fc_winograd_sums_args sums = {
        .src = task->sums,
        .dst = taps_at,
        .src_plane = sums_plane(job, task->lines, task->width),
        .lines = task->lines,
        .count = task->width,
        .r = (int)p->desc.kh,
        .n = job->tiles.n,
    };
    p->kernels->winograd_sums(&sums);
    const int64_t oc = job->group * job->ocg + task->panel * job->panel, depth = job->icg * taps;
    const fc_unpack_pixels_args unpack = {
        .src = taps_at,
        .dst = (char *)job->args->dst + (oc * depth + task->begin * taps) * bytes,
        .src_pixel = task->width,
        .channel_stride = depth,
        .pixel_stride = 1,
        .channels = task->channels,
        .pixels = task->lines * taps,
        .activation = FC_ACT_NONE,
    };
    p->kernels->unpack_pixels(&unpack);
}

static gradient_task task_at(const gradient_job *job, int64_t index, int worker) {
    const int64_t panels = job->to - job->from, block = job->tiles.block;
    gradient_task task = {.panel = job->from + index % panels};
    int64_t end;
    fc_split(job->blocks, job->parts, index / panels, &task.block, &end);
    task.blocks = end - task.block;
    task.begin = task.block * block;
    task.lines = fc_min64(task.blocks * block, job->icg - task.begin);
    task.channels = fc_min64(job->panel, job->ocg - task.panel * job->panel);
    task.width = fc_round_up(task.channels, job->problem->kernels->vlen);
    task.sums = job->sums + (size_t)(job->units > 1 ? index : worker) * job->task_bytes;
    return task;
}

static void run_task(void *context, int64_t index, int worker) {
    const gradient_job *job = context;
    const gradient_task task = task_at(job, index, worker);
    multiply(job, &task);
    if (job->last) finish(job, &task, strip_of(job, worker));
}

/* Units [from, to), whose sums are finished unless there are other chains. */
static void sum_units(gradient_job *job, int64_t from, int64_t to, int threads) {
    const fc_dtype dtype = (fc_dtype)job->problem->desc.dtype;
    const int64_t panels = job->to - job->from, width = width_of(job, job->from, job->to);
    for (int64_t u = from; u < to; u++) {
        job->unit = fc_winograd_unit_at(&job->tiles, job->group * job->units + u);
        job->first = u == from, job->last = u == to - 1 && job->chains == 1;
        job->values_plane =
            fc_winograd_plane(job->tiles.problem, job->unit.tiles, job->blocks * job->tiles.block);
        job->diff_plane = fc_winograd_plane(job->tiles.problem, job->unit.tiles, width);
        fc_parallel_tasks(threads, dtype, job->transforms, transform, job);
        fc_parallel_tasks(threads, dtype, panels * job->parts, run_task, job);
    }
}

static void run_chain(void *context, int64_t chain, int worker) {
    gradient_job job = *(const gradient_job *)context;
    job.values += (size_t)worker * job.values_bytes;
    job.diff += (size_t)worker * job.diff_bytes;
    job.workers += (size_t)worker * job.strip_bytes;
    job.sums += (size_t)chain * job.chain_bytes;
    int64_t from, to;
    fc_split(job.units, job.chains, chain, &from, &to);
    sum_units(&job, from, to, 1);
}

/* Adds a task's sums of all chains, in their order, and finishes them. */
static void join_chains(void *context, int64_t index, int worker) {
    const gradient_job *job = context;
    const fc_kernels *k = job->problem->kernels;
    const gradient_task task = task_at(job, index, worker);
    const int64_t plane = sums_plane(job, task.lines, task.width);
    for (int64_t q = 0; q < job->tiles.n * job->tiles.n; q++) {
        char *sums = task.sums + (size_t)(q * plane) * k->element_bytes;
        const fc_column_sums_args add = {
            .src = sums + job->chain_bytes,
            .dst = sums,
            .rows = job->chains - 1,
            .count = task.lines * task.width,
            .src_row = (int64_t)(job->chain_bytes / k->element_bytes),
            .accumulate = 1,
        };
        k->column_sums(&add);
    }
    finish(job, &task, strip_of(job, worker));
}

/* ---- the call ------------------------------------------------------------------------------------- */

static bool fits(const fc_weight_gradient_problem *p) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    return d->stride_h == 1 && d->stride_w == 1 && d->dilation_h == 1 && d->dilation_w == 1 &&
           d->kh == d->kw && (d->kh == 3 || d->kh == 5);
}

/* Products of an image in one direction that count, of tiles that are cut short. */
static double products_of(int64_t size, int n) {
    int64_t count = size / M * n;
    for (int i = 0; size % M && i < n; i++) count += fc_winograd_counts(i, n, M, size % M);
    return (double)count;
}

/* Multiply-adds of vectors that take as long. Fitted to 50 shapes of 1 to 512 channels (Zen 4, AVX-512). */
static double cost(const fc_weight_gradient_problem *p) {
    enum { POINT = 6, SUM = 5 }; /* of a transform, layout and all; of M, to begin or to continue */
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int n = M + (int)d->kh - 1;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, vlen = p->kernels->vlen;
    const int64_t tiles = d->n * fc_div_up(p->oh, M) * fc_div_up(p->ow, M);
    const double products = n * n, weights = (double)(icg * fc_div_up(ocg, vlen));
    const double multiplied = (double)d->n * products_of(p->oh, n) * products_of(p->ow, n) * weights;
    const double transformed =
        POINT * products * (double)(tiles * (fc_div_up(icg, vlen) + fc_div_up(ocg, vlen)));
    const double summed = SUM * products * weights * (double)(fc_div_up(tiles, unit_tiles(p)) + 1);
    return (double)d->groups * (1.07 * multiplied + transformed + summed);
}

/* The same of the other ways: vectors of output channels, or of pixels. */
static double cost_of_others(const fc_weight_gradient_problem *p) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, vlen = p->kernels->vlen;
    const double taps = (double)(d->groups * d->n * p->oh * d->kh * d->kw * icg);
    const double channels = taps * (double)(p->ow * fc_div_up(ocg, vlen)) / 0.88;
    const double pixels = taps * (double)(fc_div_up(p->ow, vlen) * ocg) / (d->kh == 3 ? 0.8 : 0.6);
    return channels < pixels ? channels : pixels;
}

bool fc_gradient_winograd_pays(const fc_weight_gradient_problem *p) {
    return fits(p) && p->desc.precision != FC_PRECISION_STRICT && p->desc.n > 0 &&
           cost(p) < cost_of_others(p);
}

/* V, D and strips, then the sums of each chain. */
static size_t values_bytes(const gradient_job *job, int threads) {
    const size_t sets = job->chains > 1 ? (size_t)threads : 1;
    return (job->values_bytes + job->diff_bytes) * sets + job->strip_bytes * (size_t)threads;
}

size_t fc_gradient_winograd_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    const fc_conv_problem conv = convolution(p);
    const gradient_job job = job_make(p, &conv, threads);
    return values_bytes(&job, threads) + job.chain_bytes * (size_t)job.chains;
}

void fc_gradient_winograd_execute(const fc_weight_gradient_problem *p, const fc_args *args, void *scratch,
                                  int threads) {
    const fc_conv_problem conv = convolution(p);
    const fc_dtype dtype = (fc_dtype)p->desc.dtype;
    gradient_job job = job_make(p, &conv, threads);
    const size_t sets = job.chains > 1 ? (size_t)threads : 1;
    job.args = job.tiles.args = args;
    job.values = scratch;
    job.diff = job.values + job.values_bytes * sets;
    job.workers = job.diff + job.diff_bytes * sets;
    job.sums = (char *)scratch + values_bytes(&job, threads);
    for (job.group = 0; job.group < p->desc.groups; job.group++)
        for (job.from = 0; job.from < job.panels; job.from = job.to) {
            job.to = fc_min64(job.panels, job.from + job.band);
            const int64_t channels =
                fc_min64(job.ocg - job.from * job.panel, (job.to - job.from) * job.panel);
            job.transforms = job.blocks + fc_div_up(channels, job.strip);
            if (job.chains == 1) {
                sum_units(&job, 0, job.units, threads);
                continue;
            }
            fc_parallel_tasks(threads, dtype, job.chains, run_chain, &job);
            fc_parallel_tasks(threads, dtype, (job.to - job.from) * job.parts, join_chains, &job);
        }
}
