/* channelwise.c: rows of (outer, channels, inner), each with its channel's numbers. Where inner is 1
 * the channels run along the row. */
#include <math.h>

#include "driver.h"

typedef struct channelwise_job {
    const fc_channelwise_problem *problem;
    const fc_args *args;
    const void *scale, *bias;
    bool by_column;
    int64_t rows, count, chunk; /* rows of `count` elements; rows in a task */
} channelwise_job;

static size_t array_bytes(const fc_channelwise_desc *d) {
    return (size_t)fc_round_up(d->channels * (int64_t)fc_dtype_bytes((fc_dtype)d->dtype),
                               FC_CACHE_LINE);
}

/* A norm's scale, and its bias if it has none. */
size_t fc_channelwise_scratch_bytes(const fc_channelwise_problem *p) {
    if (p->desc.kind == FC_CHANNELWISE_PRELU) return 0;
    return array_bytes(&p->desc) * (p->desc.has_bias ? 1 : 2);
}

static double value_at(const void *array, int64_t i, int32_t dtype) {
    return dtype == FC_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void set_scale(const fc_channelwise_desc *d, const fc_args *args, void *scale) {
    for (int64_t c = 0; c < d->channels; c++) {
        const double weight = d->has_weights ? value_at(args->weights, c, d->dtype) : 1;
        const double value = weight / sqrt(value_at(args->variance, c, d->dtype) + d->epsilon);
        if (d->dtype == FC_F64)
            ((double *)scale)[c] = value;
        else
            ((float *)scale)[c] = (float)value;
    }
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const channelwise_job *job = context;
    const fc_channelwise_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), first = task * job->chunk;
    const fc_channel_rows_args args = {
        .src = (const char *)job->args->src + first * job->count * bytes,
        .dst = (char *)job->args->dst + first * job->count * bytes,
        .mean = job->args->mean,
        .scale = job->scale,
        .bias = job->bias,
        .rows = fc_min64(job->chunk, job->rows - first),
        .count = job->count,
        .first = first,
        .channels = d->channels,
        .by_column = job->by_column,
        .kind = d->kind,
        .activation = d->activation,
    };
    job->problem->kernels->channel_rows(&args);
}

void fc_channelwise_execute(const fc_channelwise_problem *p, const fc_args *args, void *scratch,
                            int threads) {
    const fc_channelwise_desc *d = &p->desc;
    channelwise_job job = {.problem = p, .args = args, .scale = args->weights, .bias = args->bias};
    if (d->kind == FC_CHANNELWISE_NORM) {
        set_scale(d, args, scratch);
        job.scale = scratch;
        if (!d->has_bias)
            job.bias = memset((char *)scratch + array_bytes(d), 0, array_bytes(d));
    }
    job.by_column = d->inner == 1;
    job.rows = job.by_column ? d->outer : d->outer * d->channels;
    job.count = job.by_column ? d->channels : d->inner;
    const double row_bytes = 2.0 * (double)job.count * (double)fc_dtype_bytes((fc_dtype)d->dtype);
    threads = fc_threads_for_bytes(threads, (double)job.rows * row_bytes);
    job.chunk = job.rows;
    if (threads > 1) /* at least 64 KiB a task */
        job.chunk = fc_min64(job.rows, fc_max64(fc_div_up(job.rows, 8 * threads),
                                                (int64_t)(65536 / row_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(job.rows, job.chunk), run_task, &job);
}
