/* conv_depthwise.c: convolution of single channels: groups of one input channel, any multiplier.
 *
 * There are two ways, which give the same bits: by planes, here, and with channels in the lanes of a vector
 * (depthwise_lanes.c), for small maps, long windows and channels last.
 *
 * Channel planes stay in plain NCHW and are vectorised along their rows. The kernel finds input
 * rows through a table of pointers in which rows above and below the image are one row of zeros.
 *
 *   in place   contiguous rows, stride_w 1 or 2, on tiers with masked loads (AVX2: of stride 2 the
 *              windows of 3 x 3 and 5 x 5): the table points into src and the kernel masks the lanes
 *              beyond either end of a row. Nothing is copied.
 *   bordered   otherwise: rows are copied with their border into thread-private scratch, split
 *              into stride_w phases so that every tap is a contiguous load:
 *
 *                  | lead: zeros | phase 0: columns 0, sw, 2 sw ... | zeros |  phase 1: ...
 *
 *              Tap b at output x sits at source column x*sw + e, e = b*dw - pad_left, hence in
 *              phase e mod sw at place x + floor(e / sw). `lead` keeps column 0 aligned.
 *
 * Where the border holds other than zeros, whole windows of rows are copied, border and all.
 * A result whose columns are not contiguous is made in scratch and spread from there.
 *
 * Work is cut into units: a strip of output rows of one source plane, small enough for the copy to
 * stay in the first-level cache. Several small planes are copied before any is computed: vectors
 * are then not loaded while the narrower stores that they straddle are still in flight. One call of the
 * kernel computes them all, for on a map of 7 x 7 a call takes as long as a plane.
 *
 * Rows are dealt to the kernel so that neighbouring output rows share input rows: with dilation,
 * every (dilation_h / stride_h)-th row together. */
#include "../base/cpu.h"
#include "cost.h"
#include "dense_weights.h"
#include "depthwise_channels.h"
#include "depthwise_lanes.h"
#include "depthwise_rows.h"

#include <math.h>
#include <string.h>

/* Planes of one call of the kernel, at most. */
#define PLANES_AHEAD 16

/* A worker's scratch: head, row table, zero row, bordered planes. */
typedef struct worker_head {
    int64_t ready; /* 0 until the zeros are in place */
    int64_t first; /* padded source row that the table was made for, -1: none */
} worker_head;

/* The kernel's contract for rows without a border. AVX2: only the first and the last vector of a row
 * of output may have taps outside the image, and with stride 2 windows are squares of 3 and 5. */
static bool reads_in_place(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vlen = p->kernels->vlen, sw = d->stride_w;
    if (d->src_stride[3] != 1 || d->border != FC_BORDER_ZEROS) return false;
    if (p->kernels->isa == FC_ISA_AVX512) return d->stride_w <= 2;
    if (p->kernels->isa != FC_ISA_AVX2 || d->kw > FC_WINDOW_TAPS) return false;
    if (sw > 2 || (sw == 2 && (d->dilation_w != 1 || d->stride_h != 2 * d->dilation_h ||
                               d->kh != d->kw || (d->kh != 3 && d->kh != 5))))
        return false;
    const int64_t last = (p->ow - 1) / vlen * vlen; /* first pixel of the last vector */
    const int64_t before = last * sw - 1 + fc_window_cols(d) - 1 - d->pad_left; /* read by the one before */
    return last == 0 || (d->pad_left <= vlen * sw && before < d->iw);
}

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static fc_depthwise_job cut(const fc_conv_problem *p, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), line = FC_CACHE_LINE / bytes;
    const int64_t sw = d->stride_w;
    fc_depthwise_job job = {.problem = p, .in_place = reads_in_place(p), .planes = 1};

    job.threads = threads = fc_depthwise_threads(p, threads);

    job.filled_cols = fc_max64(
        0, fc_min64(d->iw, (p->ow - 1) * sw + fc_window_cols(d) - d->pad_left));
    if (job.in_place) {
        job.pitch = fc_round_up(d->iw, line); /* of the row of zeros */
    } else {
        job.lead = fc_round_up(fc_div_up(d->pad_left, sw), line);
        int64_t reach = fc_round_up(p->ow, p->kernels->vlen) +
                        fc_floor_div(fc_window_cols(d) - 1 - d->pad_left, sw);
        job.phase = fc_round_up(
            job.lead + fc_max64(0, fc_max64(reach, fc_div_up(job.filled_cols, sw))), line);
        job.pitch = sw * job.phase;
    }

    /* Strips: the copy within half of the first-level cache, but no strip so low that the rows
     * shared with its neighbours outweigh it; then finer when units would not feed the threads. */
    const int64_t low = fc_max64(8, 2 * fc_div_up(fc_window_rows(d), d->stride_h));
    const int64_t budget = (int64_t)fc_cpu_caches()->l1d / 2;
    int64_t rows = p->oh;
    const bool spread = d->dst_stride[3] != 1;
    if (!job.in_place)
        rows = fc_max64(low, (budget / (job.pitch * bytes) - fc_window_rows(d)) / d->stride_h + 1);
    if (spread) rows = fc_min64(rows, fc_max64(low, budget / (p->ow * bytes)));
    int64_t planes = d->n * d->groups;
    if (threads > 1 && planes < 4 * threads)
        rows = fc_min64(rows, fc_max64(low, fc_div_up(p->oh * planes, 4 * threads)));
    job.strips = fc_div_up(p->oh, fc_min64(rows, p->oh));
    job.strip_rows = fc_div_up(p->oh, job.strips);
    job.strips = fc_div_up(p->oh, job.strip_rows);
    job.src_rows = (job.strip_rows - 1) * d->stride_h + fc_window_rows(d);
    job.bordered = d->border != FC_BORDER_ZEROS;
    job.filled_rows = job.bordered ? job.src_rows : fc_min64(job.src_rows, d->ih);
    job.spread_bytes =
        spread ? (size_t)fc_round_up(job.strip_rows * p->ow * bytes, FC_CACHE_LINE) : 0;
    if (job.strips == 1) {
        const int64_t copied = job.in_place ? 1 : fc_max64(1, job.filled_rows * job.pitch * bytes);
        job.planes = fc_max64(1, fc_min64(PLANES_AHEAD, budget / copied));
    }
    job.units = planes * job.strips;
    /* Tasks of at least 64 KiB of traffic and some eight a thread. */
    int64_t unit_bytes = job.strip_rows * p->ow * bytes;
    job.chunk = threads <= 1 ? job.units
                             : fc_min64(job.units, fc_max64(fc_div_up(job.units, 8 * threads),
                                                            fc_div_up(32768, unit_bytes)));
    job.multiplier = d->oc / d->groups;
    job.class_rows = d->dilation_h % d->stride_h == 0 ? d->dilation_h / d->stride_h : 1;

    job.column_bytes = (size_t)fc_round_up(d->kw * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    job.table_bytes = (size_t)fc_round_up(job.planes * job.src_rows * (int64_t)sizeof(void *),
                                          FC_CACHE_LINE);
    job.zero_bytes = (size_t)(job.pitch * bytes);
    job.worker_bytes = FC_CACHE_LINE + job.spread_bytes + job.table_bytes + job.zero_bytes;
    if (!job.in_place)
        job.worker_bytes += (size_t)(job.planes * job.filled_rows * job.pitch * bytes);
    return job;
}

/* Rows of output, dense in scratch, into the columns of dst that are dst_stride[3] apart. */
static void spread_rows(const fc_conv_problem *p, const char *src, char *dst, int64_t rows) {
    const int64_t *stride = p->desc.dst_stride;
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < p->ow; x++) {
            const int64_t from = y * p->ow + x, to = y * stride[2] + x * stride[3];
            if (p->desc.dtype == FC_F64)
                ((double *)dst)[to] = ((const double *)src)[from];
            else
                ((float *)dst)[to] = ((const float *)src)[from];
        }
}

/* Output channels from `oc` on, of some source planes: rows [y0, y0 + rows) of each, the first of which
 * goes to `dst`, the others `row` elements apart. `plane` says how many of either. */
static void convolve(const fc_depthwise_job *job, fc_conv_plane_args plane, const void *const *table,
                     int64_t n, int64_t oc, int64_t y0, int64_t rows, char *dst, int64_t row) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const fc_args *args = job->args;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype);
    const int64_t classes = fc_min64(job->class_rows, rows);
    plane.weights =
        (const char *)(args->packed ? args->packed : args->weights) + oc * d->kh * d->kw * bytes;
    if (d->has_bias) plane.bias = (const char *)args->bias + oc * bytes;
    plane.dst_row = row * job->class_rows;
    for (int64_t c = 0; c < classes; c++) {
        plane.src = table + c * d->stride_h;
        plane.rows = classes == 1 ? rows : fc_div_up(rows - c, job->class_rows);
        plane.dst = dst + c * row * bytes;
        if (d->has_residual)
            plane.residual = (const char *)args->residual +
                             ((n * d->oc + oc) * p->oh + y0 + c) * p->ow * bytes;
        p->kernels->conv_plane(&plane);
    }
}

/* All output channels of some source planes, output rows [y0, y0 + rows). Where columns of dst lie
 * apart they are made one by one in `dense`. */
static void convolve_planes(const fc_depthwise_job *job, const void *const *table, char *dense,
                            int64_t n, int64_t group, int64_t planes, int64_t y0, int64_t rows) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), oc = group * job->multiplier;
    fc_conv_plane_args plane = job->plane;
    char *dst = (char *)job->args->dst +
                (n * d->dst_stride[0] + oc * d->dst_stride[1] + y0 * d->dst_stride[2]) * bytes;
    if (!dense) {
        plane.planes = planes;
        convolve(job, plane, table, n, oc, y0, rows, dst, d->dst_stride[2]);
        return;
    }
    plane.planes = plane.multiplier = 1;
    for (int64_t i = 0; i < planes * job->multiplier; i++) {
        convolve(job, plane, table + i / job->multiplier * job->src_rows, n, oc + i, y0, rows, dense,
                 p->ow);
        spread_rows(p, dense, dst + i * d->dst_stride[1] * bytes, rows);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const fc_depthwise_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype);
    worker_head *head =
        (worker_head *)(job->scratch + job->column_bytes + (size_t)worker * job->worker_bytes);
    char *spread = (char *)head + FC_CACHE_LINE, *dense = job->spread_bytes ? spread : NULL;
    const void **table = (const void **)(spread + job->spread_bytes);
    char *zeros = (char *)table + job->table_bytes, *buffer = zeros + job->zero_bytes;
    if (!head->ready) {
        memset(zeros, 0,
               job->worker_bytes - FC_CACHE_LINE - job->spread_bytes - job->table_bytes);
        head->ready = 1;
    }
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end;) {
        const int64_t strip = unit % job->strips, plane = unit / job->strips;
        const int64_t n = plane / d->groups, group = plane % d->groups;
        const int64_t y0 = strip * job->strip_rows, first = y0 * d->stride_h;
        const int64_t rows = fc_min64(job->strip_rows, p->oh - y0);
        const int64_t src_rows = (rows - 1) * d->stride_h + fc_window_rows(d);
        const int64_t image_y = fc_max64(0, first - d->pad_top);
        const int64_t planes =
            fc_min64(job->planes, fc_min64(end - unit, d->groups - group));
        const char *src = (const char *)job->args->src +
                          (n * d->src_stride[0] + group * d->src_stride[1]) * bytes;
        if (!job->in_place) {
            if (head->first != first)
                for (int64_t i = 0; i < job->planes; i++)
                    fc_depthwise_table(job, table + i * job->src_rows, zeros,
                               buffer + i * job->filled_rows * job->pitch * bytes,
                               job->pitch * bytes, first, src_rows);
            head->first = first;
            fc_depthwise_fill(job, src, planes, first, src_rows, buffer);
        }
        for (int64_t i = 0; job->in_place && i < planes; i++)
            fc_depthwise_table(job, table + i * job->src_rows, zeros,
                       src + (i * d->src_stride[1] + image_y * d->src_stride[2]) * bytes,
                       d->src_stride[2] * bytes, first, src_rows);
        convolve_planes(job, table, dense, n, group, planes, y0, rows);
        unit += planes;
    }
}

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->residual_strided && !fc_depthwise_channels_fit(d))
        return "it takes a residual in planes, or where all lies channels last";
    return d->ic != d->groups ? "groups have more than one input channel each" : NULL;
}

/* Of a tap of a vector, by how many output rows an input row serves. */
static double tap_cost(const fc_conv_problem *p, bool in_place) {
    const fc_conv2d_desc *d = &p->desc;
    const bool square = d->kh == d->kw && (d->kh == 3 || d->kh == 5); /* these have bodies of their own */
    const bool three = d->kh == 3, wide = p->kernels->isa == FC_ISA_AVX512;
    const bool neighbours = d->stride_h == 1 || d->dilation_h % d->stride_h == 0;
    if (in_place && d->stride_w == 2) { /* parted in registers */
        if (!wide) return three ? 2.6 : 2.05;
        return square && d->stride_h == 2 ? 3 : 10;
    }
    if (square && neighbours && !wide) {
        if (p->kernels->isa == FC_ISA_AVX2) return three ? 1.05 : 0.9;
        return three ? 0.8 : 1.5;
    }
    if (square && d->stride_h == 2 * d->dilation_h && !in_place && !wide) return three ? 1.2 : 1.7;
    if (neighbours) return in_place && !wide ? 2 : 1.5;
    return in_place ? 3 : d->stride_h == 2 ? 2.1 : 2.7;
}

static double cost_in_planes(const fc_conv_problem *p) {
    enum { VECTOR = 7, COPIED_ROW = 12, COPIED_VECTOR = 5, ELEMENT_APART = 8 };
    const double element = 2.8; /* copied to its phase, of three and more */
    /* AVX-512: a narrow store to the copy is waited for by the wide loads that straddle it */
    enum { STRADDLED_ROW = 48, STRADDLED_VECTOR = 20 };
    /* AVX2: a plane begins with an empty pipeline, a row ends with a store in parts (Zen 3) */
    const bool avx2 = p->kernels->isa == FC_ISA_AVX2;
    const double plane = avx2 ? 200 : 60, row = avx2 ? 8 : 6;
    const fc_conv2d_desc *d = &p->desc;
    if (d->residual_strided) return INFINITY;
    const bool in_place = reads_in_place(p), wide = p->kernels->isa == FC_ISA_AVX512;
    const double vectors = (double)fc_div_up(p->ow, p->kernels->vlen);
    const double taps = (double)(d->kh * d->kw) * tap_cost(p, in_place);
    const double vector = !in_place && wide ? STRADDLED_VECTOR : VECTOR;
    double copied = 0;
    if (!in_place)
        copied = (double)(d->ic * ((p->oh - 1) * d->stride_h + fc_window_rows(d))) *
                 ((wide ? STRADDLED_ROW : COPIED_ROW) +
                  (d->stride_w > 2 ? element * (double)d->iw
                                   : COPIED_VECTOR * (double)fc_div_up(d->iw, p->kernels->vlen)));
    /* gathered and spread one by one */
    if (d->src_stride[3] != 1 && d->iw > 1) copied += ELEMENT_APART * (double)(d->ic * d->ih * d->iw);
    if (d->dst_stride[3] != 1 && p->ow > 1) copied += ELEMENT_APART * (double)(d->oc * p->oh * p->ow);
    return copied + (double)d->oc * (plane + (double)p->oh * (row + vectors * (vector + taps)));
}

static double cost(const fc_conv_problem *p) {
    const double planes = cost_in_planes(p), lanes = fc_depthwise_lanes_cost(p);
    return FC_COST_CALL + (lanes < planes ? lanes : planes);
}

/* blocking.panel: channels side by side, or 0 where planes are convolved as they lie. Rows by themselves
 * share no loads and wait for their own sums: in planes they take more than `cost` says, which is right
 * beside what planar says of them. */
static void prepare(fc_conv_problem *p) {
    enum { VECTOR_ALONE = 18, TAP_ALONE = 2 };
    const fc_conv2d_desc *d = &p->desc;
    double planes = cost_in_planes(p);
    if (p->oh < 4)
        planes += (double)(d->oc * p->oh * fc_div_up(p->ow, p->kernels->vlen)) *
                  (double)(VECTOR_ALONE + TAP_ALONE * d->kh * d->kw);
    p->blocking.panel = fc_depthwise_lanes_cost(p) < planes ? p->kernels->vlen : 0;
}

static bool in_lanes(const fc_conv_problem *p) { return p->blocking.panel > 0; }

static size_t packed_bytes(const fc_conv_problem *p) {
    return in_lanes(p) ? fc_depthwise_lanes_packed_bytes(p) : fc_dense_weights_bytes(p);
}

static void pack(const fc_conv_problem *p, const void *weights, void *packed, int threads) {
    if (in_lanes(p))
        fc_depthwise_lanes_pack(p, weights, packed, threads);
    else
        fc_dense_weights_pack(p, weights, packed, threads);
}

static uint64_t packing(const fc_conv_problem *p) {
    return in_lanes(p) ? fc_depthwise_lanes_packing(p) : fc_dense_weights_packing(p);
}

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    if (in_lanes(p)) return fc_depthwise_lanes_scratch_bytes(p, threads);
    fc_depthwise_job job = cut(p, threads);
    return job.column_bytes + job.worker_bytes * (size_t)job.threads;
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    if (in_lanes(p)) {
        fc_depthwise_lanes_execute(p, args, scratch, threads);
        return;
    }
    const fc_conv2d_desc *d = &p->desc;
    fc_depthwise_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    ptrdiff_t *column = scratch;
    for (int64_t b = 0; b < d->kw; b++) {
        const int64_t e = b * d->dilation_w - d->pad_left, place = fc_floor_div(e, d->stride_w);
        column[b] =
            job.in_place ? e : job.lead + place + (e - place * d->stride_w) * job.phase;
    }
    job.plane = (fc_conv_plane_args){
        .column = column,
        .kh = d->kh,
        .kw = d->kw,
        .row_step = d->stride_h * job.class_rows,
        .tap_step = d->dilation_h,
        .step = job.in_place ? d->stride_w : 1,
        .width = job.in_place ? d->iw : 0,
        .pixels = p->ow,
        .residual_row = p->ow * job.class_rows,
        .multiplier = job.multiplier,
        .table = job.src_rows,
        .dst_plane = d->dst_stride[1],
        .residual_plane = p->oh * p->ow,
        .activation = d->activation,
    };
    for (int i = 0; i < job.threads; i++) {
        worker_head *head = (worker_head *)((char *)scratch + job.column_bytes +
                                            (size_t)i * job.worker_bytes);
        *head = (worker_head){.first = -1};
    }
    fc_parallel_tasks(job.threads, d->dtype, fc_div_up(job.units, job.chunk), run_task, &job);
}

const fc_conv_driver fc_conv_depthwise = {
    .algorithm = FC_ALGO_DEPTHWISE,
    .why = "one input channel a group: planes convolved row by row, without layout conversion",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .threads = fc_depthwise_threads,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .packing = packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
