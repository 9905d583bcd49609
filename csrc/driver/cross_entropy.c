/* cross_entropy.c: softmax and cross-entropy in one, and its gradient, in tiles of positions whose
 * logits stay in the second-level cache.
 *
 * The losses are added up in the type of the data's double, in blocks of BLOCK positions and then the
 * blocks, by one thread: an addition a position beside an exponential for each of its classes. */
#include <math.h>

#include "../base/cpu.h"
#include "driver.h"

enum { BLOCK = 512 };

typedef struct entropy_job {
    const fc_cross_entropy_problem *problem;
    const fc_args *args;
    char *spread;  /* [classes] smoothing / classes * weight, or NULL */
    char *smooth;  /* [3][positions]: forward max, log, smoothed sum in scratch; gradient: A and s */
    double *loss;  /* [positions] */
    double weight; /* sum of `spread` */
    double total;  /* what a mean divides by */
    int64_t bytes, width, tiles, units, chunk;
} entropy_job;

static double value_at(const void *array, int64_t i, int64_t bytes) {
    return bytes == 8 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void put(void *array, int64_t i, double value, int64_t bytes) {
    if (bytes == 8)
        ((double *)array)[i] = value;
    else
        ((float *)array)[i] = (float)value;
}

static int64_t positions(const fc_cross_entropy_desc *d) { return d->outer * d->inner; }

static int64_t class_bytes(const fc_cross_entropy_desc *d) {
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    return d->smoothing > 0 ? fc_round_up(d->classes * bytes, FC_CACHE_LINE) : 0;
}

static int64_t smooth_bytes(const fc_cross_entropy_desc *d) {
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    return fc_round_up(3 * positions(d) * bytes, FC_CACHE_LINE);
}

size_t fc_cross_entropy_scratch_bytes(const fc_cross_entropy_problem *p) {
    const fc_cross_entropy_desc *d = &p->desc;
    return (size_t)(class_bytes(d) + smooth_bytes(d) + 8 * positions(d));
}

static double class_weight(const entropy_job *job, int64_t c) {
    return job->problem->desc.has_weights ? value_at(job->args->weights, c, job->bytes) : 1;
}

static void forward_tile(const entropy_job *job, int64_t outer, int64_t x, int64_t width) {
    const fc_cross_entropy_desc *d = &job->problem->desc;
    const int64_t all = positions(d), first = outer * d->inner + x;
    const int64_t logits = outer * d->classes * d->inner + x;
    char *const part = job->smooth;
    const fc_log_sum_exp_args args = {
        .src = (const char *)job->args->src + logits * job->bytes,
        .weights = job->spread,
        .dst = part + first * job->bytes,
        .length = d->classes,
        .stride = d->inner,
        .width = width,
        .dst_plane = all,
    };
    job->problem->kernels->log_sum_exp(&args);
    for (int64_t i = 0; i < width; i++) {
        const int64_t at = first + i, target = job->args->indices[at];
        const double most = value_at(part, at, job->bytes);
        const double log_sum = value_at(part, all + at, job->bytes);
        put(job->args->saved, at, most, job->bytes);
        put(job->args->saved, all + at, log_sum, job->bytes);
        job->loss[at] = 0;
        if (target == d->ignored) continue;
        const double logit = value_at(job->args->src, logits + i + target * d->inner, job->bytes);
        double loss = (1 - d->smoothing) * class_weight(job, target) * ((most - logit) + log_sum);
        if (job->spread)
            loss += job->weight * log_sum - value_at(part, 2 * all + at, job->bytes);
        job->loss[at] = loss;
    }
}

static void gradient_tile(const entropy_job *job, int64_t outer, int64_t x, int64_t width) {
    const fc_cross_entropy_desc *d = &job->problem->desc;
    const int64_t all = positions(d), first = outer * d->inner + x;
    const int64_t logits = outer * d->classes * d->inner + x;
    char *const scale = job->smooth, *const share = job->smooth + all * job->bytes;
    const bool each = d->reduction == FC_REDUCTION_NONE;
    for (int64_t i = first; i < first + width; i++) {
        const int64_t target = job->args->indices[i];
        double g = value_at(job->args->diff_dst, each ? i : 0, job->bytes), own = 0;
        if (d->reduction == FC_REDUCTION_MEAN) g /= job->total;
        if (target == d->ignored)
            g = 0;
        else
            own = (1 - d->smoothing) * class_weight(job, target);
        job->loss[i] = g * own;
        put(scale, i, g == 0 ? 0 : g * (own + job->weight), job->bytes);
        put(share, i, g, job->bytes);
    }
    const char *const saved = job->args->saved;
    const fc_exp_scaled_args args = {
        .src = (const char *)job->args->src + logits * job->bytes,
        .most = saved + first * job->bytes,
        .log_sum = saved + (all + first) * job->bytes,
        .scale = scale + first * job->bytes,
        .spread = share + first * job->bytes,
        .weights = job->spread,
        .dst = (char *)job->args->dst + logits * job->bytes,
        .length = d->classes,
        .stride = d->inner,
        .width = width,
    };
    job->problem->kernels->exp_scaled(&args);
    for (int64_t i = 0; i < width; i++) {
        const int64_t target = job->args->indices[first + i];
        if (target == d->ignored) {
            for (int64_t c = 0; c < d->classes; c++)
                put(job->args->dst, logits + i + c * d->inner, 0, job->bytes);
            continue;
        }
        const int64_t at = logits + i + target * d->inner;
        put(job->args->dst, at, value_at(job->args->dst, at, job->bytes) - job->loss[first + i],
            job->bytes);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const entropy_job *job = context;
    const fc_cross_entropy_desc *d = &job->problem->desc;
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        const int64_t x = unit % job->tiles * job->width, width = fc_min64(job->width, d->inner - x);
        if (d->diff_src)
            gradient_tile(job, unit / job->tiles, x, width);
        else
            forward_tile(job, unit / job->tiles, x, width);
    }
}

/* The sum of the weights of all targets that count. */
static double total_weight(const entropy_job *job) {
    const fc_cross_entropy_desc *d = &job->problem->desc;
    double total = 0;
    for (int64_t i = 0; i < positions(d); i++)
        if (job->args->indices[i] != d->ignored) total += class_weight(job, job->args->indices[i]);
    return total;
}

static void reduce(const entropy_job *job) {
    const fc_cross_entropy_desc *d = &job->problem->desc;
    const int64_t all = positions(d);
    double sum = 0;
    if (d->reduction == FC_REDUCTION_NONE) {
        for (int64_t i = 0; i < all; i++) put(job->args->dst, i, job->loss[i], job->bytes);
        return;
    }
    for (int64_t i = 0; i < all; i += BLOCK) {
        double block = 0;
        for (int64_t k = i; k < fc_min64(all, i + BLOCK); k++) block += job->loss[k];
        sum += block;
    }
    put(job->args->dst, 0, d->reduction == FC_REDUCTION_MEAN ? sum / job->total : sum, job->bytes);
}

void fc_cross_entropy_execute(const fc_cross_entropy_problem *p, const fc_args *args, void *scratch,
                              int threads) {
    const fc_cross_entropy_desc *d = &p->desc;
    entropy_job job = {.problem = p, .args = args, .width = 1};
    job.bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    job.smooth = (char *)scratch + class_bytes(d);
    job.loss = (double *)(void *)(job.smooth + smooth_bytes(d));
    if (d->smoothing > 0) {
        job.spread = scratch;
        for (int64_t c = 0; c < d->classes; c++) {
            put(job.spread, c, d->smoothing / (double)d->classes * class_weight(&job, c), job.bytes);
            job.weight += value_at(job.spread, c, job.bytes);
        }
    }
    if (d->reduction == FC_REDUCTION_MEAN) job.total = total_weight(&job);
    if (d->inner > 1) {
        const int64_t line = FC_CACHE_LINE / job.bytes;
        const int64_t fits = (int64_t)fc_cpu_caches()->l2 / 4 / (2 * d->classes * job.bytes);
        job.width = fc_min64(d->inner, fc_min64(16 * line, fc_max64(4 * line, fits)));
    }
    job.tiles = fc_div_up(d->inner, job.width);
    job.units = d->outer * job.tiles;
    const double unit_flops = 40.0 * (double)d->classes * (double)job.width;
    threads = fc_threads_for_flops(threads, unit_flops * (double)job.units);
    job.chunk = job.units;
    if (threads > 1)
        job.chunk = fc_min64(job.units, fc_max64(fc_div_up(job.units, 8 * threads),
                                                 (int64_t)(5e5 / unit_flops) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(job.units, job.chunk), run_task, &job);
    if (!d->diff_src) reduce(&job);
}
