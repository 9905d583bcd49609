/* gradient_tiles.c: a task of a weight gradient by register tiles: packs, fills strips, sums, unpacks. */
#include "gradient_tiles.h"

enum { ROWS_AT_ONCE = 32 }; /* of channels side by side, into all panels */

static size_t worker_bytes(const fc_gradient_job *job) {
    return job->diff_bytes + job->strip_bytes + job->sum_bytes + job->stage_bytes;
}

/* ---- a task --------------------------------------------------------------------------------------- */

/* Rows of channels to where they lie close together. */
static void stage_rows(const fc_gradient_job *job, fc_pack_pixels_args *pack, char *stage) {
    const fc_kernels *k = job->problem->kernels;
    const fc_border_rows_args rows = {
        .src = pack->src,
        .dst = stage,
        .rows = pack->channels,
        .cols = pack->pixels,
        .last = pack->pixels,
        .src_row = pack->channel_stride,
        .dst_row = fc_gradient_stage_pitch(pack->pixels),
        .step = pack->pixel_stride,
        .ahead = pack->pixels * pack->pixel_stride, /* the next chunk */
    };
    k->border_rows(&rows);
    pack->src = stage;
    pack->pixel_stride = 1;
    pack->channel_stride = rows.dst_row;
}

/* `run` pixels of panels [from, to), of which `src` is the first of the first, `size` elements apart in
 * `diff`. */
static void pack_run(const fc_gradient_job *job, int64_t from, int64_t to, const char *src, int64_t run,
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
static void pack_diff(const fc_gradient_job *job, int64_t group, int64_t from, int64_t to,
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
static void run_rows(const fc_gradient_job *job, fc_conv_tile_args tile, const char *strip, int64_t channel,
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
            const int64_t parts = fc_div_up(taps, fc_gradient_row_taps(p->kernels));
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
static void run_tiles(const fc_gradient_job *job, fc_gradient_chunk chunk, const char *strip,
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
        if (p->swapped) {
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
static void unpack_sums(const fc_gradient_job *job, int64_t group, int64_t from, int64_t to, int64_t first,
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
static const char *lines_at(const fc_gradient_job *job, int64_t group, int64_t line, int64_t lines,
                            fc_gradient_chunk chunk, char *strip) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t each = job->cut.form == FC_GRADIENT_GATHERED ? 1 : job->cut.channel_lines;
    const int64_t first = line / each, last = (line + lines - 1) / each;
    if (job->cut.in_place) return fc_gradient_find(p, job->args->src, group, first, chunk);
    fc_gradient_fill(p, &job->cut, job->args->src, group, first, last - first + 1, chunk, strip);
    return strip;
}

static void run_task(void *context, int64_t task, int worker) {
    const fc_gradient_job *job = context;
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    char *diff = job->scratch + (size_t)worker * worker_bytes(job);
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
        if (p->swapped) {
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
        if (!p->swapped) unpack_sums(job, group, from, to, line, lines, panel_sums, sums);
    }
}

size_t fc_gradient_tiles_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    const fc_gradient_job job = fc_gradient_job_make(p, threads);
    return (size_t)threads * worker_bytes(&job);
}

void fc_gradient_tiles_execute(const fc_weight_gradient_problem *p, const fc_args *args, void *scratch,
                               int threads) {
    fc_gradient_job job = fc_gradient_job_make(p, threads);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype,
                      p->desc.groups * job.panel_parts * job.line_parts, run_task, &job);
}
