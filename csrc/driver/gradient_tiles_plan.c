/* gradient_tiles_plan.c: which form the lines of a weight gradient have, and how it is cut into tasks and
 * chunks. */
#include "../base/cpu.h"
#include "gradient_tiles.h"

enum {
    MOST_PANELS = 8, /* of a task: a strip is filled for all of them */
    FEW_LINES = 32,  /* less than this many: panels are what takes time, */
    WIDE_PANELS = 32 /* and are read in pieces as long as can be */
};

/* Pixels of a chunk: panels in a third of the second-level cache, and a tile's lines in half of the first. */
static int64_t chunk_pixels(const fc_weight_gradient_problem *p, int64_t panels) {
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const int64_t columns = 2 * p->kernels->vlen * panels;
    const int64_t far = (int64_t)fc_cpu_caches()->l2 / 3 / (columns * bytes);
    const int64_t near = (int64_t)fc_cpu_caches()->l1d / 2 / (p->kernels->tile_pixels * bytes);
    return fc_max64(64, fc_min64(far, near));
}

/* ---- which form of lines -------------------------------------------------------------------------- */

/* What a run of `cols` pixels takes in half cycles against `panels` panels, by tiles of `rows` lines. */
static double tile_cost(double rows, double cols, double panels) {
    enum { LATENCY = 4, BEGIN = 24 };
    return panels * (2 * (rows < LATENCY ? LATENCY : rows) * cols + BEGIN);
}

static double fill_cost(const fc_kernels *k, double lines, int64_t cols, int64_t step) {
    enum { ROW = 30, VECTOR = 16, ELEMENT = 4 };
    const double vectors = (double)fc_div_up(cols, k->vlen);
    return lines * (ROW + (step == 1   ? VECTOR * vectors
                           : step == 2 ? 1.5 * VECTOR * vectors
                                       : ELEMENT * (double)cols));
}

/* The form that takes least, for a row of a chunk. */
static fc_gradient_form choose_form(const fc_weight_gradient_problem *p) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const fc_kernels *k = p->kernels;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, taps = d->kh * d->kw;
    const int64_t pixels = chunk_pixels(p, fc_min64(MOST_PANELS, fc_div_up(ocg, 2 * k->vlen)));
    const fc_gradient_cut cut = fc_gradient_cut_make(p, pixels, FC_GRADIENT_CHANNELS, false);
    if (cut.channel > 8 * pixels) return FC_GRADIENT_GATHERED; /* mostly border, or read by no tap */
    const double panels = (double)fc_div_up(ocg, k->vlen) / 2, cols = (double)cut.cols;
    const double rows =
        (double)(cut.phases_h * cut.phases_w * cut.phase_rows) / (double)cut.rows;
    const int64_t step =
        d->src_stride[3] == 1 || d->src_stride[3] == -1 ? d->stride_w : 3;
    const double fill = fill_cost(k, (double)icg * rows, cut.row, step);
    const int64_t tiles = fc_div_up(icg, k->tile_pixels);
    const double by_channels =
        fill + (double)(tiles * taps) * tile_cost((double)icg / (double)tiles, cols, panels);
    /* columns of one phase are evenly apart */
    const int64_t beside = fc_div_up(d->kw, fc_min64(d->stride_w, d->kw));
    const int64_t parts = fc_div_up(beside, fc_gradient_row_taps(k));
    const double by_rows = fill + (double)(fc_div_up(icg * d->kh, 2) * d->kw) / (double)beside *
                                      (double)parts *
                                      tile_cost(2 * (double)beside / (double)parts, cols, panels);
    const int64_t all = fc_div_up(icg * taps, k->tile_pixels);
    const double gathered = fill_cost(k, (double)(icg * taps), cut.cols, step) +
                            (double)all * tile_cost((double)(icg * taps) / (double)all, cols, panels);
    if (gathered < by_channels && gathered < by_rows) return FC_GRADIENT_GATHERED;
    return by_rows < by_channels ? FC_GRADIENT_ROWS : FC_GRADIENT_CHANNELS;
}

/* Places that rows so far apart take among the sets of the first-level cache, 4 standing for any more. */
static int set_places(const fc_weight_gradient_problem *p, int64_t stride) {
    uint64_t apart = (uint64_t)stride * (uint64_t)p->kernels->element_bytes % 4096;
    int places = 1;
    while (apart && places < 4) places *= 2, apart = 2 * apart % 4096;
    return places;
}

/* Whether taps may read the source where it lies: no border, pixels side by side, and the channels of a
 * tile not all in the same few sets of the first-level cache. */
static bool readable_in_place(const fc_weight_gradient_problem *p) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    if (d->pad_top || d->pad_bottom || d->pad_left || d->pad_right || d->stride_w != 1 ||
        d->src_stride[3] != 1)
        return false;
    return set_places(p, d->src_stride[1]) >= 4 || d->ic / d->groups <= 4;
}

/* ---- how a call is cut ---------------------------------------------------------------------------- */

static int64_t most_lines(const fc_gradient_job *job, int64_t parts) {
    return fc_div_up(job->cut.lines, parts);
}

/* Into how many parts panels and lines are dealt: the fewest that leave the busiest thread with least. */
static void deal(fc_gradient_job *job, int64_t groups, int threads) {
    const fc_kernels *k = job->problem->kernels;
    const bool wide = job->problem->swapped && job->cut.lines < FEW_LINES;
    const int64_t least = fc_div_up(job->panels, wide ? WIDE_PANELS : MOST_PANELS);
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

fc_gradient_job fc_gradient_job_make(const fc_weight_gradient_problem *p, int threads) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    fc_gradient_job job = {.problem = p, .icg = d->ic / d->groups, .ocg = d->oc / d->groups};
    job.columns = job.ocg <= p->kernels->vlen ? p->kernels->vlen : 2 * p->kernels->vlen;
    job.panels = fc_div_up(job.ocg, job.columns);
    const fc_gradient_form form = choose_form(p);
    const bool in_place = form != FC_GRADIENT_GATHERED && readable_in_place(p);
    job.cut = fc_gradient_cut_make(p, 1, form, in_place); /* its lines */
    deal(&job, d->groups, threads);
    job.task_panels = fc_div_up(job.panels, job.panel_parts);
    job.cut = fc_gradient_cut_make(p, chunk_pixels(p, job.task_panels), form, in_place);
    const int64_t chunk = job.cut.images * job.cut.rows * job.cut.cols;
    /* Sums in the second-level cache, of whole tiles. They are continued once for each chunk of hundreds of
     * pixels, so that they may well leave it; for each block all chunks are packed anew. */
    const int64_t line_sums = job.cut.taps * job.task_panels * job.columns * bytes;
    const int64_t tiles = fc_max64(
        2, (int64_t)fc_cpu_caches()->l2 / (line_sums * p->kernels->tile_pixels));
    job.block = fc_min64(most_lines(&job, job.line_parts), tiles * p->kernels->tile_pixels);
    job.diff_bytes =
        (size_t)fc_round_up(chunk * job.task_panels * job.columns * bytes, FC_CACHE_LINE);
    /* lines of a tile: at worst a few of one channel and of the next */
    const int64_t lines = fc_min64(p->kernels->tile_pixels, job.block);
    const int64_t channels =
        form == FC_GRADIENT_ROWS ? fc_min64(job.icg, (lines - 1) / d->kh + 2) : lines;
    if (!in_place)
        job.strip_bytes = (size_t)fc_round_up(channels * job.cut.channel * bytes, FC_CACHE_LINE);
    if (!p->swapped) job.sum_bytes = (size_t)fc_round_up(job.block * line_sums, FC_CACHE_LINE);
    const int64_t apart = d->diff_dst_stride[3];
    job.staged = (apart == 1 || apart == 2) && set_places(p, d->diff_dst_stride[1]) < 4;
    if (job.staged)
        job.stage_bytes =
            (size_t)fc_round_up(job.columns * fc_gradient_stage_pitch(chunk) * bytes, FC_CACHE_LINE);
    return job;
}
