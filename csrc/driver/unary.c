/* unary.c: an activation of a dense array, or its gradient, in pieces. */
#include "driver.h"

typedef struct unary_job {
    const fc_unary_problem *problem;
    const fc_args *args;
    int64_t chunk;
} unary_job;

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const unary_job *job = context;
    const fc_unary_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), begin = task * job->chunk;
    const fc_activate_args args = {
        .src = (const char *)job->args->src + begin * bytes,
        .dst = (char *)job->args->dst + begin * bytes,
        .count = fc_min64(job->chunk, d->count - begin),
        .activation = d->activation,
        .alpha = d->alpha,
        .beta = d->beta,
    };
    job->problem->kernels->activate(&args);
}

static void run_gradient_task(void *context, int64_t task, int worker) {
    (void)worker;
    const unary_job *job = context;
    const fc_unary_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), begin = task * job->chunk;
    const fc_activate_gradient_args args = {
        .grad = (const char *)job->args->diff_dst + begin * bytes,
        .saved = (const char *)job->args->src + begin * bytes,
        .dst = (char *)job->args->dst + begin * bytes,
        .count = fc_min64(job->chunk, d->count - begin),
        .activation = d->activation,
        .alpha = d->alpha,
        .beta = d->beta,
    };
    job->problem->kernels->activate_gradient(&args);
}

/* `arrays`: how many of this size are read or written. */
static void run(const fc_unary_problem *p, const fc_args *args, double arrays, fc_task_fn task,
                int threads) {
    const fc_unary_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    threads = fc_threads_for_bytes(threads, arrays * (double)d->count * (double)bytes);
    unary_job job = {.problem = p, .args = args, .chunk = d->count};
    if (threads > 1) /* 64 KiB or more, in whole cache lines */
        job.chunk = fc_round_up(fc_max64(65536 / bytes, fc_div_up(d->count, 8 * threads)),
                                FC_CACHE_LINE);
    if (d->count > 0)
        fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(d->count, job.chunk), task, &job);
}

void fc_unary_execute(const fc_unary_problem *p, const fc_args *args, int threads) {
    run(p, args, 2, run_task, threads);
}

void fc_unary_gradient_execute(const fc_unary_problem *p, const fc_args *args, int threads) {
    run(p, args, 3, run_gradient_task, threads);
}
