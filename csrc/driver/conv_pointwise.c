/* conv_pointwise.c: 1x1 convolution over planes whose pixels follow each other (NCHW): vectors of
 * pixels against broadcast weights, nothing transposed.
 *
 *   src [channel][pixel] ------------- read where it lies, a panel of two vectors wide ---.
 *            |-- copy_panels --> panels [panel][channel][2 vectors]  ends, under low tiles |
 *            '-- copy_rows ----> pixels [channel][pixel]          rows that lie apart, strides |
 *   weights [oc][ic] --- read where they lie --> pixel_tile --> dst [oc][pixel] <----------'
 *
 * The pixels of a list, which is a plane (or a row, where the result's rows lie apart), are cut into
 * panels, the output channels of a group into tiles of rows; every panel meets every tile. A block of
 * tiles passes over one panel after the other:
 *
 *   for each block of tiles            weights stay in the second-level cache
 *     for each panel
 *       for each piece of its depth    pixels stay in the first-level cache
 *         for each tile of the block   one call; sums wait in `sums` for the next piece
 *
 * Each call prefetches the operand that the next one does not share with it: the first touch of a
 * plane is 128 bytes on each of many pages, which no hardware prefetcher foresees.
 *
 * Where a plane ends shortly behind a whole vector, as 7x7 = 3 * 16 + 1 does, the planes of all images
 * form one list. Of one such image a quarter of the lanes is idle: with weights that are prepared, 1x1,
 * whose tiles count single pixels, takes less.
 *
 * Each sum has one order, that of its channels, whatever the cuts: results do not depend on them. */
#include "../base/cpu.h"
#include "conv_blocked.h"
#include "cost.h"
#include "pointwise_cut.h"
#include "pointwise_pixels.h"
#include "tile_weights.h"

#define MOST_LANES 32 /* two vectors of the widest tier */

/* The runs of pixels [first, first + count) of a merged list, one for each image they belong to. */
static void pieces_of(const fc_conv_problem *p, int64_t first, int64_t count,
                      fc_pixel_piece pieces[MOST_LANES]) {
    const int64_t plane = p->oh * p->ow;
    for (int64_t at = first; at < first + count; at += pieces++->pixels) {
        const int64_t n = at / plane, pixel = at % plane;
        *pieces = (fc_pixel_piece){
            .dst = n * p->desc.dst_stride[0] + pixel,
            .residual = n * p->desc.oc * plane + pixel,
            .pixels = fc_min64(plane - pixel, first + count - at),
        };
    }
}

/* A task: its share of the work, and the arguments of its next call. */
typedef struct pointwise_task {
    int64_t list, group;
    int64_t begin, end;     /* panels of the list */
    int64_t from, to;       /* tiles of the group */
    int64_t whole;          /* panels that are read in place, */
    const char *src;        /* the first of them, */
    const char *panels;     /* and the others, copied; */
    const char *rest;       /* NULL: another task's */
    const char *weights;    /* of the group, */
    int64_t weights_tile;   /* elements from one tile's to the next */
    char *dst;              /* of the list and the group's first channel, */
    const char *residual;
    int64_t row, pixel;     /* and where in it the next call begins, */
    const char *rows;       /* its tile of weights, */
    const char *pixels;     /* its panel */
    char *sums;             /* of the block's tiles */
    fc_pixel_tile_args tile;
    fc_pixel_piece pieces[MOST_LANES];
} pointwise_task;

/* The next calls are of this tile of output channels ... */
static void take_rows(const fc_pointwise_job *job, pointwise_task *t, int64_t index) {
    const ptrdiff_t bytes = (ptrdiff_t)job->problem->kernels->element_bytes;
    t->row = index * job->rows;
    t->tile.rows = (int)fc_min64(job->rows, job->ocg - t->row);
    t->rows = t->weights + index * t->weights_tile * bytes;
    if (job->problem->desc.has_bias)
        t->tile.bias = (const char *)job->args->bias + (t->group * job->ocg + t->row) * bytes;
}

/* ... and of this panel. */
static void take_panel(const fc_pointwise_job *job, pointwise_task *t, int64_t panel) {
    const ptrdiff_t bytes = (ptrdiff_t)job->problem->kernels->element_bytes;
    const int64_t i = panel - t->begin;
    const bool copied = i >= t->whole;
    t->pixel = panel * job->width;
    t->pixels = copied ? t->panels + (i - t->whole) * job->panel_step * bytes
                       : t->src + i * job->width * bytes;
    t->tile.src_channel = copied ? job->width : job->problem->desc.src_stride[1];
    if (job->by_rows) {
        t->pixels = t->panels + i * job->width * bytes;
        t->tile.src_channel = job->pitch;
    }
    t->tile.pixels = (int)fc_min64(job->width, job->list - job->rest - t->pixel);
    if (job->merged) {
        pieces_of(job->problem, t->pixel, t->tile.pixels, t->pieces);
        t->tile.pieces = t->pieces;
        t->pixel = 0; /* the pieces tell */
    }
}

/* Channels [from, to) of the sum. `ahead`: what the next call reads and this one does not. */
static void call(const fc_pointwise_job *job, pointwise_task *t, int64_t from, int64_t to, char *sums,
                 bool weights_change) {
    const ptrdiff_t bytes = (ptrdiff_t)job->problem->kernels->element_bytes;
    fc_pixel_tile_args *tile = &t->tile;
    tile->src = t->pixels + from * tile->src_channel * bytes;
    tile->weights = t->rows + from * tile->weights_channel * bytes;
    tile->depth = to - from;
    tile->begin = from > 0 ? sums : NULL;
    tile->sums = to < job->icg ? sums : NULL;
    tile->dst = t->dst + (t->row * tile->dst_channel + t->pixel) * bytes;
    if (t->residual)
        tile->residual = t->residual + (t->row * tile->residual_channel + t->pixel) * bytes;
    if (weights_change) {
        tile->ahead = (const char *)tile->weights + t->weights_tile * bytes;
        tile->ahead_step = FC_CACHE_LINE;
    } else {
        const ptrdiff_t next = to < job->icg ? tile->depth * tile->src_channel : job->width;
        tile->ahead = (to < job->icg ? (const char *)tile->src : t->pixels) + next * bytes;
        tile->ahead_step = tile->src_channel * bytes;
    }
    job->problem->kernels->pixel_tile(tile);
}

/* A panel against tiles [from, to), one piece of its depth after the other. */
static void compute_panel(const fc_pointwise_job *job, pointwise_task *t, int64_t panel, int64_t from,
                          int64_t to) {
    const ptrdiff_t tile_sums = job->rows * job->width * (ptrdiff_t)job->problem->kernels->element_bytes;
    take_panel(job, t, panel);
    for (int64_t k = 0; k == 0 || k < job->icg; k += job->depth)
        for (int64_t i = from; i < to; i++) {
            take_rows(job, t, i);
            const bool last = panel + 1 == t->end && to < t->to; /* of the block */
            call(job, t, k, fc_min64(k + job->depth, job->icg), t->sums + (i - from) * tile_sums,
                 i + 1 < to || last);
        }
}

/* The rest of the list against tiles [from, to). */
static void compute_rest(const fc_pointwise_job *job, const pointwise_task *task, int64_t from, int64_t to) {
    pointwise_task t = *task;
    const ptrdiff_t bytes = (ptrdiff_t)job->problem->kernels->element_bytes;
    const int64_t first = job->list - job->rest;
    take_rows(job, &t, to - 1);
    const int64_t end = t.row + t.tile.rows;
    take_rows(job, &t, from);
    t.tile.rows = (int)(end - t.row);
    t.tile.tile_rows = job->problem->desc.weights_prepared ? (int)job->rows : 0;
    t.tile.weights = t.rows;
    t.tile.depth = job->icg;
    t.tile.src = t.rest;
    t.tile.src_channel = job->by_rows ? job->pitch : job->rest;
    t.tile.pixels = (int)job->rest;
    t.tile.dst = t.dst + (t.row * t.tile.dst_channel + first) * bytes;
    if (t.residual) t.tile.residual = t.residual + (t.row * t.tile.residual_channel + first) * bytes;
    job->problem->kernels->pixel_rest(&t.tile);
}

/* Tiles whose weights are still near when they meet the rest, where all of them may not be. */
static int64_t rest_tiles(const fc_pointwise_job *job) {
    const int64_t bytes = (int64_t)job->problem->kernels->element_bytes;
    const int64_t tile = job->icg * job->lanes * bytes;
    return fc_min64(16, fc_max64(4, (int64_t)fc_cpu_caches()->l2 / 4 / tile / 4 * 4));
}

static void run_task(void *context, int64_t index, int worker) {
    const fc_pointwise_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(d->dtype);
    const int64_t plane = p->oh * p->ow;
    /* neighbouring tasks have one part: a worker's run of them reads no more weights than it must */
    const int64_t all = job->lists * d->groups * job->chunks, chunk = index % all;
    char *panels = job->scratch + (size_t)worker * job->worker_bytes;
    pointwise_task t = {
        .group = chunk / job->chunks % d->groups,
        .list = chunk / job->chunks / d->groups,
        .panels = panels,
        .tile = {
            .dst_channel = d->dst_stride[1],
            .residual_channel = plane,
            .activation = d->activation,
        },
    };
    const int64_t oc = t.group * job->ocg;
    const fc_pixel_place origin = fc_pointwise_place(job, t.list, 0);
    if (d->weights_prepared) {
        t.weights_tile = job->icg * job->lanes;
        t.weights = (const char *)job->args->packed + t.group * job->tiles * t.weights_tile * bytes;
        t.tile.weights_row = 1;
        t.tile.weights_channel = job->lanes;
    } else {
        t.weights_tile = job->rows * d->weight_stride[1];
        t.weights = (const char *)job->args->weights + t.group * d->weight_stride[0] * bytes;
        t.tile.weights_row = d->weight_stride[1];
        t.tile.weights_channel = d->weight_stride[2];
    }
    t.dst = (char *)job->args->dst + (origin.n * d->dst_stride[0] + oc * d->dst_stride[1] +
                                      origin.y * d->dst_stride[2]) * bytes;
    if (d->has_residual)
        t.residual = (const char *)job->args->residual +
                     ((origin.n * d->oc + oc) * plane + origin.y * p->ow) * bytes;
    fc_split(job->tiles, job->parts, index / all, &t.from, &t.to);
    fc_split(job->panels, job->chunks, chunk % job->chunks, &t.begin, &t.end);
    const int64_t first = t.begin * job->width;
    const int64_t count = fc_min64(t.end * job->width, job->list - job->rest) - first;
    if (job->in_place) {
        const fc_pixel_place at = fc_pointwise_place(job, t.list, first);
        t.whole = count / job->width;
        t.src = fc_conv_src_at(p, job->args->src, at.n, t.group * job->icg, at.y * d->stride_h, at.x);
    }
    const bool has_rest = job->rest && t.end == job->panels;
    if (job->by_rows)
        fc_pointwise_copy_rows(job, t.list, t.group, first, count + (has_rest ? job->rest : 0), panels);
    else if (count > t.whole * job->width)
        fc_pointwise_copy_panels(job, t.list, t.group, first + t.whole * job->width,
                                 count - t.whole * job->width, job->width, p->kernels->vlen, panels);

    if (has_rest) {
        char *rest = panels + (job->by_rows ? (size_t)(count * bytes) : job->panels_bytes);
        if (!job->by_rows)
            fc_pointwise_copy_panels(job, t.list, t.group, first + count, job->rest, job->rest,
                                     job->rest, rest);
        t.rest = rest;
    }

    t.sums = panels + (job->worker_bytes - job->sums_bytes);
    const int64_t together = job->block > 1 ? job->block : rest_tiles(job);
    for (int64_t i = t.from; i < t.to; i += job->block) {
        const int64_t end = fc_min64(i + job->block, t.to);
        for (int64_t j = t.begin; j < t.end; j++) compute_panel(job, &t, j, i, end);
        const int64_t done = (end - t.from - 1) % together + 1;
        if (t.rest && (done == together || end == t.to)) compute_rest(job, &t, end - done, end);
    }
}

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->kh != 1 || d->kw != 1) return "the window is larger than 1x1";
    if (d->pad_top || d->pad_bottom || d->pad_left || d->pad_right)
        return "padding needs the bordered strips of direct";
    if (d->dst_stride[3] != 1) return "the pixels of a row of the result lie apart";
    if (d->residual_strided) return "it takes a residual in planes alone";
    return NULL;
}

/* `rows` output channels against `vectors` of pixels, in tiles of two and a last one. */
static double tile_cost(int64_t icg, int64_t rows, int64_t vectors) {
    enum { TILE = 57, VECTOR = 2 }; /* to begin a tile; to store a vector of sums */
    const double waits = 1.03;      /* for operands, in the sum's loop */
    const int64_t least = FC_COST_LATENCY;
    const int64_t pair = fc_max64(least, 2 * rows), single = fc_max64(least, rows + 3);
    return (double)(vectors / 2) * (TILE + waits * (double)(icg * pair)) +
           (double)(vectors % 2) * (TILE + waits * (double)(icg * single)) +
           (double)(VECTOR * rows * vectors);
}

/* `rest` pixels by pixel_rest. */
static double rest_cost(const fc_conv_problem *p, int64_t icg, int64_t ocg, int64_t rest) {
    enum { TRANSPOSE = 6, SCATTER = 3 }; /* of a vector of weights; of a result */
    if (!rest) return 0;
    const int64_t vlen = p->kernels->vlen;
    const bool packed = p->desc.weights_prepared;
    const int64_t vectors = packed ? fc_tile_count(p) * fc_tile_lanes(p) / vlen : fc_div_up(ocg, vlen);
    /* four tiles at once have as many sums: of six rows each too few to hide the latency (Zen 3, AVX2) */
    const bool hidden = rest <= 2 && packed && !fc_pointwise_tiles_are_low(p);
    const int64_t latency = FC_COST_LATENCY / (hidden ? 4 : 2);
    const int64_t step = packed ? fc_max64(rest, latency) : fc_max64(rest + TRANSPOSE, latency);
    return (double)(vectors * icg * step) + (double)(SCATTER * ocg * rest);
}

static double cost(const fc_conv_problem *p) {
    enum { RUN = 20, COPIED_ROW = 6, COPIED_VECTOR = 4, ROW = 3, ROW_VECTOR = 5, ELEMENT = 4, FAR_ELEMENT = 12 };
    enum { FAR = 8 }; /* a step from which on each element is a line of its own, or nearly */
    enum { GROUP = 30 }; /* to begin with a group's list of pixels */
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vlen = p->kernels->vlen, icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const int64_t tiles = fc_tile_count(p), rows = fc_tile_rows(p);
    const bool whole = fc_pointwise_dst_is_flat(p);
    const int64_t list = whole ? p->oh * p->ow : p->ow, lists = whole ? 1 : p->oh;
    const int64_t rest = fc_pointwise_rest(p, icg, list), vectors = fc_div_up(list - rest, vlen);
    double sum = GROUP + (double)(tiles - 1) * tile_cost(icg, rows, vectors) +
                 tile_cost(icg, ocg - (tiles - 1) * rows, vectors) + rest_cost(p, icg, ocg, rest);
    /* what is copied: the ragged end, or everything, by rows or panels */
    const int64_t step = d->stride_w * d->src_stride[3];
    const bool in_place = fc_pointwise_reads_in_place(p, icg, tiles, list);
    if (!in_place && !fc_pointwise_src_is_flat(p)) {
        const int64_t run = fc_min64(list, p->ow), loads = step == 1 ? 1 : 2;
        const double row = step <= 2 ? (double)(ROW_VECTOR * loads * fc_div_up(run, vlen))
                                     : (double)((step <= FAR ? ELEMENT : FAR_ELEMENT) * run);
        return FC_COST_CALL + (double)(d->groups * lists) *
                                  (sum + RUN + (double)(icg * (list / run)) * (ROW + row));
    }
    const int64_t pixels = in_place ? (list - rest) % (2 * vlen) : list;
    const int64_t runs = in_place ? pixels > 0 : fc_div_up(list, 2 * vlen);
    const double moved = COPIED_VECTOR * (double)fc_div_up(pixels, vlen);
    sum += (double)runs * (RUN + (double)(COPIED_ROW * icg)) + moved * (double)icg;
    return FC_COST_CALL + (double)(d->groups * lists) * sum;
}

static void prepare(fc_conv_problem *p) { (void)p; }

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    return fc_pointwise_cut(p, threads).worker_bytes * (size_t)threads;
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    fc_pointwise_job job = fc_pointwise_cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(threads, p->desc.dtype,
                      job.lists * p->desc.groups * job.chunks * job.parts, run_task, &job);
}

const fc_conv_driver fc_conv_pointwise = {
    .algorithm = FC_ALGO_POINTWISE,
    .why = "pointwise: vectors of pixels of a plane, read where they lie, as the weights are",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_tile_weights_bytes,
    .pack = fc_tile_weights_pack,
    .packing = fc_tile_weights_packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
