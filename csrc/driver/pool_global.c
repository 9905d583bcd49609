/* pool_global.c: one window that covers the whole plane.
 *
 * Planes with dense rows are reduced as single rows, several planes a call. Otherwise each row is
 * reduced and then the results of the rows, in the same way. Both orders depend on the shape and
 * the layout alone. */
#include "driver.h"

typedef struct global_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    char *scratch;
    size_t worker_bytes; /* results of the rows of one plane */
    int threads;
    bool dense;
    int64_t run; /* planes that follow each other at src_stride[1] */
    int64_t planes, chunk;
    double divisor;
} global_job;

static global_job cut(const fc_pool_problem *p, int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), count = d->ih * d->iw;
    global_job job = {.problem = p, .planes = d->n * d->c};
    const double plane_bytes = (double)count * (double)bytes;
    job.threads = fc_threads_for_bytes(threads, (double)job.planes * plane_bytes);
    job.dense = d->ih == 1 || d->src_stride[2] == d->iw;
    job.run = d->n == 1 || d->src_stride[0] == d->c * d->src_stride[1] ? job.planes : d->c;
    job.divisor = d->divisor_override ? (double)d->divisor_override : (double)count;
    job.chunk = job.planes;
    if (job.threads > 1) /* at least 64 KiB a task, and whole vectors of results */
        job.chunk = fc_min64(job.planes,
                             fc_round_up(fc_max64(fc_div_up(job.planes, 8 * job.threads),
                                                  (int64_t)(65536 / plane_bytes) + 1),
                                         p->kernels->vlen));
    if (!job.dense) job.worker_bytes = (size_t)fc_round_up(d->ih * bytes, FC_CACHE_LINE);
    return job;
}

static void run_task(void *context, int64_t task, int worker) {
    const global_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(job->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end;) {
        const int64_t n = plane / d->c, c = plane % d->c;
        int64_t planes = fc_min64(end - plane, job->run - plane % job->run);
        fc_reduce_args reduce = {
            .src = (const char *)job->args->src +
                   (n * d->src_stride[0] + c * d->src_stride[1]) * bytes,
            .dst = (char *)job->args->dst + plane * bytes,
            .rows = planes,
            .src_row = d->src_stride[1],
            .count = d->ih * d->iw,
            .divisor = job->divisor,
            .kind = d->kind,
        };
        if (!job->dense) {
            planes = 1;
            fc_reduce_args rows = reduce;
            rows.dst = job->scratch + (size_t)worker * job->worker_bytes;
            rows.rows = d->ih;
            rows.src_row = d->src_stride[2];
            rows.count = d->iw;
            rows.divisor = 1;
            p->kernels->reduce_row(&rows);
            reduce.src = rows.dst;
            reduce.rows = 1;
            reduce.count = d->ih;
        }
        p->kernels->reduce_row(&reduce);
        plane += planes;
    }
}

static const char *refuse(const fc_pool2d_desc *d, int64_t oh, int64_t ow) {
    if (d->src_stride[3] != 1) return "channels lie side by side, not columns";
    if (d->with_indices) return "positions of the maxima are asked for";
    if (d->kind == FC_POOL_LP) return "norms are made by rows and columns";
    if (d->adaptive) return "there are several windows";
    if (d->pad_top || d->pad_bottom || d->pad_left || d->pad_right || d->dilation_h != 1 ||
        d->dilation_w != 1 || d->kh != d->ih || d->kw != d->iw || oh != 1 || ow != 1)
        return "the window is not exactly the whole plane";
    return NULL;
}

static size_t scratch_bytes(const fc_pool_problem *p, int threads) {
    const global_job job = cut(p, threads);
    return job.worker_bytes * (size_t)job.threads;
}

static void execute(const fc_pool_problem *p, const fc_args *args, void *scratch, int threads) {
    global_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype, fc_div_up(job.planes, job.chunk),
                      run_task, &job);
}

const fc_pool_driver fc_pool_global = {
    .algorithm = FC_ALGO_POOL_GLOBAL,
    .why = "the window is the whole plane: one reduction a channel",
    .refuse = refuse,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
