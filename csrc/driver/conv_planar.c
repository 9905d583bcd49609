/* conv_planar.c: convolution of planes whose pixels follow each other, by the tile whose vectors are
 * pixels: for few input channels (stems), few output channels a group, and odd counts of either.
 *
 *   src planes --copied with their border--> strip [channel][phase][row][column]   thread-private
 *   strip x weights as they lie --plane_tile, bias, residual, activation--> dst planes
 *
 * Rows and columns of the strip are dealt into the phases of the strides, so that under every tap
 * neighbouring outputs read neighbouring elements:
 *
 *   tap (a, b) of output (y, x) is padded row y*sh + a*dh, source column x*sw + e, e = b*dw - pad_left:
 *   phase (a*dh mod sh, e mod sw), row y + a*dh / sh, column x + floor(e / sw)
 *
 * Rows of a phase are `pitch` elements apart, and the zeros behind one are those before the next.
 * Vectors are laid over them
 *
 *   by rows   each row of output in vectors of its own, of whose last some lanes may be dropped; or
 *   flat      a vector goes on in the next row, but for the columns between them: 56 of 57 pixels are
 *             results rather than 56 of 64. Where none are between them, its results too go on.
 *
 * A task is a run of strips, one below the other (neighbours on two threads would write to the same
 * lines), of one group of one image, or a part of the group's output channels where the runs are too
 * few. Each sum runs over (channel, kh, kw) in this order, whatever
 * the cuts. A map of one column (a signal that stands upright) is laid on its side first. */
#include "../base/cpu.h"
#include "conv_blocked.h"
#include "cost.h"
#include "cut.h"
#include "dense_weights.h"
#include "planar_strip.h"

#include <string.h>

enum { SHORT_SUM = 80 };

/* What a worker keeps between its tasks, in front of its tables and its strip. */
typedef struct planar_worker {
    int64_t ready, rows, cols;
    fc_plane_vector *vector;
    fc_plane_piece *piece;
    int64_t vectors;
} planar_worker;

static void swap(int64_t *a, int64_t *b) {
    const int64_t t = *a;
    *a = *b;
    *b = t;
}

/* The problem with its only column as its only row: vectors lie along rows. */
static fc_conv_problem on_its_side(const fc_conv_problem *problem) {
    fc_conv_problem p = *problem;
    fc_conv2d_desc *d = &p.desc;
    if (d->iw != 1 || d->kw != 1 || p.ow != 1 || d->pad_left) return p;
    swap(&d->ih, &d->iw);
    swap(&d->kh, &d->kw);
    swap(&d->pad_top, &d->pad_left);
    swap(&d->pad_bottom, &d->pad_right);
    swap(&d->stride_h, &d->stride_w);
    swap(&d->dilation_h, &d->dilation_w);
    swap(&d->src_stride[2], &d->src_stride[3]);
    swap(&d->dst_stride[2], &d->dst_stride[3]);
    swap(&p.oh, &p.ow);
    return p;
}

static fc_planar_job begin(const fc_conv_problem *problem) {
    fc_planar_job job = {.problem = on_its_side(problem), .parts = 1, .blocks = 1};
    const fc_conv2d_desc *d = &job.problem.desc;
    job.icg = d->ic / d->groups;
    job.ocg = d->oc / d->groups;
    job.tiles = fc_div_up(job.ocg, problem->kernels->tile_pixels);
    return job;
}

/* Elements from a row of a phase to the next, so that zeros stand wherever a tap leaves the source: a
 * phase whose taps do not leave it to the left needs none there. Of very many taps none is looked at. */
static int64_t least_pitch(const fc_conv_problem *p, int64_t cols, int64_t filled) {
    enum { MOST_TAPS = 4096 };
    const fc_conv2d_desc *d = &p->desc;
    const int64_t sw = d->stride_w;
    if (d->kw > MOST_TAPS) {
        const int64_t reach = cols + fc_floor_div(fc_planar_window_cols(d) - 1 - d->pad_left, sw);
        const int64_t whole = fc_div_up(d->pad_left, sw) + fc_div_up(fc_max64(0, filled), sw);
        return fc_max64(fc_max64(whole, reach), cols);
    }
    int64_t pitch = cols;
    for (int64_t b = 0; b < d->kw; b++) {
        const int64_t e = b * d->dilation_w - d->pad_left, column = fc_floor_div(e, sw);
        const int64_t count = fc_div_up(fc_max64(0, filled - (e - column * sw)), sw);
        pitch = fc_max64(pitch, fc_max64(cols + column, count - fc_min64(0, column)));
    }
    return pitch;
}

/* Whether rows of output follow each other both in memory and in the strip: flat vectors are then whole. */
static bool is_seamless(const fc_planar_job *job) {
    const fc_conv_problem *p = &job->problem;
    return job->flat && job->pitch == p->ow && p->desc.dst_stride[2] == p->ow * p->desc.dst_stride[3];
}

/* How the columns of a block of `cols` columns of output, `blocks` in a row, lie in the strip. */
static void lay_out(fc_planar_job *job, int64_t cols, int64_t blocks) {
    const fc_conv_problem *p = &job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t sw = d->stride_w, whole = fc_round_up(cols, p->kernels->vlen);
    const int64_t reach = cols + fc_floor_div(fc_planar_window_cols(d) - 1 - d->pad_left, sw);
    job->cols = cols;
    job->blocks = blocks;
    job->lead = fc_div_up(d->pad_left, sw);
    const int64_t last = (cols - 1) * sw + fc_planar_window_cols(d) - d->pad_left;
    if (blocks > 1) /* the source's columns begin at -lead in some blocks, at 0 in the first */
        job->pitch = fc_max64(fc_max64(job->lead + fc_div_up(fc_max64(0, last), sw), reach), cols);
    else
        job->pitch = least_pitch(p, cols, fc_min64(d->iw, last));
    const int64_t line = FC_CACHE_LINE / (int64_t)fc_dtype_bytes(d->dtype);
    job->head = fc_round_up(job->lead, line);
    const int64_t flat = fc_div_up((p->oh - 1) * job->pitch + cols, p->kernels->vlen);
    const double saved = (double)(p->oh * whole / p->kernels->vlen - flat) / (double)(p->oh * whole);
    job->flat = saved > 0;
    const double spread = is_seamless(job) ? FC_COST_SPREAD / 8 : FC_COST_SPREAD;
    job->flat = saved * (double)(job->icg * d->kh * d->kw * p->kernels->vlen) > spread;
    /* rows that begin with a line: neither copies nor most loads then lie across two */
    const int64_t pitch = fc_round_up(job->pitch, line);
    if (!job->flat && pitch * 4 <= job->pitch * 5) job->pitch = pitch;
}

/* Bytes of a source row of all channels and phases of columns. */
static int64_t row_bytes(const fc_planar_job *job) {
    return job->icg * job->problem.desc.stride_w * job->pitch *
           (int64_t)fc_dtype_bytes(job->problem.desc.dtype);
}

/* Rows of output whose strip takes `bytes`, at least one. */
static int64_t rows_within(const fc_planar_job *job, int64_t bytes) {
    const fc_conv2d_desc *d = &job->problem.desc;
    return fc_max64(1, (bytes / row_bytes(job) - fc_planar_window_rows(d)) / d->stride_h + 1);
}

/* Elements copied into strips for each that one strip of the whole map would copy. */
static double copied(const fc_planar_job *job, int64_t rows) {
    const fc_conv2d_desc *d = &job->problem.desc;
    const int64_t oh = job->problem.oh, again = fc_max64(0, fc_planar_window_rows(d) - d->stride_h);
    const int64_t copies = fc_planar_src_rows(d, oh) + (fc_div_up(oh, rows) - 1) * again;
    return (double)(copies * job->blocks) * (double)job->pitch / (double)fc_planar_src_rows(d, oh) /
           (double)job->problem.ow;
}

/* Vectors of `rows` rows of output of a block. */
static int64_t vectors_of(const fc_planar_job *job, int64_t rows) {
    const int64_t vlen = job->problem.kernels->vlen;
    if (!job->flat) return rows * fc_div_up(job->cols, vlen);
    return fc_div_up((rows - 1) * job->pitch + job->cols, vlen);
}

/* The height of strips, at most `most` and more than half of it, that leaves the fewest lanes over. */
static int64_t choose_rows(const fc_planar_job *job, int64_t most) {
    const fc_conv2d_desc *d = &job->problem.desc;
    const int64_t vlen = job->problem.kernels->vlen;
    double least = 0;
    int64_t best = most;
    for (int64_t rows = most; 2 * rows > most; rows--) {
        const int64_t vectors = vectors_of(job, rows);
        /* an odd vector takes longer than half a pair; a copied one counts as four products */
        const double products = ((double)vectors + 0.25 * (double)(vectors % 2)) *
                                (double)(job->ocg * d->kh * d->kw);
        const double copies = 4.0 * (double)(fc_planar_src_rows(d, rows) * d->stride_w * job->pitch / vlen);
        const double work = (products + copies) / (double)rows;
        if (rows < most && work >= least) continue;
        least = work;
        best = rows;
    }
    return best;
}

/* The size of blocks: within the first-level cache where their borders are few, else within what the
 * weights leave of half of the second-level one, in the shape that copies least. The rows of one. */
static int64_t choose_block(fc_planar_job *job, int threads) {
    const fc_conv_problem *p = &job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t l1 = (int64_t)fc_cpu_caches()->l1d, l2 = (int64_t)fc_cpu_caches()->l2 / 2;
    const int64_t vlen = p->kernels->vlen, taps = d->kh * d->kw;
    const int64_t weights = job->ocg * job->icg * taps * (int64_t)fc_dtype_bytes(d->dtype);
    /* a signal goes to the threads in blocks of its only row */
    const bool few = d->n * d->groups * p->oh < threads;
    const int64_t several = few ? fc_max64(1, fc_min64(threads, p->ow / (8 * vlen))) : 1;
    const int64_t part = fc_round_up(fc_div_up(p->ow, several), 2 * vlen);
    lay_out(job, fc_min64(p->ow, part), fc_div_up(p->ow, part));
    if (fc_planar_src_rows(d, p->oh) * row_bytes(job) <= l1) return p->oh;
    /* a copied vector counts as four of the products that are made of it */
    const int64_t most = rows_within(job, l1);
    if (most >= fc_planar_window_rows(d) && copied(job, most) < 1 + (double)(job->ocg * taps) / 150)
        return choose_rows(job, most);
    const int64_t room = fc_max64(l2 / 2, l2 - weights);
    fc_planar_job best = *job;
    int64_t rows = rows_within(job, room);
    double least = row_bytes(job) * fc_planar_src_rows(d, rows) > 2 * room ? 1e30 : copied(job, rows);
    for (int64_t blocks = job->blocks + several; least > 1.15 && blocks <= 32; blocks += several) {
        fc_planar_job other = *job;
        const int64_t cols = fc_round_up(fc_div_up(p->ow, blocks), 2 * vlen);
        if (cols * (blocks - 1) >= p->ow) break;
        lay_out(&other, cols, blocks);
        const int64_t high = rows_within(&other, room);
        if (row_bytes(&other) * fc_planar_src_rows(d, high) > 2 * room) continue;
        if (copied(&other, high) * 1.05 >= least) continue;
        least = copied(&other, high);
        best = other;
        rows = high;
    }
    *job = best;
    return rows;
}

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static fc_planar_job cut(const fc_conv_problem *problem, int threads) {
    fc_planar_job job = begin(problem);
    const fc_conv_problem *p = &job.problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), line = FC_CACHE_LINE / bytes;
    const int64_t sw = d->stride_w, vlen = p->kernels->vlen;
    job.rows = choose_block(&job, threads);
    const int64_t maps = d->n * d->groups * job.blocks, taps = d->kh * d->kw;
    /* vector operations: of a row of output, and of the source rows that the next run copies again */
    const fc_strip_cost cost = {
        .row = (double)(job.ocg * job.icg * taps * fc_div_up(job.cols, vlen)) / 2,
        .fixed = 2.0 * (double)(job.icg * sw * job.pitch / vlen) *
                 (double)fc_max64(0, fc_planar_window_rows(d) - d->stride_h),
    };
    job.runs = fc_cut_strips(maps, p->oh, p->oh, threads, cost);
    if (maps * job.runs < threads)
        job.parts = fc_min64(job.tiles, fc_div_up(threads, maps * job.runs));
    const int64_t rows = fc_min64(job.rows, fc_div_up(p->oh, job.runs));
    job.phase = job.head + fc_div_up(fc_planar_src_rows(d, rows), d->stride_h) * job.pitch;
    /* The last vector, which reads on behind the last row. An odd number of lines, so that channels do
     * not meet in the same sets of a cache. */
    job.channel = fc_round_up(d->stride_h * sw * job.phase + vlen, 2 * line) + line;
    /* one loop for a short sum: each end of an inner one would be a branch that is not foreseen */
    job.taps = job.icg * taps <= SHORT_SUM ? job.icg * taps : taps;
    job.tap_bytes = (size_t)fc_round_up(job.taps * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    job.vectors = rows * fc_div_up(job.cols, vlen);
    job.table_bytes = (size_t)fc_round_up(
        (int64_t)sizeof(planar_worker) + job.vectors * (int64_t)sizeof(fc_plane_vector) +
            (job.vectors + rows) * (int64_t)sizeof(fc_plane_piece), FC_CACHE_LINE);
    job.worker_bytes = job.table_bytes + (size_t)fc_round_up(job.icg * job.channel * bytes, FC_CACHE_LINE);
    return job;
}

/* The worker's table of vectors over a block of `rows` x `cols` results. */
static void lay_vectors(const fc_planar_job *job, planar_worker *w, int64_t rows, int64_t cols) {
    const fc_conv_problem *p = &job->problem;
    const ptrdiff_t *stride = p->desc.dst_stride;
    const int64_t vlen = p->kernels->vlen;
    fc_plane_vector *vector = w->vector;
    fc_plane_piece *piece = w->piece;
    const bool seamless = is_seamless(job);
    for (int64_t y = 0, x = 0; y < rows; vector++) {
        vector->src_at = y * job->pitch + x;
        vector->first = piece - w->piece;
        for (int64_t lane = 0; lane < vlen && y < rows;) {
            const int64_t lanes = fc_min64(vlen - lane, cols - x);
            if (seamless && lane)
                piece[-1].lanes += lanes;
            else
                *piece++ = (fc_plane_piece){lane, lanes, y * stride[2] + x * stride[3], y * p->ow + x};
            x += lanes;
            lane += lanes;
            if (x < cols) break;
            x = 0;
            y++;
            if (!job->flat) break;
            lane += job->pitch - cols;
        }
        vector->pieces = piece - w->piece - vector->first;
    }
    w->vectors = vector - w->vector;
    w->rows = rows;
    w->cols = cols;
}

/* The worker at the beginning of its part of the scratch, and its strip. */
static planar_worker *worker_at(const fc_planar_job *job, int worker, char **strip) {
    char *memory = job->scratch + (size_t)worker * job->worker_bytes;
    planar_worker *w = (planar_worker *)(void *)memory;
    *strip = memory + job->table_bytes;
    if (w->ready) return w;
    w->ready = 1;
    w->vector = (fc_plane_vector *)(void *)(w + 1);
    w->piece = (fc_plane_piece *)(void *)(w->vector + job->vectors);
    w->rows = w->cols = 0;
    memset(*strip, 0, job->worker_bytes - job->table_bytes);
    return w;
}

/* One strip, and all output channels of the tiles [from, to) of it. */
static void run_strip(const fc_planar_job *job, planar_worker *w, char *strip, fc_planar_block b,
                      int64_t from, int64_t to) {
    const fc_conv_problem *p = &job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_args *args = job->args;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), plane = p->oh * p->ow;
    fc_planar_fill_strip(job, b, strip);
    if (w->rows != b.rows || w->cols != b.cols) lay_vectors(job, w, b.rows, b.cols);
    fc_plane_tile_args tile = {
        .src = strip,
        .tap = job->tap,
        .vector = w->vector,
        .piece = w->piece,
        .vectors = w->vectors,
        .channels = job->icg * d->kh * d->kw / job->taps,
        .taps = job->taps,
        .src_channel = job->channel,
        .weights_row = job->icg * d->kh * d->kw,
        .weights_channel = job->taps,
        .dst_channel = d->dst_stride[1],
        .dst_pixel = d->dst_stride[3],
        .residual_channel = plane,
        .activation = d->activation,
    };
    const char *weights = args->packed ? args->packed : args->weights;
    /* Tiles of as many rows: one at a time where the strip lies in the first-level cache, whose results then
     * follow each other; a vector of each of many planes, which often meet in one set, would leave the
     * cache before its line is full. Else as many as have their weights in half of it. */
    const int64_t low = job->ocg / job->tiles, higher = job->ocg % job->tiles;
    const int64_t l1 = (int64_t)fc_cpu_caches()->l1d;
    const bool near = fc_planar_src_rows(d, job->rows) * row_bytes(job) <= l1;
    const int64_t most = near ? 1 : fc_max64(1, l1 / 2 / (fc_div_up(job->ocg, job->tiles) *
                                                          tile.weights_row * bytes));
    for (int64_t i = from; i < to; i += tile.tiles) {
        const int64_t oc = b.group * job->ocg + i * low + fc_min64(i, higher);
        tile.rows = (int)(low + (i < higher));
        tile.tiles = fc_min64(most, (i < higher ? fc_min64(higher, to) : to) - i);
        tile.weights = weights + oc * tile.weights_row * bytes;
        tile.dst = (char *)args->dst + (b.n * d->dst_stride[0] + oc * d->dst_stride[1] +
                                        b.y * d->dst_stride[2] + b.x * d->dst_stride[3]) * bytes;
        if (d->has_bias) tile.bias = (const char *)args->bias + oc * bytes;
        if (d->has_residual)
            tile.residual = (const char *)args->residual +
                            ((b.n * d->oc + oc) * plane + b.y * p->ow + b.x) * bytes;
        p->kernels->plane_tile(&tile);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const fc_planar_job *job = context;
    const fc_conv_problem *p = &job->problem;
    const int64_t run = task / job->parts, map = run / job->runs / job->blocks;
    const int64_t groups = p->desc.groups;
    fc_planar_block b = {.n = map / groups, .group = map % groups};
    b.x = run / job->runs % job->blocks * job->cols;
    b.cols = fc_min64(job->cols, p->ow - b.x);
    int64_t end, from, to;
    fc_split(p->oh, job->runs, run % job->runs, &b.y, &end);
    fc_split(job->tiles, job->parts, task % job->parts, &from, &to);
    char *strip;
    planar_worker *w = worker_at(job, worker, &strip);
    for (; b.y < end; b.y += b.rows) {
        b.rows = fc_min64(job->rows, end - b.y);
        run_strip(job, w, strip, b, from, to);
    }
}

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->residual_strided) return "it takes a residual in planes alone";
    if (d->border != FC_BORDER_ZEROS) return "its strips know no border but zeros";
    return NULL;
}

/* One tile of `rows` output channels over all vectors of an image. */
static double tile_cost(const fc_planar_job *job, int64_t rows) {
    /* to begin a tile; to store a vector of sums, and each further part of one */
    enum { TILE = 40, VECTOR = 5, PIECE = 8 };
    const fc_conv_problem *p = &job->problem;
    const int64_t vlen = p->kernels->vlen, depth = job->icg * p->desc.kh * p->desc.kw;
    const int64_t width = FC_PLANE_WIDTH(p->kernels->tile_pixels, rows);
    /* pieces of a vector, beside its first */
    const double crossed = job->flat && !is_seamless(job) ? (double)vlen / (double)job->pitch : 0;
    const double store = p->desc.dst_stride[3] != 1 ? 8.0 * (double)vlen : VECTOR + PIECE * crossed;
    int64_t left = vectors_of(job, p->oh);
    double sum = 0;
    for (int64_t vectors = width; vectors > 0; left %= vectors, vectors = left) {
        const double products = (double)(rows * vectors);
        /* a load of pixels takes the place of two: they lie across lines */
        double step = fc_max64(FC_COST_LATENCY, rows * vectors);
        if (step < (double)rows + 2.4 * (double)vectors) step = (double)rows + 2.4 * (double)vectors;
        sum += (double)(left / vectors) *
               ((double)depth * step + TILE + products * store);
    }
    return sum;
}

static double cost(const fc_conv_problem *problem) {
    enum { CALL = 700, ROW = 10, VECTOR = 5, STRIDED_ROW = 25, PHASE = 90 };
    enum { SQUARE = 40, LAST_SQUARE = 200 }; /* of step 3, 5 and more; the last one lies in a copy */
    enum { NEAR = 40000 };                   /* bytes of a strip */
    fc_planar_job job = begin(problem);
    const fc_conv_problem *p = &job.problem;
    const fc_conv2d_desc *d = &p->desc;
    lay_out(&job, p->ow, 1);
    const int64_t sw = d->stride_w, rows = job.ocg / job.tiles, larger = job.ocg % job.tiles;
    double group = (double)(job.tiles - larger) * tile_cost(&job, rows);
    if (larger) group += (double)larger * tile_cost(&job, rows + 1);
    /* What it attains beside conv_tile, which serves `direct`. A strip in the second-level cache is slower
     * on tiers whose small tiles leave loads nothing to hide behind (3x3, 64 to 512 channels: 1.08 to 1.25
     * of direct's time; Zen 3, AVX2, 2026-11-30). */
    const bool far = row_bytes(&job) * fc_planar_window_rows(d) > NEAR && p->kernels->tile_pixels < 12;
    group *= far ? 1.2 : 1.05;
    /* rows of the strip: whole vectors, or element by element, a phase at a time */
    const int64_t src_rows = fc_min64(fc_planar_src_rows(d, p->oh), p->oh * fc_min64(d->kh, d->stride_h) +
                                                                    fc_planar_window_rows(d));
    const int64_t filled = fc_min64(d->iw, (p->ow - 1) * sw + fc_planar_window_cols(d));
    const double vectors = (double)fc_div_up(filled, p->kernels->vlen);
    double row = ROW + VECTOR * vectors;
    if (sw > 2) row = STRIDED_ROW + 2.5 * VECTOR * vectors;
    if (sw > 2 && sw != 4)
        row = LAST_SQUARE + SQUARE * (double)fc_div_up(filled, sw * p->kernels->vlen);
    if (d->src_stride[3] != 1)
        row = (double)fc_min64(sw, d->kw) * (STRIDED_ROW + 2 * (double)fc_div_up(filled, sw));
    group += (double)job.icg * ((double)src_rows * row + PHASE * (double)fc_min64(d->stride_h, src_rows));
    return FC_COST_CALL + CALL + (double)d->groups * group +
           2.0 * (double)(fc_dense_weights_bytes(problem) / fc_dtype_bytes(d->dtype));
}

static void prepare(fc_conv_problem *p) { (void)p; }

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    fc_planar_job job = cut(p, threads);
    return job.tap_bytes + job.worker_bytes * (size_t)threads;
}

static void execute(const fc_conv_problem *problem, const fc_args *args, void *scratch, int threads) {
    fc_planar_job job = cut(problem, threads);
    const fc_conv2d_desc *d = &job.problem.desc;
    ptrdiff_t *tap = scratch;
    for (int64_t a = 0; a < d->kh; a++)
        for (int64_t b = 0; b < d->kw; b++) {
            const int64_t e = b * d->dilation_w - d->pad_left, column = fc_floor_div(e, d->stride_w);
            const int64_t row = a * d->dilation_h / d->stride_h, phase = a * d->dilation_h % d->stride_h;
            *tap++ = (phase * d->stride_w + e - column * d->stride_w) * job.phase + row * job.pitch +
                     job.head + column;
        }
    for (int64_t i = d->kh * d->kw; i < job.taps; i++, tap++) *tap = tap[-d->kh * d->kw] + job.channel;
    job.tap = scratch;
    job.args = args;
    job.scratch = (char *)scratch + job.tap_bytes;
    for (int i = 0; i < threads; i++)
        ((planar_worker *)(void *)(job.scratch + (size_t)i * job.worker_bytes))->ready = 0;
    fc_parallel_tasks(threads, d->dtype, d->n * d->groups * job.blocks * job.runs * job.parts, run_task,
                      &job);
}

const fc_conv_driver fc_conv_planar = {
    .algorithm = FC_ALGO_PLANAR,
    .why = "planes as they lie: vectors of pixels against weights as they lie",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_dense_weights_bytes,
    .pack = fc_dense_weights_pack,
    .packing = fc_dense_weights_packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
