/* conv_weight_gradient.c: the gradient of a convolution by its weights, with the register tile of the
 * convolution itself.
 *
 *   diff_dst --pack_pixels--> panels [pixel][output channels]        second-level cache
 *   src --border_rows--> strip of up to 14 lines (gradient_strip.h)  first-level cache
 *   strip x panel --conv_tile--> sums [panel][line][tap][output channels]
 *   sums --unpack_pixels--> dense OIHW, at the end
 *
 * conv_tile's "pixels" are lines here, and its sum runs over the pixels of the result, chunk after chunk,
 * in order of (image, row, column): one chain of multiply-adds for each weight, whatever the cuts.
 *
 * Tasks divide the weights, never the sums: panels of output channels, and lines. */
#include "../base/cpu.h"
#include "gradient_dots.h"
#include "gradient_strip.h"

enum { MOST_PANELS = 8 }; /* of a task: a strip is filled for all of them */

typedef struct gradient_job {
    const fc_weight_gradient_problem *problem;
    const fc_args *args;
    char *scratch;
    fc_gradient_cut cut;
    int64_t icg, ocg;
    int64_t columns, panels;   /* output channels of a whole panel, panels of a group */
    int64_t panel_parts, line_parts;
    int64_t task_panels;       /* of the largest task */
    int64_t block;             /* lines whose sums are kept together, by task */
    size_t diff_bytes, strip_bytes, sum_bytes;
} gradient_job;

/* Pixels of a chunk: panels in a third of the second-level cache, and a tile's lines in half of the first. */
static int64_t chunk_pixels(const fc_weight_gradient_problem *p, int64_t panels) {
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const int64_t columns = 2 * p->kernels->vlen * panels;
    const int64_t far = (int64_t)fc_cpu_caches()->l2 / 3 / (columns * bytes);
    const int64_t near = (int64_t)fc_cpu_caches()->l1d / 2 / (p->kernels->tile_pixels * bytes);
    return fc_max64(64, fc_min64(far, near));
}

/* ---- which form of strip -------------------------------------------------------------------------- */

/* What a row of `cols` pixels takes in half cycles, for `lines` lines under all their taps: the tiles,
 * balanced, against `panels` panels; and to begin with a run of pixels. */
static double tiles_cost(const fc_kernels *k, int64_t lines, double taps, double cols, double panels,
                         double begin) {
    enum { LATENCY = 4 };
    const int64_t tiles = fc_div_up(lines, k->tile_pixels);
    const double rows = (double)fc_max64(fc_div_up(lines, tiles), LATENCY);
    return (double)tiles * taps * panels * (2 * rows * cols + begin);
}

static double fill_cost(const fc_kernels *k, double lines, double cols, int64_t step) {
    enum { ROW = 10, VECTOR = 6, ELEMENT = 4 };
    const double vectors = (double)fc_div_up((int64_t)cols, k->vlen);
    return lines * (ROW + (step == 1 ? VECTOR * vectors : step == 2 ? 2 * VECTOR * vectors : ELEMENT * cols));
}

static bool choose_gathered(const fc_weight_gradient_problem *p) {
    enum { BEGIN = 24 }; /* half cycles of a run */
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const fc_kernels *k = p->kernels;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, taps = d->kh * d->kw;
    if (taps == 1) return true;
    const int64_t pixels = chunk_pixels(p, fc_min64(MOST_PANELS, fc_div_up(ocg, 2 * k->vlen)));
    const fc_gradient_cut shifted = fc_gradient_cut_make(p, pixels, false);
    if (shifted.line > 8 * pixels) return true; /* mostly border, or pixels that no tap reads */
    const double panels = (double)ocg / (double)(2 * k->vlen), cols = (double)shifted.cols;
    const double rows = (double)(shifted.phases_h * shifted.phases_w * shifted.phase_rows) /
                        (double)shifted.rows;
    const int64_t step = d->stride_w * (d->src_stride[3] < 0 ? -d->src_stride[3] : d->src_stride[3]);
    const double as_shifted = tiles_cost(k, icg, (double)taps, cols, panels, BEGIN) +
                              fill_cost(k, (double)icg * rows, (double)shifted.pitch, step);
    const double as_gathered = tiles_cost(k, icg * taps, 1, cols, panels, 0) +
                               fill_cost(k, (double)(icg * taps), cols, step);
    return as_gathered < as_shifted;
}

void fc_weight_gradient_prepare(fc_weight_gradient_problem *p) {
    const int64_t ocg = p->desc.oc / p->desc.groups, vlen = p->kernels->vlen;
    const double filled = (double)p->ow / (double)fc_round_up(p->ow, vlen);
    /* a tile one vector wide is bound by loads; the other kernel by rows that do not fill vectors */
    p->dots = 1.3 * (double)ocg < filled * (double)vlen && fc_gradient_dots_fit(p);
}

/* ---- how a call is cut ---------------------------------------------------------------------------- */

/* Lines of one channel stay together. */
static int64_t most_lines(const gradient_job *job, int64_t parts) {
    return fc_div_up(job->cut.lines, parts);
}

/* Into how many parts panels and lines are dealt: the fewest that leave the busiest thread with least. */
static void deal(gradient_job *job, int64_t groups, int threads) {
    const fc_kernels *k = job->problem->kernels;
    const int64_t least = fc_div_up(job->panels, MOST_PANELS);
    const int64_t tiles = fc_div_up(job->cut.lines, k->tile_pixels);
    job->panel_parts = least;
    job->line_parts = 1;
    if (threads <= 1 || groups * least >= 4 * (int64_t)threads) return;
    double best = 0;
    for (int64_t pp = least; pp <= fc_min64(job->panels, fc_max64(least, 2 * (int64_t)threads)); pp++)
        for (int64_t lp = 1; lp <= fc_min64(tiles, 2 * (int64_t)threads); lp++) {
            /* 2 %: what is packed and filled once more for each part */
            const double time = (double)fc_div_up(groups * pp * lp, threads) *
                                (double)fc_div_up(job->panels, pp) * (double)most_lines(job, lp) *
                                (1 + 0.02 * (double)(pp * lp));
            if (best != 0 && time >= best) continue;
            best = time;
            job->panel_parts = pp;
            job->line_parts = lp;
        }
}

static gradient_job job_make(const fc_weight_gradient_problem *p, int threads) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    gradient_job job = {.problem = p, .icg = d->ic / d->groups, .ocg = d->oc / d->groups};
    job.columns = job.ocg <= p->kernels->vlen ? p->kernels->vlen : 2 * p->kernels->vlen;
    job.panels = fc_div_up(job.ocg, job.columns);
    const bool gathered = choose_gathered(p);
    job.cut.lines = gathered ? job.icg * d->kh * d->kw : job.icg;
    deal(&job, d->groups, threads);
    job.task_panels = fc_div_up(job.panels, job.panel_parts);
    const int64_t pixels = chunk_pixels(p, job.task_panels);
    job.cut = fc_gradient_cut_make(p, pixels, gathered);
    const int64_t chunk = job.cut.images * job.cut.rows * job.cut.cols;
    /* sums in a quarter of the second-level cache, of whole tiles */
    const int64_t line_sums = job.cut.taps * job.task_panels * job.columns * bytes;
    const int64_t tiles = fc_max64(
        2, (int64_t)fc_cpu_caches()->l2 / 4 / (line_sums * p->kernels->tile_pixels));
    job.block = fc_min64(most_lines(&job, job.line_parts), tiles * p->kernels->tile_pixels);
    job.diff_bytes =
        (size_t)fc_round_up(chunk * job.task_panels * job.columns * bytes, FC_CACHE_LINE);
    job.strip_bytes = (size_t)fc_round_up(
        fc_min64(p->kernels->tile_pixels, job.block) * job.cut.line * bytes, FC_CACHE_LINE);
    job.sum_bytes = (size_t)fc_round_up(job.block * line_sums, FC_CACHE_LINE);
    return job;
}

/* ---- a task --------------------------------------------------------------------------------------- */

/* The gradient of the result of panels [from, to) at a chunk's pixels, pixel by pixel. */
static void pack_diff(const gradient_job *job, int64_t group, int64_t from, int64_t to,
                      fc_gradient_chunk chunk, char *diff) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t *stride = p->desc.diff_dst_stride, bytes = (int64_t)p->kernels->element_bytes;
    /* rows that follow each other are one */
    const bool joined = chunk.cols == p->ow && stride[2] == p->ow * stride[3];
    const int64_t runs = joined ? 1 : chunk.rows, run = chunk.rows * chunk.cols / runs;
    for (int64_t panel = from; panel < to; panel++) {
        const int64_t oc = panel * job->columns;
        fc_pack_pixels_args pack = {
            .dst = diff,
            .channel_stride = stride[1],
            .pixel_stride = stride[3],
            .channels = fc_min64(job->columns, job->ocg - oc),
            .pixels = run,
            .block = job->columns,
        };
        for (int64_t n = chunk.n; n < chunk.n + chunk.images; n++)
            for (int64_t r = 0; r < runs; r++) {
                pack.src = (const char *)job->args->diff_dst +
                           (n * stride[0] + (group * job->ocg + oc) * stride[1] +
                            (chunk.y + r) * stride[2] + chunk.x * stride[3]) *
                               bytes;
                p->kernels->pack_pixels(&pack);
                pack.dst = (char *)pack.dst + run * job->columns * bytes;
            }
        diff += chunk.images * chunk.rows * chunk.cols * job->columns * bytes;
    }
}

/* `lines` lines of a strip under all their taps; `sums` are the first line's of the first panel. */
static void run_tiles(const gradient_job *job, fc_gradient_chunk chunk, const char *strip,
                      const char *diff, int64_t panels, int64_t lines, int64_t panel_sums, bool begun,
                      char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const fc_gradient_cut *cut = &job->cut;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const int64_t pixels = chunk.images * chunk.rows * chunk.cols;
    fc_conv_tile_args tile = {
        .src_pixel = cut->line,
        .dst_pixel = cut->taps * job->columns,
        .rows = 1,
        .cols = (int)lines,
        .panels = (int)(job->columns / p->kernels->vlen),
        .lanes = (int)job->columns,
        .accumulate = begun,
        .count = {1, 1, 1},
        .run = pixels,
    };
    if (!cut->gathered) {
        tile.count[0] = chunk.images;
        tile.count[1] = chunk.rows;
        tile.step[0] = cut->image;
        tile.step[1] = cut->pitch;
        tile.run = chunk.cols;
    }
    for (int64_t panel = 0; panel < panels; panel++)
        for (int64_t tap = 0; tap < cut->taps; tap++) {
            const int64_t at = cut->gathered ? 0 : fc_gradient_tap(p, cut, tap);
            tile.src = strip + at * bytes;
            tile.weights = diff + panel * pixels * job->columns * bytes;
            tile.dst = sums + (panel * panel_sums + tap * job->columns) * bytes;
            p->kernels->conv_tile(&tile);
        }
}

/* Finished sums of lines [first, first + lines) into the result. */
static void unpack_sums(const gradient_job *job, int64_t group, int64_t from, int64_t to, int64_t first,
                        int64_t lines, int64_t panel_sums, const char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const int64_t depth = job->icg * p->desc.kh * p->desc.kw;
    for (int64_t panel = from; panel < to; panel++) {
        const int64_t oc = panel * job->columns;
        fc_unpack_pixels_args unpack = {
            .src = sums + (panel - from) * panel_sums * bytes,
            .dst = (char *)job->args->dst +
                   ((group * job->ocg + oc) * depth + first * job->cut.taps) * bytes,
            .src_pixel = job->columns,
            .channel_stride = depth,
            .pixel_stride = 1,
            .channels = fc_min64(job->columns, job->ocg - oc),
            .pixels = lines * job->cut.taps,
            .activation = FC_ACT_NONE,
        };
        p->kernels->unpack_pixels(&unpack);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const gradient_job *job = context;
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    char *diff = job->scratch +
                 (size_t)worker * (job->diff_bytes + job->strip_bytes + job->sum_bytes);
    char *strip = diff + job->diff_bytes, *sums = strip + job->strip_bytes;
    const int64_t parts = job->panel_parts * job->line_parts, group = task / parts;
    int64_t from, to, first, last;
    fc_split(job->panels, job->panel_parts, task % parts / job->line_parts, &from, &to);
    fc_split(job->cut.lines, job->line_parts, task % job->line_parts, &first, &last);

    const int64_t chunks = fc_gradient_chunks(p, &job->cut);
    const int64_t blocks = fc_div_up(last - first, job->block);
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin, end;
        fc_split(last - first, blocks, b, &begin, &end);
        const int64_t lines = end - begin, panel_sums = lines * job->cut.taps * job->columns;
        const int64_t tiles = fc_div_up(lines, p->kernels->tile_pixels);
        for (int64_t c = 0; c < chunks; c++) {
            const fc_gradient_chunk chunk = fc_gradient_chunk_at(p, &job->cut, c);
            if (b == 0 || chunks > 1) pack_diff(job, group, from, to, chunk, diff);
            for (int64_t t = 0; t < tiles; t++) {
                int64_t low, high;
                fc_split(lines, tiles, t, &low, &high);
                fc_gradient_fill(p, &job->cut, job->args->src, group, first + begin + low, high - low,
                                 chunk, strip);
                run_tiles(job, chunk, strip, diff, to - from, high - low, panel_sums, c > 0,
                          sums + low * job->cut.taps * job->columns * bytes);
            }
        }
        unpack_sums(job, group, from, to, first + begin, lines, panel_sums, sums);
    }
}

size_t fc_weight_gradient_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    if (p->dots) return fc_gradient_dots_scratch_bytes(p, threads);
    const gradient_job job = job_make(p, threads);
    return (size_t)threads * (job.diff_bytes + job.strip_bytes + job.sum_bytes);
}

void fc_weight_gradient_execute(const fc_weight_gradient_problem *p, const fc_args *args, void *scratch,
                                int threads) {
    if (p->dots) {
        fc_gradient_dots_execute(p, args, scratch, threads);
        return;
    }
    gradient_job job = job_make(p, threads);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype,
                      p->desc.groups * job.panel_parts * job.line_parts, run_task, &job);
}
