/* gradient_dots.c: a channel of the source, with its border, against the channels of the result that it
 * went into: plane_dots for each chunk of pixels, then the lanes of each sum are folded in halves.
 *
 * A task is a run of channels of the source, which are read in the order in which they lie, image after
 * image. Their sums are their own, and their order does not depend on chunks, which are whole rows. */
#include "gradient_dots.h"

#include "../base/cpu.h"
#include "gradient_strip.h"

typedef struct dots_job {
    const fc_weight_gradient_problem *problem;
    const fc_args *args;
    fc_gradient_cut cut;
    int64_t icg, ocg;
    int64_t tasks;
    const ptrdiff_t *tap;
    char *workers; /* scratch of each */
    size_t tap_bytes, strip_bytes, diff_bytes, sum_bytes;
} dots_job;

/* Rows of a chunk are not cut: lanes count from a row's first pixel. */
static fc_gradient_cut cut_make(const fc_weight_gradient_problem *p) {
    const int64_t near = (int64_t)fc_cpu_caches()->l1d / 3 / (int64_t)p->kernels->element_bytes;
    return fc_gradient_cut_make(p, fc_max64(p->ow, near), FC_GRADIENT_CHANNELS, false);
}

bool fc_gradient_dots_pay(const fc_weight_gradient_problem *p) {
    const int64_t ocg = p->desc.oc / p->desc.groups, vlen = p->kernels->vlen;
    const double filled = (double)p->ow / (double)fc_round_up(p->ow, vlen);
    const int64_t *src = p->desc.src_stride;
    const bool beside = src[3] != 1 && src[1] == 1 && p->desc.ic > p->desc.groups;
    /* a tile one vector wide is bound by loads; the other kernel by rows that do not fill vectors */
    if (beside || 1.3 * (double)ocg >= filled * (double)vlen) return false;
    const fc_gradient_cut cut = cut_make(p);
    return cut.channel <= (int64_t)fc_cpu_caches()->l2 / 2 / (int64_t)p->kernels->element_bytes &&
           p->desc.oc / p->desc.groups * p->desc.kh * p->desc.kw < 65536;
}

static dots_job job_make(const fc_weight_gradient_problem *p, int threads) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, taps = d->kh * d->kw;
    dots_job job = {.problem = p, .cut = cut_make(p), .icg = d->ic / d->groups, .ocg = d->oc / d->groups};
    job.tap_bytes = (size_t)fc_round_up(taps * (int64_t)sizeof *job.tap, FC_CACHE_LINE);
    job.strip_bytes = (size_t)fc_round_up(job.cut.channel * bytes, FC_CACHE_LINE);
    /* the sums of a task stay in the second-level cache; four tasks a thread, if there are channels */
    job.sum_bytes = (size_t)(job.ocg * taps * p->kernels->vlen * bytes);
    const int64_t most = fc_max64(1, (int64_t)(fc_cpu_caches()->l2 / 4 / job.sum_bytes));
    job.tasks = fc_max64(fc_div_up(d->ic, most), fc_min64(d->ic, threads > 1 ? 4 * (int64_t)threads : 1));
    if (d->diff_dst_stride[3] != 1) /* a copy whose pixels lie side by side */
        job.diff_bytes = (size_t)fc_round_up(
            job.ocg * job.cut.images * job.cut.rows * job.cut.cols * bytes, FC_CACHE_LINE);
    return job;
}

/* The gradient of the result at a chunk's pixels, where they lie or copied to `copy`. */
static void find_diff(const dots_job *job, int64_t group, fc_gradient_chunk chunk, char *copy,
                      fc_plane_dots_args *dots) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t *stride = p->desc.diff_dst_stride, bytes = (int64_t)p->kernels->element_bytes;
    const char *diff = (const char *)job->args->diff_dst +
                       (chunk.n * stride[0] + group * job->ocg * stride[1] + chunk.y * stride[2]) * bytes;
    dots->diff = diff;
    dots->diff_channel = stride[1];
    dots->diff_image = stride[0];
    dots->diff_row = stride[2];
    if (stride[3] == 1) return;
    dots->diff = copy;
    dots->diff_row = chunk.cols;
    dots->diff_image = chunk.rows * chunk.cols;
    dots->diff_channel = chunk.images * dots->diff_image;
    for (int64_t o = 0; o < job->ocg; o++)
        for (int64_t n = 0; n < chunk.images; n++) {
            const fc_border_rows_args rows = {
                .src = diff + (o * stride[1] + n * stride[0]) * bytes,
                .dst = copy + (o * dots->diff_channel + n * dots->diff_image) * bytes,
                .rows = chunk.rows,
                .cols = chunk.cols,
                .last = chunk.cols,
                .src_row = stride[2],
                .dst_row = chunk.cols,
                .step = stride[3],
            };
            p->kernels->border_rows(&rows);
        }
}

/* The sums of the largest task. */
static size_t sums_bytes(const dots_job *job) {
    return (size_t)fc_round_up(fc_div_up(job->problem->desc.ic, job->tasks) * (int64_t)job->sum_bytes,
                               FC_CACHE_LINE);
}

static size_t worker_bytes(const dots_job *job) {
    return job->strip_bytes + job->diff_bytes + sums_bytes(job);
}

/* A chunk's products of channel `channel`. */
static void add_chunk(const dots_job *job, int64_t channel, fc_gradient_chunk chunk, char *strip,
                      char *copy, char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t taps = p->desc.kh * p->desc.kw, group = channel / job->icg;
    fc_gradient_fill(p, &job->cut, job->args->src, group, channel % job->icg, 1, chunk, strip);
    fc_plane_dots_args dots = {
        .src = strip,
        .dst = sums,
        .tap = job->tap,
        .channels = job->ocg,
        .taps = taps,
        .images = chunk.images,
        .rows = chunk.rows,
        .cols = chunk.cols,
        .src_image = job->cut.image,
        .src_row = job->cut.row,
        .dst_channel = taps,
    };
    find_diff(job, group, chunk, copy, &dots);
    p->kernels->plane_dots(&dots);
}

/* Folded sums of channel `channel` into the result. */
static void store_sums(const dots_job *job, int64_t channel, char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, taps = p->desc.kh * p->desc.kw;
    const int64_t group = channel / job->icg, line = channel % job->icg;
    for (int64_t o = 0; o < job->ocg; o++) {
        const fc_fold_lanes_args fold = {
            .src = sums + o * taps * p->kernels->vlen * bytes,
            .dst = (char *)job->args->dst +
                   ((group * job->ocg + o) * job->icg + line) * taps * bytes,
            .count = taps,
        };
        p->kernels->fold_lanes(&fold);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const dots_job *job = context;
    const fc_weight_gradient_problem *p = job->problem;
    char *strip = job->workers + (size_t)worker * worker_bytes(job);
    char *copy = strip + job->strip_bytes, *sums = copy + job->diff_bytes;
    int64_t begin, end;
    fc_split(p->desc.ic, job->tasks, task, &begin, &end);
    memset(sums, 0, (size_t)(end - begin) * job->sum_bytes);
    const int64_t chunks = fc_gradient_chunks(p, &job->cut);
    for (int64_t c = 0; c < chunks; c++) {
        const fc_gradient_chunk chunk = fc_gradient_chunk_at(p, &job->cut, c);
        for (int64_t i = begin; i < end; i++)
            add_chunk(job, i, chunk, strip, copy, sums + (size_t)(i - begin) * job->sum_bytes);
    }
    for (int64_t i = begin; i < end; i++)
        store_sums(job, i, sums + (size_t)(i - begin) * job->sum_bytes);
}

size_t fc_gradient_dots_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    const dots_job job = job_make(p, threads);
    return job.tap_bytes + (size_t)threads * worker_bytes(&job);
}

void fc_gradient_dots_execute(const fc_weight_gradient_problem *p, const fc_args *args, void *scratch,
                              int threads) {
    dots_job job = job_make(p, threads);
    ptrdiff_t *tap = scratch;
    for (int64_t t = 0; t < p->desc.kh * p->desc.kw; t++)
        tap[t] = fc_gradient_tap(p, &job.cut, t / p->desc.kw, t % p->desc.kw);
    job.args = args;
    job.tap = tap;
    job.workers = (char *)scratch + job.tap_bytes;
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, job.tasks, run_task, &job);
}
