/* conv_weight_gradient.c: the gradient of a convolution by its weights, with the register tile of the
 * convolution itself.
 *
 *   diff_dst --pack_pixels--> panels [pixel][output channels]        second-level cache
 *   src --border_rows--> strip of up to 14 lines (gradient_strip.h)  first-level cache
 *   strip x panel --conv_tile--> sums [panel][line][tap][output channels]
 *   sums --unpack_pixels--> dense OIHW, at the end; transposed, the sums are the result
 *
 * conv_tile's "pixels" are lines here, and its sum runs over the pixels of the result, chunk after chunk,
 * in order of (image, row, column): one chain of multiply-adds for each weight, whatever the cuts.
 *
 * Tasks divide the weights, never the sums: panels of output channels, and lines. */
#include "../base/cpu.h"
#include "gradient_dots.h"
#include "gradient_strip.h"

enum {
    MOST_PANELS = 8,   /* of a task: a strip is filled for all of them */
    FEW_LINES = 32,    /* less than this many: panels are what takes time, */
    WIDE_PANELS = 32,  /* and are read in pieces as long as can be */
    ROWS_AT_ONCE = 32  /* of channels side by side, into all panels */
};

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
    bool staged;               /* diff_dst is copied to lie closer before it is packed */
    size_t diff_bytes, stage_bytes, strip_bytes, sum_bytes;
} gradient_job;

/* Pixels of a chunk: panels in a third of the second-level cache, and a tile's lines in half of the first. */
static int64_t chunk_pixels(const fc_weight_gradient_problem *p, int64_t panels) {
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const int64_t columns = 2 * p->kernels->vlen * panels;
    const int64_t far = (int64_t)fc_cpu_caches()->l2 / 3 / (columns * bytes);
    const int64_t near = (int64_t)fc_cpu_caches()->l1d / 2 / (p->kernels->tile_pixels * bytes);
    return fc_max64(64, fc_min64(far, near));
}

/* ---- which form of lines -------------------------------------------------------------------------- */

/* Most columns of the kernel in a tile of two of its rows. */
static int64_t row_taps(const fc_kernels *k) { return k->tile_pixels / 2; }

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
    const int64_t parts = fc_div_up(beside, row_taps(k));
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

/* Pointwise, rows that follow each other are one row, and so are images. */
static void join_rows(fc_weight_gradient_problem *p) {
    fc_conv2d_weight_gradient_desc *d = &p->desc;
    if (d->kh != 1 || d->kw != 1 || d->stride_h != 1 || d->stride_w != 1 || d->pad_top ||
        d->pad_bottom || d->pad_left || d->pad_right)
        return;
    int64_t *src = d->src_stride, *diff = d->diff_dst_stride;
    if (src[2] == d->iw * src[3] && diff[2] == d->iw * diff[3]) {
        d->iw *= d->ih;
        d->ih = 1;
    }
    if (d->ih == 1 && d->n > 0 && src[0] == d->iw * src[3] && diff[0] == d->iw * diff[3]) {
        d->iw *= d->n;
        d->n = 1;
    }
    p->oh = d->ih;
    p->ow = d->iw;
}

void fc_weight_gradient_prepare(fc_weight_gradient_problem *p) {
    join_rows(p);
    const int64_t ocg = p->desc.oc / p->desc.groups, vlen = p->kernels->vlen;
    const double filled = (double)p->ow / (double)fc_round_up(p->ow, vlen);
    /* a tile one vector wide is bound by loads; the other kernel by rows that do not fill vectors */
    const int64_t *src = p->desc.src_stride;
    const bool beside = src[3] != 1 && src[1] == 1 && p->desc.ic > p->desc.groups;
    p->dots = !p->desc.transposed && !beside && 1.3 * (double)ocg < filled * (double)vlen &&
              fc_gradient_dots_fit(p);
}

/* ---- how a call is cut ---------------------------------------------------------------------------- */

static int64_t most_lines(const gradient_job *job, int64_t parts) {
    return fc_div_up(job->cut.lines, parts);
}

/* Into how many parts panels and lines are dealt: the fewest that leave the busiest thread with least. */
static void deal(gradient_job *job, int64_t groups, int threads) {
    const fc_kernels *k = job->problem->kernels;
    const bool wide = job->problem->desc.transposed && job->cut.lines < FEW_LINES;
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

/* Of a staged channel: off the powers of two. */
static int64_t stage_pitch(int64_t pixels) { return fc_round_up(pixels, 16) + 16; }

static gradient_job job_make(const fc_weight_gradient_problem *p, int threads) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    gradient_job job = {.problem = p, .icg = d->ic / d->groups, .ocg = d->oc / d->groups};
    job.columns = job.ocg <= p->kernels->vlen ? p->kernels->vlen : 2 * p->kernels->vlen;
    job.panels = fc_div_up(job.ocg, job.columns);
    const fc_gradient_form form = choose_form(p);
    const bool in_place = form != FC_GRADIENT_GATHERED && readable_in_place(p);
    job.cut = fc_gradient_cut_make(p, 1, form, in_place); /* its lines */
    deal(&job, d->groups, threads);
    job.task_panels = fc_div_up(job.panels, job.panel_parts);
    job.cut = fc_gradient_cut_make(p, chunk_pixels(p, job.task_panels), form, in_place);
    const int64_t chunk = job.cut.images * job.cut.rows * job.cut.cols;
    /* sums in a quarter of the second-level cache, of whole tiles */
    const int64_t line_sums = job.cut.taps * job.task_panels * job.columns * bytes;
    const int64_t tiles = fc_max64(
        2, (int64_t)fc_cpu_caches()->l2 / 4 / (line_sums * p->kernels->tile_pixels));
    job.block = fc_min64(most_lines(&job, job.line_parts), tiles * p->kernels->tile_pixels);
    job.diff_bytes =
        (size_t)fc_round_up(chunk * job.task_panels * job.columns * bytes, FC_CACHE_LINE);
    /* lines of a tile: at worst a few of one channel and of the next */
    const int64_t lines = fc_min64(p->kernels->tile_pixels, job.block);
    const int64_t channels =
        form == FC_GRADIENT_ROWS ? fc_min64(job.icg, (lines - 1) / d->kh + 2) : lines;
    if (!in_place)
        job.strip_bytes = (size_t)fc_round_up(channels * job.cut.channel * bytes, FC_CACHE_LINE);
    if (!p->desc.transposed) job.sum_bytes = (size_t)fc_round_up(job.block * line_sums, FC_CACHE_LINE);
    job.staged = d->diff_dst_stride[3] == 1 && set_places(p, d->diff_dst_stride[1]) < 4;
    if (job.staged)
        job.stage_bytes = (size_t)fc_round_up(job.columns * stage_pitch(chunk) * bytes, FC_CACHE_LINE);
    return job;
}

static size_t worker_bytes(const gradient_job *job) {
    return job->diff_bytes + job->strip_bytes + job->sum_bytes + job->stage_bytes;
}

/* ---- a task --------------------------------------------------------------------------------------- */

/* Rows of channels to where they lie close together. */
static void stage_rows(const gradient_job *job, fc_pack_pixels_args *pack, char *stage) {
    const fc_kernels *k = job->problem->kernels;
    const fc_border_rows_args rows = {
        .src = pack->src,
        .dst = stage,
        .rows = pack->channels,
        .cols = pack->pixels,
        .last = pack->pixels,
        .src_row = pack->channel_stride,
        .dst_row = stage_pitch(pack->pixels),
        .step = 1,
        .ahead = pack->pixels, /* the next chunk */
    };
    k->border_rows(&rows);
    pack->src = stage;
    pack->channel_stride = rows.dst_row;
}

/* `run` pixels of panels [from, to), of which `src` is the first of the first, `size` elements apart in
 * `diff`. */
static void pack_run(const gradient_job *job, int64_t from, int64_t to, const char *src, int64_t run,
                     int64_t size, char *diff, char *stage) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t *stride = p->desc.diff_dst_stride, bytes = (int64_t)p->kernels->element_bytes;
    const int64_t once = stride[1] == 1 && stride[3] != 1 ? ROWS_AT_ONCE : run;
    for (int64_t x = 0; x < run; x += once)
        for (int64_t panel = from; panel < to; panel++) {
            const int64_t oc = panel * job->columns;
            fc_pack_pixels_args pack = {
                .src = src + (x * stride[3] + (oc - from * job->columns) * stride[1]) * bytes,
                .dst = diff + ((panel - from) * size + x * job->columns) * bytes,
                .channel_stride = stride[1],
                .pixel_stride = stride[3],
                .channels = fc_min64(job->columns, job->ocg - oc),
                .pixels = fc_min64(once, run - x),
                .block = job->columns,
            };
            if (job->staged) stage_rows(job, &pack, stage);
            p->kernels->pack_pixels(&pack);
        }
}

/* The gradient of the result of panels [from, to) at a chunk's pixels, pixel by pixel. */
static void pack_diff(const gradient_job *job, int64_t group, int64_t from, int64_t to,
                      fc_gradient_chunk chunk, char *diff, char *stage) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t *stride = p->desc.diff_dst_stride, bytes = (int64_t)p->kernels->element_bytes;
    /* rows that follow each other are one */
    const bool joined = chunk.cols == p->ow && stride[2] == p->ow * stride[3];
    const int64_t runs = joined ? 1 : chunk.rows, run = chunk.rows * chunk.cols / runs;
    const int64_t oc = group * job->ocg + from * job->columns;
    for (int64_t n = 0; n < chunk.images; n++)
        for (int64_t r = 0; r < runs; r++) {
            const char *src = (const char *)job->args->diff_dst +
                              ((chunk.n + n) * stride[0] + oc * stride[1] +
                               (chunk.y + r) * stride[2] + chunk.x * stride[3]) *
                                  bytes;
            pack_run(job, from, to, src, run, chunk.images * chunk.rows * chunk.cols * job->columns,
                     diff + (n * runs + r) * run * job->columns * bytes, stage);
        }
}

/* `count` pairs of lines, or one line, under the columns of the kernel: row r of a tile is a line, its
 * pixels are taps. `lines` are numbered over the group; the strip begins with channel `channel`. */
static void run_rows(const gradient_job *job, fc_conv_tile_args tile, const char *strip, int64_t channel,
                     int64_t line, int64_t count, char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const fc_gradient_cut *cut = &job->cut;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, kh = d->kh, n = job->columns;
    /* taps `every` apart lie in one phase, evenly */
    int64_t every = 1;
    while (every < d->kw && every * d->dilation_w % d->stride_w) every++;
    for (int64_t i = 0; i < count; i += 2) {
        const int64_t at = line + i, next = fc_min64(at + 1, line + count - 1);
        const int64_t from = (at / kh - channel) * cut->channel;
        const int64_t to = (next / kh - channel) * cut->channel;
        tile.rows = next > at ? 2 : 1;
        tile.dst_row = d->kw * n;
        for (int64_t phase = 0; phase < fc_min64(every, d->kw); phase++) {
            const int64_t taps = (d->kw - 1 - phase) / every + 1;
            const int64_t parts = fc_div_up(taps, row_taps(p->kernels));
            for (int64_t part = 0; part < parts; part++) {
                int64_t begin, end;
                fc_split(taps, parts, part, &begin, &end);
                const int64_t b = phase + begin * every;
                const int64_t first = from + fc_gradient_tap(p, cut, at % kh, b);
                tile.cols = (int)(end - begin);
                tile.src_row = to + fc_gradient_tap(p, cut, next % kh, b) - first;
                tile.src_pixel = every * d->dilation_w / d->stride_w;
                tile.dst_pixel = every * n;
                tile.src = strip + first * bytes;
                tile.dst = sums + (i * d->kw + b) * n * bytes;
                p->kernels->conv_tile(&tile);
            }
        }
    }
}

/* `lines` lines from line `line` of the group under all their taps; `strip` begins with the first one's
 * channel, `sums` are the first line's of the first panel. */
static void run_tiles(const gradient_job *job, fc_gradient_chunk chunk, const char *strip,
                      const char *diff, int64_t from, int64_t panels, int64_t line, int64_t lines,
                      int64_t panel_sums, bool begun, char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const fc_gradient_cut *cut = &job->cut;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, kw = p->desc.kw;
    const int64_t pixels = chunk.images * chunk.rows * chunk.cols;
    fc_conv_tile_args tile = {
        .src_pixel = cut->channel,
        .dst_pixel = cut->taps * job->columns,
        .rows = 1,
        .cols = (int)lines,
        .panels = (int)(job->columns / p->kernels->vlen),
        .lanes = (int)job->columns,
        .accumulate = begun,
        .count = {1, 1, 1},
        .run = pixels,
    };
    if (cut->form != FC_GRADIENT_GATHERED) {
        tile.count[0] = chunk.images;
        tile.count[1] = chunk.rows;
        tile.step[0] = cut->image;
        tile.step[1] = cut->row;
        tile.run = chunk.cols;
    }
    for (int64_t panel = 0; panel < panels; panel++) {
        char *to = sums + panel * panel_sums * bytes;
        if (p->desc.transposed) {
            tile.dst_pixel = p->desc.oc;
            tile.lanes = (int)fc_min64(job->columns, p->desc.oc - (from + panel) * job->columns);
        }
        tile.weights = diff + panel * pixels * job->columns * bytes;
        if (cut->form == FC_GRADIENT_ROWS) {
            run_rows(job, tile, strip, line / p->desc.kh, line, lines, to);
            continue;
        }
        for (int64_t tap = 0; tap < cut->taps; tap++) {
            const int64_t at = cut->form == FC_GRADIENT_GATHERED
                                   ? 0
                                   : fc_gradient_tap(p, cut, tap / kw, tap % kw);
            tile.src = strip + at * bytes;
            tile.dst = to + tap * job->columns * bytes;
            p->kernels->conv_tile(&tile);
        }
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

/* The channels of these lines, in the source or the strip. */
static const char *lines_at(const gradient_job *job, int64_t group, int64_t line, int64_t lines,
                            fc_gradient_chunk chunk, char *strip) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t each = job->cut.form == FC_GRADIENT_GATHERED ? 1 : job->cut.channel_lines;
    const int64_t first = line / each, last = (line + lines - 1) / each;
    if (job->cut.in_place) return fc_gradient_find(p, job->args->src, group, first, chunk);
    fc_gradient_fill(p, &job->cut, job->args->src, group, first, last - first + 1, chunk, strip);
    return strip;
}

static void run_task(void *context, int64_t task, int worker) {
    const gradient_job *job = context;
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    char *diff = job->scratch +
                 (size_t)worker * worker_bytes(job);
    char *strip = diff + job->diff_bytes, *sums = strip + job->strip_bytes;
    char *stage = sums + job->sum_bytes;
    const int64_t parts = job->panel_parts * job->line_parts, group = task / parts;
    int64_t from, to, first, last;
    fc_split(job->panels, job->panel_parts, task % parts / job->line_parts, &from, &to);
    fc_split(job->cut.lines, job->line_parts, task % job->line_parts, &first, &last);

    const int64_t chunks = fc_gradient_chunks(p, &job->cut);
    const int64_t blocks = fc_div_up(last - first, job->block);
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin, end;
        fc_split(last - first, blocks, b, &begin, &end);
        const int64_t line = first + begin, lines = end - begin;
        int64_t panel_sums = lines * job->cut.taps * job->columns, line_sums = job->cut.taps * job->columns;
        char *to_sums = sums;
        if (p->desc.transposed) {
            panel_sums = job->columns;
            line_sums = p->desc.oc;
            to_sums = (char *)job->args->dst + (line * p->desc.oc + from * job->columns) * bytes;
        }
        const int64_t tiles = fc_div_up(lines, p->kernels->tile_pixels);
        for (int64_t c = 0; c < chunks; c++) {
            const fc_gradient_chunk chunk = fc_gradient_chunk_at(p, &job->cut, c);
            if (b == 0 || chunks > 1) pack_diff(job, group, from, to, chunk, diff, stage);
            for (int64_t t = 0; t < tiles; t++) {
                int64_t low, high;
                fc_split(lines, tiles, t, &low, &high);
                run_tiles(job, chunk, lines_at(job, group, line + low, high - low, chunk, strip), diff,
                          from, to - from, line + low, high - low, panel_sums, c > 0,
                          to_sums + low * line_sums * bytes);
            }
        }
        if (!p->desc.transposed) unpack_sums(job, group, from, to, line, lines, panel_sums, sums);
    }
}

size_t fc_weight_gradient_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    if (p->dots) return fc_gradient_dots_scratch_bytes(p, threads);
    const gradient_job job = job_make(p, threads);
    return (size_t)threads * worker_bytes(&job);
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
