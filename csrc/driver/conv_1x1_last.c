#include "conv_1x1.h"

#include "../base/cpu.h"
#include "cost.h"

typedef struct last_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *scratch;
    bool in_place;         /* src is read where it lies */
    int64_t lists, total;  /* of pixels: one, or one for each image; pixels of a list */
    int64_t tiles, chunks; /* of a list, whose tiles are dealt into chunks */
    int64_t parts;         /* pieces the weight panels are dealt into */
    int64_t piece;         /* channels */
    size_t gathered_bytes; /* of a worker */
} last_job;

/* Whether an image's pixels are equally far apart, channels side by side. */
static bool is_list(const int64_t *stride, int64_t h, int64_t w) {
    return stride[1] == 1 && (h == 1 || stride[2] == w * stride[3]);
}

/* From a pixel to the next, which of images of one pixel is the next image's. */
static int64_t pitch(const int64_t *stride, int64_t h, int64_t w) {
    return h * w == 1 ? stride[0] : stride[3];
}

/* Whether the next image's follow as another row would. */
static bool goes_on(const int64_t *stride, int64_t h, int64_t w) {
    return stride[0] == h * w * pitch(stride, h, w);
}

bool fc_1x1_is_last(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    if (!is_list(d->dst_stride, p->oh, p->ow)) return false;
    const bool alone = p->oh * p->ow == 1;
    return !d->has_residual || (is_list(d->residual_stride, p->oh, p->ow) &&
                                (alone || d->residual_stride[3] == d->dst_stride[3]));
}

static bool reads_in_place(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    return d->stride_h == 1 && d->stride_w == 1 && is_list(d->src_stride, d->ih, d->iw);
}

static bool is_one_list(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t *dst = d->dst_stride, *residual = d->residual_stride;
    return goes_on(dst, p->oh, p->ow) &&
           (!d->has_residual || (goes_on(residual, p->oh, p->ow) &&
                                 pitch(residual, p->oh, p->ow) == pitch(dst, p->oh, p->ow))) &&
           (!reads_in_place(p) || goes_on(d->src_stride, d->ih, d->iw));
}

/* Without wide tiles a step of the sum needs a line of weights for few products: pieces whose panel fills
 * half of the first-level cache. */
static int64_t piece_of(const fc_conv_problem *p) {
    const int64_t icg = p->blocking.icg, bytes = (int64_t)fc_dtype_bytes(p->desc.dtype);
    if (p->kernels->tile_pixels >= 12) return icg;
    const int64_t most = fc_max64(1, (int64_t)fc_cpu_caches()->l1d / 2 / (p->blocking.panel * bytes));
    return fc_div_up(icg, fc_div_up(icg, most));
}

static last_job cut(const fc_conv_problem *p, int threads) {
    const fc_conv_blocking *b = &p->blocking;
    const int64_t bytes = (int64_t)fc_dtype_bytes(p->desc.dtype), tile = p->kernels->tile_pixels;
    last_job job = {
        .problem = p,
        .in_place = reads_in_place(p),
        .parts = 1,
        .lists = is_one_list(p) ? 1 : p->desc.n,
        .piece = piece_of(p),
    };
    job.total = p->desc.n / job.lists * p->oh * p->ow;
    /* half the second-level cache of pixels, whole register tiles, evenly dealt */
    const int64_t pixel_bytes = (job.in_place ? job.piece : b->icg) * bytes;
    const int64_t most = fc_max64(1, (int64_t)fc_cpu_caches()->l2 / 2 / pixel_bytes / tile);
    job.tiles = fc_div_up(job.total, tile);
    job.chunks = fc_div_up(job.tiles, most);
    if (threads > 1 && job.lists * job.chunks < 4 * threads) {
        if (b->panels * b->panel_bytes > job.total * b->icg * bytes && b->panels >= threads) {
            while (job.parts < b->panels && job.lists * job.chunks * job.parts % threads) job.parts++;
        } else {
            job.chunks = fc_min64(job.tiles, fc_div_up(4 * threads, job.lists));
        }
    }
    const int64_t chunk = fc_div_up(job.tiles, job.chunks) * tile;
    if (!job.in_place) job.gathered_bytes = (size_t)fc_round_up(chunk * b->icg * bytes, FC_CACHE_LINE);
    return job;
}

/* Lines of `count` runs of elements, `step` apart, are asked for. */
static void ask_for(const void *at, int64_t count, ptrdiff_t step, int64_t elements, ptrdiff_t bytes) {
    const char *line = at;
    for (int64_t i = 0; i < count; i++, line += step * bytes)
        for (int64_t n = 0; n < elements * bytes; n += FC_CACHE_LINE) __builtin_prefetch(line + n, 0, 2);
}

/* The next `pixels` of a panel's products, after which `tile` begins behind them. */
static void multiply_some(const fc_conv_problem *p, fc_conv_tile_args *tile, int64_t pixels) {
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(p->desc.dtype);
    fc_tile_map(p->kernels, *tile, 1, pixels);
    tile->src = (const char *)tile->src + pixels * tile->src_pixel * bytes;
    tile->dst = (char *)tile->dst + pixels * tile->dst_pixel * bytes;
    if (tile->residual) tile->residual = (const char *)tile->residual + pixels * tile->dst_pixel * bytes;
}

/* A panel's products with a piece of the depth, tile by tile, the pixels of the next one asked for: the first
 * panel finds them far away, and what the hardware foresees of so many short runs comes late. */
static void multiply_far(const fc_conv_problem *p, fc_conv_tile_args tile, int64_t count) {
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(p->desc.dtype);
    const int64_t most = p->kernels->tile_pixels;
    for (int64_t tiles = fc_div_up(count, most); tiles > 0; tiles--) {
        const int64_t pixels = fc_div_up(count, tiles), next = fc_min64(most, count - pixels);
        ask_for((const char *)tile.src + pixels * tile.src_pixel * bytes, next, tile.src_pixel, tile.run, bytes);
        multiply_some(p, &tile, pixels);
        count -= pixels;
    }
}

/* The same of pixels that are near. Residuals are asked for beforehand, and the last tiles ask for the weights
 * that follow, a line of a step each. */
static void multiply(const fc_conv_problem *p, fc_conv_tile_args tile, int64_t count, bool next) {
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(p->desc.dtype), line = FC_CACHE_LINE / bytes;
    const int64_t lines = next ? fc_max64(1, p->blocking.panel / line) : 0;
    if (tile.residual) ask_for(tile.residual, count, tile.dst_pixel, tile.lanes, bytes);
    for (int64_t left = lines; left >= 0; left--) {
        /* all but the last few tiles; then one after the other */
        const int64_t pixels = fc_max64(0, count - left * p->kernels->tile_pixels);
        if (!pixels) continue;
        tile.ahead = left < lines ? p->blocking.panel_bytes / bytes + (lines - 1 - left) * line : 0;
        multiply_some(p, &tile, pixels);
        count -= pixels;
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const last_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const fc_args *args = job->args;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(d->dtype);
    const int64_t image = task / job->parts / job->chunks; /* the list's, or 0 */
    int64_t first, count;
    fc_split(job->tiles, job->chunks, task / job->parts % job->chunks, &first, &count);
    first *= p->kernels->tile_pixels;
    count = fc_min64(count * p->kernels->tile_pixels, job->total) - first;
    char *gathered = job->scratch + (size_t)worker * job->gathered_bytes;
    int64_t begin, end;
    fc_split(b->panels, job->parts, task % job->parts, &begin, &end);
    for (int64_t group = 0; group < d->groups; group++) {
        fc_conv_tile_args tile = {
            .src_pixel = job->in_place ? pitch(d->src_stride, d->ih, d->iw) : b->icg,
            .dst_pixel = pitch(d->dst_stride, p->oh, p->ow),
            .count = {1, 1, 1},
        };
        const char *src = gathered;
        if (job->in_place)
            src = (const char *)args->src +
                  (image * d->src_stride[0] + first * tile.src_pixel + group * b->icg) * bytes;
        else
            fc_1x1_gather(p, args->src, group, image * job->total + first, count, b->icg, gathered);
        for (int64_t k = 0; k < b->icg; k += job->piece) {
            tile.src = src + k * bytes;
            tile.run = fc_min64(job->piece, b->icg - k);
            tile.accumulate = k > 0;
            const bool finishes = k + tile.run == b->icg;
            tile.activation = finishes ? d->activation : FC_ACT_NONE;
            for (int64_t i = begin; i < end; i++) {
                const fc_panel panel = fc_panel_at(p, args->packed, group, i);
                const int64_t at = first * tile.dst_pixel + panel.oc;
                tile.panels = panel.vectors;
                tile.lanes = panel.lanes;
                tile.weights = (const char *)panel.weights + k * panel.vectors * p->kernels->vlen * bytes;
                tile.dst = (char *)args->dst + (image * d->dst_stride[0] + at) * bytes;
                if (finishes && d->has_bias) tile.bias = (const char *)args->bias + panel.oc * bytes;
                if (finishes && d->has_residual)
                    tile.residual = (const char *)args->residual + (image * d->residual_stride[0] + at) * bytes;
                if (i == begin && job->in_place)
                    multiply_far(p, tile, count);
                else
                    multiply(p, tile, count, i + 1 < end);
            }
        }
    }
}

size_t fc_1x1_last_scratch_bytes(const fc_conv_problem *p, int threads) {
    return cut(p, threads).gathered_bytes * (size_t)threads;
}

void fc_1x1_last_execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    last_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(threads, p->desc.dtype, job.lists * job.chunks * job.parts, run_task, &job);
}

double fc_1x1_last_cost(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t icg = d->ic / d->groups, pixels = p->oh * p->ow;
    double gathered = 0;
    if (!reads_in_place(p))
        gathered = (double)p->oh * FC_COST_STRIP_ROW + fc_cost_pack_pixels(p, icg, pixels, d->stride_w);
    return FC_COST_CALL + (double)d->groups * (gathered + fc_cost_conv_tiles(p, 1, pixels, icg) +
                                               fc_cost_unpack_pixels(p) + fc_cost_pack_weights(p, icg));
}
