/* unpool.c: each plane is cleared and its values are put where their indices say, in order; and the
 * gradients by indices: of maxima values are added there, of unpooling they are read from there. */
#include <string.h>

#include "driver.h"

typedef struct unpool_job {
    const fc_unpool_problem *problem;
    const fc_args *args;
    int64_t chunk; /* planes in a task */
    void (*plane)(const fc_kernels *, int64_t, const void *, void *, const int64_t *);
} unpool_job;

static bool all_inside(const fc_unpool_problem *p, const fc_args *args, int64_t least) {
    const int64_t count = p->desc.planes * p->desc.src_plane;
    int outside = 0;
    fc_check_indices_args check = {args->indices, count, least, p->desc.dst_plane, &outside};
    p->kernels->check_indices(&check);
    return !outside;
}

bool fc_unpool_valid(const fc_unpool_problem *p, const fc_args *args) { return all_inside(p, args, 0); }

bool fc_max_pool_gradient_valid(const fc_unpool_problem *p, const fc_args *args) {
    return all_inside(p, args, -1);
}

/* One plane: `count` values of the pooled side. */
static void put(const fc_kernels *kernels, int64_t count, const void *src, void *dst,
                const int64_t *indices) {
    for (int64_t i = 0; i < count; i++) {
        if (kernels->element_bytes == sizeof(double))
            ((double *)dst)[indices[i]] = ((const double *)src)[i];
        else
            ((float *)dst)[indices[i]] = ((const float *)src)[i];
    }
}

static void add(const fc_kernels *kernels, int64_t count, const void *src, void *dst,
                const int64_t *indices) {
    fc_add_indexed_args add = {src, dst, indices, count};
    kernels->add_indexed(&add);
}

static void take(const fc_kernels *kernels, int64_t count, const void *src, void *dst,
                 const int64_t *indices) {
    for (int64_t i = 0; i < count; i++) {
        if (kernels->element_bytes == sizeof(double))
            ((double *)dst)[i] = ((const double *)src)[indices[i]];
        else
            ((float *)dst)[i] = ((const float *)src)[indices[i]];
    }
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const unpool_job *job = context;
    const fc_unpool_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const bool taken = job->plane == take;
    const int64_t read = taken ? d->dst_plane : d->src_plane;
    const int64_t written = taken ? d->src_plane : d->dst_plane;
    const int64_t end = fc_min64(d->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        char *dst = (char *)job->args->dst + plane * written * bytes;
        if (!taken) memset(dst, 0, (size_t)(written * bytes));
        job->plane(job->problem->kernels, d->src_plane,
                   (const char *)job->args->src + plane * read * bytes, dst,
                   job->args->indices + plane * d->src_plane);
    }
}

static void run_planes(const fc_unpool_problem *p, const fc_args *args, int threads,
                       void (*plane)(const fc_kernels *, int64_t, const void *, void *, const int64_t *)) {
    const fc_unpool_desc *d = &p->desc;
    const double bytes = (double)fc_dtype_bytes((fc_dtype)d->dtype);
    const double plane_bytes = (double)d->dst_plane * bytes + (double)d->src_plane * (bytes + 8);
    unpool_job job = {.problem = p, .args = args, .chunk = d->planes, .plane = plane};
    if (threads > 1)
        job.chunk = fc_min64(d->planes, fc_max64(fc_div_up(d->planes, 8 * threads),
                                                 (int64_t)(65536 / plane_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(d->planes, job.chunk), run_task, &job);
}

void fc_unpool_execute(const fc_unpool_problem *p, const fc_args *args, int threads) {
    run_planes(p, args, threads, put);
}

void fc_max_pool_gradient_execute(const fc_unpool_problem *p, const fc_args *args, int threads) {
    run_planes(p, args, threads, add);
}

void fc_unpool_gradient_execute(const fc_unpool_problem *p, const fc_args *args, int threads) {
    run_planes(p, args, threads, take);
}
