/* gradient_windows.c: one or two channels of the result at a time against each channel of the source that
 * they were made of: window_dots for each chunk of pixels, then the lanes of each sum are folded.
 *
 * A unit is such channels of the result, a task a run of units. With one channel of the source there is one
 * chunk: the whole batch, channel after channel. Else a chunk of a group's source and of a unit's gradient
 * stay in the second-level cache while they meet. */
#include "gradient_windows.h"

#include "../base/cpu.h"
#include "gradient_strip.h"

typedef struct windows_job {
    const fc_weight_gradient_problem *problem;
    const fc_args *args;
    fc_gradient_cut cut;
    int64_t icg, ocg, taps;
    int64_t at_once; /* channels of a unit */
    int64_t group_units, units, tasks;
    int64_t block;    /* rows that stay in the first-level cache */
    size_t sum_bytes; /* of a unit */
    char *workers;    /* scratch of each */
} windows_job;

static int64_t channels_at_once(const fc_weight_gradient_problem *p) {
    return fc_min64(p->desc.oc / p->desc.groups,
                    FC_WINDOW_DOTS_CHANNELS(p->kernels->tile_pixels, p->desc.kh));
}

static size_t unit_bytes(const fc_weight_gradient_problem *p) {
    return (size_t)(channels_at_once(p) * (p->desc.ic / p->desc.groups) * p->desc.kh * p->desc.kw *
                    p->kernels->vlen) *
           p->kernels->element_bytes;
}

/* Of the peak of multiply-adds, with full vectors; 0: never. A window's sums are in registers side by side, and
 * 16 registers hold those of 3x3. Measured on grouped layers of 28x28, EPYC family 25. */
static double share_of_peak(const fc_kernels *k, int64_t window, int64_t step) {
    if (k->tile_pixels >= 12) return step > 1 ? 0.45 : window > 3 ? 0.7 : 0.85;
    if (window > 3) return 0;
    if (k->vlen == 1) return step > 1 ? 0.3 : 0.71;
    return k->isa == FC_ISA_AVX2 ? (step > 1 ? 0.24 : 0.6) : (step > 1 ? 0.18 : 0.4);
}

bool fc_gradient_windows_pay(const fc_weight_gradient_problem *p) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    if (d->border != FC_BORDER_ZEROS || d->kh != d->kw || d->kh < 3 || d->kh > 7 ||
        d->kh % 2 == 0 || d->dilation_h != 1 || d->dilation_w != 1 || d->stride_h != d->stride_w ||
        d->stride_h > 2 || d->src_stride[3] != 1 || d->diff_dst_stride[3] != 1)
        return false;
    /* the source of many channels is far (64 -> 64 at 112x112: 0.63 of the peak, at 224x224 0.4) */
    const double far = d->ic / d->groups > 32 ? 0.7 : 1;
    const double share = far * share_of_peak(p->kernels, d->kh, d->stride_h);
    if (share == 0 || unit_bytes(p) > fc_cpu_caches()->l2 / 4) return false;
    /* Cycles for a pixel of a channel of the result: sums one vector at a time, against tiles two vectors
     * wide (one, bound by loads, if the channels fill no more), for which both operands are laid out anew. */
    enum { LAYOUT = 2 };
    const double vlen = p->kernels->vlen, depth = (double)(d->ic / d->groups * d->kh * d->kw);
    const int64_t ocg = d->oc / d->groups, wide = ocg <= p->kernels->vlen ? 1 : 2;
    const double filled = (double)p->ow / (double)fc_round_up(p->ow, p->kernels->vlen);
    const double lanes = (double)ocg / (double)fc_round_up(ocg, wide * p->kernels->vlen);
    const double windows = depth / (vlen * filled * share);
    const double tiles = depth / (vlen * lanes * (wide == 1 ? 0.77 : 0.9)) +
                         LAYOUT * (1 + (double)d->ic / (double)d->oc);
    return windows < tiles;
}

static windows_job job_make(const fc_weight_gradient_problem *p, int threads) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    windows_job job = {
        .problem = p,
        .icg = d->ic / d->groups,
        .ocg = d->oc / d->groups,
        .taps = d->kh * d->kw,
        .at_once = channels_at_once(p),
        .sum_bytes = unit_bytes(p),
    };
    job.group_units = fc_div_up(job.ocg, job.at_once);
    job.units = d->groups * job.group_units;
    const int64_t pixel = d->stride_h * d->stride_w; /* of the source, for one of the result */
    const int64_t near = (int64_t)fc_cpu_caches()->l1d * 3 / 4 / bytes / (pixel + job.at_once);
    const int64_t far = (int64_t)fc_cpu_caches()->l2 / 4 / bytes / (job.icg * pixel + job.at_once);
    const bool whole = job.icg == 1 && job.group_units == 1;
    job.cut = fc_gradient_cut_make(p, whole ? fc_max64(1, d->n) * p->oh * p->ow : fc_max64(p->ow, far),
                                   FC_GRADIENT_CHANNELS, true);
    job.block = fc_max64(8, near / p->ow);
    if (p->ow <= p->kernels->vlen) job.block = p->oh; /* each row is read once */
    /* the sums of a task stay in the second-level cache; four tasks a thread, if there are units */
    const int64_t most = fc_max64(1, (int64_t)(fc_cpu_caches()->l2 / 4 / job.sum_bytes));
    job.tasks = fc_max64(fc_div_up(job.units, most),
                         fc_min64(job.units, threads > 1 ? 4 * (int64_t)threads : 1));
    return job;
}

/* A chunk's products of unit `unit`. */
static void add_chunk(const windows_job *job, int64_t unit, fc_gradient_chunk chunk, char *sums) {
    const fc_weight_gradient_problem *p = job->problem;
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, *diff = d->diff_dst_stride;
    const int64_t group = unit / job->group_units, first = unit % job->group_units * job->at_once;
    fc_window_dots_args dots = {
        .diff = (const char *)job->args->diff_dst +
                (chunk.n * diff[0] + (group * job->ocg + first) * diff[1] + chunk.y * diff[2]) * bytes,
        .k = d->kh,
        .step = d->stride_h,
        .channels = fc_min64(job->at_once, job->ocg - first),
        .images = chunk.images,
        .rows = chunk.rows,
        .cols = chunk.cols,
        .block = fc_div_up(chunk.rows, fc_div_up(chunk.rows, job->block)),
        .src_image = d->src_stride[0],
        .src_row = d->src_stride[2],
        /* the next channel's first image; a group's source is at hand already */
        .src_ahead = job->icg == 1 && job->group_units == 1
                         ? d->src_stride[1] - (chunk.images - 1) * d->src_stride[0]
                         : 0,
        .top = d->pad_top - chunk.y * d->stride_h,
        .left = d->pad_left,
        .height = d->ih,
        .width = d->iw,
        .diff_channel = diff[1],
        .diff_image = diff[0],
        .diff_row = diff[2],
        .diff_ahead = job->at_once * diff[1] - (chunk.images - 1) * diff[0], /* the next unit's */
        .dst_channel = job->icg * job->taps,
    };
    for (int64_t i = 0; i < job->icg; i++) {
        dots.src = (const char *)job->args->src + (chunk.n * d->src_stride[0] +
                                                   (group * job->icg + i) * d->src_stride[1]) *
                                                      bytes;
        dots.dst = sums + i * job->taps * p->kernels->vlen * bytes;
        p->kernels->window_dots(&dots);
    }
}

/* The sums of the largest task. */
static size_t worker_bytes(const windows_job *job) {
    return (size_t)fc_round_up(fc_div_up(job->units, job->tasks) * (int64_t)job->sum_bytes,
                               FC_CACHE_LINE);
}

static void run_task(void *context, int64_t task, int worker) {
    const windows_job *job = context;
    const fc_weight_gradient_problem *p = job->problem;
    char *sums = job->workers + (size_t)worker * worker_bytes(job);
    int64_t begin, end;
    fc_split(job->units, job->tasks, task, &begin, &end);
    memset(sums, 0, (size_t)(end - begin) * job->sum_bytes);
    const int64_t chunks = fc_gradient_chunks(p, &job->cut);
    for (int64_t c = 0; c < chunks; c++) {
        const fc_gradient_chunk chunk = fc_gradient_chunk_at(p, &job->cut, c);
        for (int64_t unit = begin; unit < end; unit++)
            add_chunk(job, unit, chunk, sums + (size_t)(unit - begin) * job->sum_bytes);
    }
    const int64_t each = job->icg * job->taps; /* weights of a channel of the result */
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t first = unit % job->group_units * job->at_once;
        const fc_fold_lanes_args fold = {
            .src = sums + (size_t)(unit - begin) * job->sum_bytes,
            .dst = (char *)job->args->dst + (unit / job->group_units * job->ocg + first) * each *
                                                (int64_t)p->kernels->element_bytes,
            .count = fc_min64(job->at_once, job->ocg - first) * each,
        };
        p->kernels->fold_lanes(&fold);
    }
}

size_t fc_gradient_windows_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    const windows_job job = job_make(p, threads);
    return (size_t)threads * worker_bytes(&job);
}

void fc_gradient_windows_execute(const fc_weight_gradient_problem *p, const fc_args *args, void *scratch,
                                 int threads) {
    windows_job job = job_make(p, threads);
    job.args = args;
    job.workers = scratch;
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, job.tasks, run_task, &job);
}
