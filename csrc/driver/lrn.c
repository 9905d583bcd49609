/* lrn.c: local response normalisation, in tiles of pixels whose channels stay in the second-level
 * cache while windows slide over them. */
#include "../base/cpu.h"
#include "driver.h"

typedef struct lrn_job {
    const fc_lrn_problem *problem;
    const fc_args *args;
    int64_t width, tiles; /* pixels of a tile; tiles of one outer index */
} lrn_job;

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const lrn_job *job = context;
    const fc_lrn_desc *d = &job->problem->desc;
    const int64_t x = task % job->tiles * job->width;
    const int64_t at = (task / job->tiles * d->channels * d->inner + x) *
                       (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const fc_lrn_args args = {
        .src = (const char *)job->args->src + at,
        .dst = (char *)job->args->dst + at,
        .channels = d->channels,
        .stride = d->inner,
        .width = fc_min64(job->width, d->inner - x),
        .size = d->size,
        .before = d->before,
        .k = d->k,
        .factor = d->alpha / (double)d->size,
        .beta = d->beta,
    };
    job->problem->kernels->lrn(&args);
}

void fc_lrn_execute(const fc_lrn_problem *p, const fc_args *args, int threads) {
    const fc_lrn_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t line = FC_CACHE_LINE / bytes;
    const int64_t fits = (int64_t)fc_cpu_caches()->l2 / 4 / (d->channels * bytes);
    lrn_job job = {.problem = p, .args = args};
    job.width = fc_min64(d->inner, fc_max64(line, fits / line * line));
    if (threads > 1) /* at least four tiles a thread, where the lines of the cache allow it */
        job.width = fc_min64(
            job.width,
            fc_round_up(fc_max64(1, d->inner * d->outer / (4 * threads)), line));
    job.tiles = fc_div_up(d->inner, job.width);
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, d->outer * job.tiles, run_task, &job);
}
