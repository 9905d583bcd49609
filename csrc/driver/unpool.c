/* unpool.c: each plane is cleared and its values are put where their indices say, in order; and the
 * gradients by indices: of maxima values are added there, of unpooling they are read from there. */
#include <string.h>

#include "driver.h"

typedef struct unpool_job {
    const fc_unpool_problem *problem;
    const fc_args *args;
    int64_t chunk; /* planes in a task */
} unpool_job;

bool fc_unpool_valid(const fc_unpool_problem *p, const fc_args *args) {
    const int64_t count = p->desc.planes * p->desc.src_plane, limit = p->desc.dst_plane;
    for (int64_t i = 0; i < count; i++)
        if (args->indices[i] < 0 || args->indices[i] >= limit) return false;
    return true;
}

bool fc_max_pool_gradient_valid(const fc_unpool_problem *p, const fc_args *args) {
    const int64_t count = p->desc.planes * p->desc.src_plane;
    const uint64_t limit = (uint64_t)p->desc.dst_plane;
    uint64_t wrong = 0; /* without a branch: nearly always all are looked at */
    for (int64_t i = 0; i < count; i++) wrong |= (uint64_t)args->indices[i] + 1 > limit;
    return !wrong;
}

static void put_task(void *context, int64_t task, int worker) {
    (void)worker;
    const unpool_job *job = context;
    const fc_unpool_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(d->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        const char *src = (const char *)job->args->src + plane * d->src_plane * bytes;
        char *dst = (char *)job->args->dst + plane * d->dst_plane * bytes;
        const int64_t *indices = job->args->indices + plane * d->src_plane;
        memset(dst, 0, (size_t)(d->dst_plane * bytes));
        for (int64_t i = 0; i < d->src_plane; i++) {
            if (d->dtype == FC_F64)
                ((double *)dst)[indices[i]] = ((const double *)src)[i];
            else
                ((float *)dst)[indices[i]] = ((const float *)src)[i];
        }
    }
}

static void add_task(void *context, int64_t task, int worker) {
    (void)worker;
    const unpool_job *job = context;
    const fc_unpool_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(d->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        const char *src = (const char *)job->args->src + plane * d->src_plane * bytes;
        char *dst = (char *)job->args->dst + plane * d->dst_plane * bytes;
        const int64_t *indices = job->args->indices + plane * d->src_plane;
        memset(dst, 0, (size_t)(d->dst_plane * bytes));
        for (int64_t i = 0; i < d->src_plane; i++) {
            if (indices[i] < 0) continue;
            if (d->dtype == FC_F64)
                ((double *)dst)[indices[i]] += ((const double *)src)[i];
            else
                ((float *)dst)[indices[i]] += ((const float *)src)[i];
        }
    }
}

static void take_task(void *context, int64_t task, int worker) {
    (void)worker;
    const unpool_job *job = context;
    const fc_unpool_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(d->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        const char *src = (const char *)job->args->src + plane * d->dst_plane * bytes;
        char *dst = (char *)job->args->dst + plane * d->src_plane * bytes;
        const int64_t *indices = job->args->indices + plane * d->src_plane;
        for (int64_t i = 0; i < d->src_plane; i++) {
            if (d->dtype == FC_F64)
                ((double *)dst)[i] = ((const double *)src)[indices[i]];
            else
                ((float *)dst)[i] = ((const float *)src)[indices[i]];
        }
    }
}

static void run_planes(const fc_unpool_problem *p, const fc_args *args, int threads,
                       void (*task)(void *, int64_t, int)) {
    const fc_unpool_desc *d = &p->desc;
    const double bytes = (double)fc_dtype_bytes((fc_dtype)d->dtype);
    const double plane_bytes = (double)d->dst_plane * bytes + (double)d->src_plane * (bytes + 8);
    unpool_job job = {.problem = p, .args = args, .chunk = d->planes};
    if (threads > 1)
        job.chunk = fc_min64(d->planes, fc_max64(fc_div_up(d->planes, 8 * threads),
                                                 (int64_t)(65536 / plane_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(d->planes, job.chunk), task,
                      &job);
}

void fc_unpool_execute(const fc_unpool_problem *p, const fc_args *args, int threads) {
    run_planes(p, args, threads, put_task);
}

void fc_max_pool_gradient_execute(const fc_unpool_problem *p, const fc_args *args, int threads) {
    run_planes(p, args, threads, add_task);
}

void fc_unpool_gradient_execute(const fc_unpool_problem *p, const fc_args *args, int threads) {
    run_planes(p, args, threads, take_task);
}
