/* scale.c: planes, each times its own number: squeeze and excitation. Where planes are single elements
 * the numbers run along the row. */
#include "driver.h"

typedef struct scale_job {
    const fc_scale_problem *problem;
    const fc_args *args;
    int64_t planes; /* of all rows; single elements count as one plane a row */
    int64_t chunk;  /* planes in a task */
} scale_job;

/* `planes` of one row, from `first` on. */
static void run_planes(const scale_job *job, int64_t row, int64_t first, int64_t planes) {
    const fc_scale_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const char *src =
        (const char *)job->args->src + (row * d->src_row_stride + first * d->inner) * bytes;
    const bool single = d->inner == 1;
    const fc_channel_gradient_args args = {
        .src = src,
        .grad = src,
        .dst = (char *)job->args->dst + (row * d->dst_row_stride + first * d->inner) * bytes,
        .scale = (const char *)job->args->residual + (row * d->channels + first) * bytes,
        .rows = planes,
        .count = single ? d->channels : d->inner,
        .channels = d->channels,
        .by_column = single,
        .kind = FC_GRADIENT_SCALE,
    };
    job->problem->kernels->channel_gradient(&args);
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const scale_job *job = context;
    const fc_scale_desc *d = &job->problem->desc;
    const int64_t of_row = d->inner == 1 ? 1 : d->channels;
    const int64_t end = fc_min64(job->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end;) {
        const int64_t first = plane % of_row, planes = fc_min64(end - plane, of_row - first);
        run_planes(job, plane / of_row, first, planes);
        plane += planes;
    }
}

void fc_scale_execute(const fc_scale_problem *p, const fc_args *args, int threads) {
    const fc_scale_desc *d = &p->desc;
    scale_job job = {.problem = p, .args = args};
    if (d->rows * d->channels * d->inner == 0) return;
    job.planes = d->inner == 1 ? d->rows : d->rows * d->channels;
    const double plane_bytes = 2.0 * (double)(d->inner == 1 ? d->channels : d->inner) *
                               (double)fc_dtype_bytes((fc_dtype)d->dtype);
    threads = fc_threads_for_bytes(threads, (double)job.planes * plane_bytes);
    job.chunk = job.planes;
    if (threads > 1) /* at least 64 KiB a task */
        job.chunk = fc_min64(job.planes, fc_max64(fc_div_up(job.planes, 8 * threads),
                                                  (int64_t)(65536 / plane_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(job.planes, job.chunk), run_task, &job);
}
