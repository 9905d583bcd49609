/* transposed_planes.c: transposed convolution of single channels (groups of one input channel, any
 * multiplier) with columns two apart: the gradient of strided depthwise convolution.
 *
 *   src planes --copied with their border--> rows of `pitch`   thread-private
 *   for each phase of the rows: transposed_plane, both phases of the columns side by side --> dst
 *
 * Work is cut into units: a strip of rows of one plane whose copy stays in the first-level cache, or
 * several small planes, which are copied before any is computed: vectors are then not loaded while the
 * narrower stores that they straddle are still in flight. Weights of a unit are laid out in the order in
 * which the kernel reads them: by phase of the rows, row, phase of the columns, column.
 *
 * Sums run in the order of the convolutions that conv_transpose2d.c makes of the phases otherwise, from
 * the first row and column of the source on. */
#include "../base/cpu.h"
#include "driver.h"
#include "transposed_axis.h"

#include <string.h>

enum {
    MOST_ROW_PHASES = 8,
    PLANES_AHEAD = 16, /* of one call of the kernel, at most */
    LOW = 8            /* rows of a phase in a strip, at least: neighbours share source rows */
};

/* Of a bordered copy of the lowest strip; what asks for more goes by phases. */
#define MOST_COPY ((int64_t)1 << 18)
#define MOST_WEIGHTS ((int64_t)1 << 14)

typedef struct planes_job {
    const fc_transpose_problem *problem;
    const fc_args *args;
    char *scratch;
    const ptrdiff_t *order; /* from a channel's first weight to each in its place */
    int64_t row_phases;
    fc_transposed_axis row[MOST_ROW_PHASES], column[2];
    int64_t multiplier, taps;  /* output channels of a plane; weights of one that meet the source */
    int64_t above, span;       /* source row of output 0's first tap; rows that taps of one row span */
    int64_t lead, copied;      /* elements of a row before the image, and of the image */
    int64_t pitch;
    int64_t strip, strips;     /* rows of a phase, and how many such strips */
    int64_t planes, runs;      /* of a unit; units side by side of an image's planes */
    int64_t units, chunk;
    size_t order_bytes, weight_bytes, worker_bytes;
} planes_job;

/* The source elements that taps of output 0 of any phase reach: from *least to *most, both 0 if none. */
static void reach_of(const fc_transposed_axis *axis, int64_t phases, int64_t *least, int64_t *most) {
    bool any = false;
    *least = *most = 0;
    for (int64_t r = 0; r < phases; r++) {
        if (!axis[r].taps) continue;
        const int64_t last = axis[r].offset + (axis[r].taps - 1) * axis[r].dilation;
        *least = any ? fc_min64(*least, axis[r].offset) : axis[r].offset;
        *most = any ? fc_max64(*most, last) : last;
        any = true;
    }
}

/* What does not depend on threads; false where the path does not fit. */
static bool lay_out(planes_job *job, const fc_transpose_problem *p) {
    const fc_conv_transpose2d_desc *d = &p->desc;
    const int64_t most = MOST_COPY / (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    *job = (planes_job){.problem = p, .multiplier = d->oc / d->groups};
    if (d->ic != d->groups || d->stride_w != 2 || d->dst_stride[3] != 1 || d->stride_h > MOST_ROW_PHASES ||
        d->kh > MOST_WEIGHTS || d->kw > MOST_WEIGHTS ||
        job->multiplier > MOST_WEIGHTS / (d->kh * d->kw))
        return false;
    job->row_phases = fc_min64(d->stride_h, p->oh);
    for (int64_t r = 0; r < job->row_phases; r++)
        job->row[r] =
            fc_transposed_axis_of(r, d->ih, p->oh, d->kh, d->pad_top, d->stride_h, d->dilation_h);
    for (int64_t q = 0; q < fc_min64(2, p->ow); q++)
        job->column[q] =
            fc_transposed_axis_of(q, d->iw, p->ow, d->kw, d->pad_left, 2, d->dilation_w);
    int64_t left, right, bottom, rows = 0;
    reach_of(job->row, job->row_phases, &job->above, &bottom);
    reach_of(job->column, 2, &left, &right);
    job->span = bottom - job->above;
    job->lead = fc_max64(0, -left);
    if (job->span > most || job->lead > most || right > most || p->ow > most) return false;
    const int64_t pixels = job->column[0].count;
    job->copied = fc_max64(0, fc_min64(d->iw, right + pixels));
    job->pitch = fc_round_up(
        job->lead + fc_max64(job->copied, right + fc_round_up(pixels, p->kernels->vlen)),
        FC_CACHE_LINE / (int64_t)fc_dtype_bytes((fc_dtype)d->dtype));
    for (int64_t r = 0; r < job->row_phases; r++) rows += job->row[r].taps;
    job->taps = rows * (job->column[0].taps + job->column[1].taps);
    return fc_min64(LOW, job->row[0].count) + job->span <= most / job->pitch;
}

bool fc_transposed_planes_fit(const fc_transpose_problem *p) {
    planes_job job;
    return lay_out(&job, p);
}

/* How one call is cut. A function of the shape, the tier, the caches and the thread count. */
static planes_job cut(const fc_transpose_problem *p, int threads) {
    const fc_conv_transpose2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    planes_job job;
    lay_out(&job, p);
    const int64_t room = (int64_t)fc_cpu_caches()->l1d / 2 / (job.pitch * bytes); /* rows of copies */
    const int64_t rows = job.row[0].count, planes = d->n * d->groups;
    int64_t strip = fc_min64(rows, fc_max64(LOW, room - job.span));
    if (threads > 1 && planes < 4 * threads)
        strip = fc_min64(strip, fc_max64(LOW, fc_div_up(rows * planes, 4 * threads)));
    job.strips = fc_div_up(rows, strip);
    job.strip = fc_div_up(rows, job.strips);
    job.strips = fc_div_up(rows, job.strip);
    job.planes = 1;
    if (job.strips == 1) {
        const int64_t weights = fc_max64(1, MOST_WEIGHTS / (job.multiplier * d->kh * d->kw));
        job.planes = fc_max64(1, fc_min64(room / (rows + job.span), fc_min64(PLANES_AHEAD, weights)));
        if (threads > 1) job.planes = fc_min64(job.planes, fc_div_up(planes, 4 * threads));
    }
    job.runs = fc_div_up(d->groups, job.planes);
    job.units = d->n * job.runs * job.strips;
    job.chunk = threads > 1 ? fc_div_up(job.units, 8 * threads) : job.units;
    job.order_bytes = (size_t)fc_round_up(job.taps * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    job.weight_bytes =
        (size_t)fc_round_up(job.planes * job.multiplier * job.taps * bytes, FC_CACHE_LINE);
    job.worker_bytes = FC_CACHE_LINE + job.weight_bytes +
                       (size_t)(job.planes * (job.strip + job.span) * job.pitch * bytes);
    return job;
}

size_t fc_transposed_planes_scratch_bytes(const fc_transpose_problem *p, int threads) {
    const planes_job job = cut(p, threads);
    return job.order_bytes + job.worker_bytes * (size_t)threads;
}

/* Where each weight of a channel lies, in the order of the kernel. */
static void lay_order(const planes_job *job, ptrdiff_t *order) {
    const int64_t *stride = job->problem->desc.weight_stride;
    for (int64_t r = 0; r < job->row_phases; r++)
        for (int64_t i = 0; i < job->row[r].taps; i++)
            for (int q = 0; q < 2; q++)
                for (int64_t b = 0; b < job->column[q].taps; b++)
                    *order++ = (job->row[r].tap + i * job->row[r].step) * stride[3] +
                               (job->column[q].tap + b * job->column[q].step) * stride[4];
}

/* The weights of `planes` source planes. */
static void lay_weights(const planes_job *job, int64_t group, int64_t planes, char *to) {
    const fc_conv_transpose2d_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    for (int64_t o = 0; o < planes * job->multiplier; o++, to += job->taps * bytes) {
        const char *from = (const char *)job->args->weights +
                           ((group + o / job->multiplier) * d->weight_stride[0] +
                            o % job->multiplier * d->weight_stride[2]) * bytes;
        for (int64_t i = 0; i < job->taps; i++)
            if (d->dtype == FC_F64)
                ((double *)(void *)to)[i] = ((const double *)(const void *)from)[job->order[i]];
            else
                ((float *)(void *)to)[i] = ((const float *)(const void *)from)[job->order[i]];
    }
}

/* Source rows [y, y + rows) of `planes` planes into their copies, those outside the image as zeros: with
 * one strip they have been since the worker's first unit. */
static void fill(const planes_job *job, const char *src, int64_t planes, int64_t y, int64_t rows,
                 char *copy) {
    const fc_transpose_problem *p = job->problem;
    const fc_conv_transpose2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t begin = fc_min64(rows, fc_max64(0, -y));
    const int64_t end = fc_max64(begin, fc_min64(rows, d->ih - y));
    const int64_t row = job->pitch * bytes, plane = (job->strip + job->span) * row;
    fc_split_phases_args split = {
        .src_stride = d->src_stride[3],
        .pixels = job->copied,
        .step = 1,
        .phase = job->pitch,
        .rows = end - begin,
        .src_row = d->src_stride[2],
        .dst_row = job->pitch,
    };
    for (int64_t i = 0; i < planes; i++, copy += plane) {
        if (job->strips > 1) {
            memset(copy, 0, (size_t)(begin * row));
            memset(copy + end * row, 0, (size_t)((rows - end) * row));
        }
        if (end == begin || !job->copied) continue;
        split.src = src + (i * d->src_stride[1] + (y + begin) * d->src_stride[2]) * bytes;
        split.dst = copy + begin * row + job->lead * bytes;
        p->kernels->split_phases(&split);
    }
}

/* Rows [j, j + strip) of each phase of `planes` planes. */
static void run_unit(const planes_job *job, int64_t n, int64_t group, int64_t planes, int64_t j,
                     char *weights, char *copy) {
    const fc_transpose_problem *p = job->problem;
    const fc_conv_transpose2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), oc = group * job->multiplier;
    const int64_t rows = fc_min64(job->strip, job->row[0].count - j);
    fill(job,
         (const char *)job->args->src + (n * d->src_stride[0] + group * d->src_stride[1]) * bytes,
         planes, j + job->above, rows + job->span, copy);
    lay_weights(job, group, planes, weights);
    char *dst = (char *)job->args->dst + (n * d->dst_stride[0] + oc * d->dst_stride[1]) * bytes;
    const int64_t *count = (int64_t[]){job->column[0].taps, job->column[1].taps};
    fc_transposed_plane_args plane = {
        .weights = weights,
        .bias = d->has_bias ? (const char *)job->args->bias + oc * bytes : NULL,
        .taps = {count[0], count[1]},
        .column = {job->column[0].offset, job->column[1].offset},
        .tap_col = job->column[0].dilation,
        .src_row = job->pitch,
        .src_plane = (job->strip + job->span) * job->pitch,
        .pixels = p->ow,
        .dst_row = d->stride_h * d->dst_stride[2],
        .dst_plane = d->dst_stride[1],
        .planes = planes,
        .multiplier = job->multiplier,
        .weights_plane = job->taps,
        .activation = d->activation,
    };
    int64_t before = 0; /* weights of earlier phases */
    for (int64_t r = 0; r < job->row_phases; r++) {
        const fc_transposed_axis *axis = &job->row[r];
        const int64_t above = axis->taps ? axis->offset - job->above : 0;
        plane.kh = axis->taps;
        plane.rows = fc_min64(j + rows, axis->count) - j;
        plane.src = copy + (above * job->pitch + job->lead) * bytes;
        plane.tap_row = axis->dilation * job->pitch;
        plane.weights = weights + before * bytes;
        plane.dst = dst + (axis->first + j * d->stride_h) * d->dst_stride[2] * bytes;
        before += axis->taps * (count[0] + count[1]);
        if (plane.rows > 0) p->kernels->transposed_plane(&plane);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const planes_job *job = context;
    const fc_conv_transpose2d_desc *d = &job->problem->desc;
    char *memory = job->scratch + job->order_bytes + (size_t)worker * job->worker_bytes;
    int64_t *ready = (int64_t *)(void *)memory;
    char *weights = memory + FC_CACHE_LINE, *copy = weights + job->weight_bytes;
    if (!*ready) memset(copy, 0, job->worker_bytes - FC_CACHE_LINE - job->weight_bytes);
    *ready = 1;
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        const int64_t run = unit / job->strips, group = run % job->runs * job->planes;
        run_unit(job, run / job->runs, group, fc_min64(job->planes, d->groups - group),
                 unit % job->strips * job->strip, weights, copy);
    }
}

void fc_transposed_planes_execute(const fc_transpose_problem *p, const fc_args *args, void *scratch,
                                  int threads) {
    planes_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    job.order = scratch;
    lay_order(&job, scratch);
    for (int i = 0; i < threads; i++)
        *(int64_t *)(void *)(job.scratch + job.order_bytes + (size_t)i * job.worker_bytes) = 0;
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, fc_div_up(job.units, job.chunk), run_task, &job);
}
