/* pool_gradient.c: the gradient of averages and norms. A row of values is spread over its windows'
 * columns once, and then added to each row that the windows hold: in order of the rows, so that a pixel's
 * sum depends on nothing but the shape. Planes are split among threads. */
#include <math.h>
#include <string.h>

#include "driver.h"
#include "pool_taps.h"

typedef struct gradient_job {
    const fc_pool_problem *problem;
    const fc_args *args;
    void *divisor; /* of each column */
    ptrdiff_t *begin, *end;
    char *lines; /* of all workers */
    size_t line_bytes, worker_bytes;
    int64_t chunk; /* planes in a task */
} gradient_job;

static size_t row_bytes(const fc_pool_problem *p, int64_t elements) {
    return (size_t)fc_round_up(elements * (int64_t)fc_dtype_bytes((fc_dtype)p->desc.dtype),
                               FC_CACHE_LINE);
}

static size_t span_bytes(const fc_pool_problem *p) {
    return (size_t)fc_round_up(p->ow * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
}

/* The columns' divisors and spans; and for each thread a row of scaled values, one of spread ones. */
size_t fc_pool_gradient_scratch_bytes(const fc_pool_problem *p, int threads) {
    return row_bytes(p, p->ow) + 2 * span_bytes(p) +
           (size_t)threads * (2 * row_bytes(p, p->ow) + row_bytes(p, p->desc.iw));
}

static inline double get(const void *at, int64_t i, int32_t dtype) {
    return dtype == FC_F64 ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

static inline void put(void *at, int64_t i, int32_t dtype, double value) {
    if (dtype == FC_F64)
        ((double *)at)[i] = value;
    else
        ((float *)at)[i] = (float)value;
}

static inline double power(double x, double y, int32_t dtype) {
    if (y == 1) return x;
    if (y == -1) return 1 / x;
    return dtype == FC_F64 ? pow(x, y) : (double)powf((float)x, (float)y);
}

static void fill_columns(gradient_job *job) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    for (int64_t x = 0; x < p->ow; x++) {
        int64_t begin, end, start = fc_window_cols(d, p->ow, x, &begin, &end);
        job->begin[x] = start + begin;
        job->end[x] = start + end;
        put(job->divisor, x, d->dtype,
            d->divisor_override ? (double)d->divisor_override : (double)fc_counted_cols(d, p->ow, x));
    }
}

/* A norm's values before they are spread: result^(1 - p) * taps / counted, where the result is not 0. */
static void scale_norms(const gradient_job *job, const void *src, const void *result, void *scaled,
                        double row_divisor) {
    const fc_pool2d_desc *d = &job->problem->desc;
    const double taps = (double)d->kh * (double)d->kw;
    for (int64_t x = 0; x < job->problem->ow; x++) {
        const double norm = get(result, x, d->dtype);
        const double share = taps / (row_divisor * get(job->divisor, x, d->dtype));
        put(scaled, x, d->dtype,
            norm == 0 ? 0 : get(src, x, d->dtype) * power(norm, 1 - d->norm, d->dtype) * share);
    }
}

static void scale_plane(const gradient_job *job, const void *input, void *dst) {
    const fc_pool2d_desc *d = &job->problem->desc;
    if (d->norm == 1) return;
    for (int64_t i = 0; i < d->ih * d->iw; i++) {
        const double spread = get(dst, i, d->dtype);
        if (spread != 0) /* what is passed by nothing is 0, whatever the power of a zero is */
            put(dst, i, d->dtype, spread * power(get(input, i, d->dtype), d->norm - 1, d->dtype));
    }
}

static void spread_plane(const gradient_job *job, const char *src, const char *result, char *dst,
                         char *line) {
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const size_t pixels = (size_t)(d->iw * bytes);
    char *scaled = line + job->line_bytes, *spread = scaled + job->line_bytes;
    int64_t written = 0; /* rows of dst that hold something already */
    for (int64_t y = 0; y < p->oh; y++) {
        int64_t begin, end, start = fc_window_rows(d, p->oh, y, &begin, &end);
        begin += start, end += start;
        if (begin > written) memset(dst + written * (int64_t)pixels, 0, (size_t)(begin - written) * pixels);
        written = fc_max64(written, begin);
        fc_spread_row_args row = {
            .src = src + y * p->ow * bytes,
            .divisor = job->divisor,
            .begin = d->adaptive ? job->begin : NULL,
            .end = d->adaptive ? job->end : NULL,
            .line = line,
            .dst = begin == written ? dst + begin * (int64_t)pixels : spread,
            .row_divisor = d->divisor_override ? 1 : (double)fc_counted_rows(d, p->oh, y),
            .count = p->ow,
            .pixels = d->iw,
            .taps = d->kw,
            .step = d->stride_w,
            .pad = d->pad_left,
        };
        if (d->kind == FC_POOL_LP) {
            scale_norms(job, row.src, result + y * p->ow * bytes, scaled, row.row_divisor);
            row.src = scaled;
            row.divisor = NULL;
        }
        p->kernels->spread_row(&row);
        for (int64_t r = begin; r < end; r++) {
            char *to = dst + r * (int64_t)pixels;
            if (r < written) {
                fc_add_strided_args add = {.src = row.dst, .dst = to, .count = d->iw, .step = 1};
                p->kernels->add_strided(&add);
            } else if (to != (char *)row.dst) {
                memcpy(to, row.dst, pixels);
            }
        }
        written = fc_max64(written, end);
    }
    memset(dst + written * (int64_t)pixels, 0, (size_t)(d->ih - written) * pixels);
}

static void run_task(void *context, int64_t task, int worker) {
    const gradient_job *job = context;
    const fc_pool_problem *p = job->problem;
    const fc_pool2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(d->n * d->c, (task + 1) * job->chunk);
    char *line = job->lines + (size_t)worker * job->worker_bytes;
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        const int64_t in = plane * d->ih * d->iw * bytes, out = plane * p->oh * p->ow * bytes;
        char *dst = (char *)job->args->dst + in;
        const bool norm = d->kind == FC_POOL_LP;
        spread_plane(job, (const char *)job->args->src + out,
                     norm ? (const char *)job->args->result + out : NULL, dst, line);
        if (norm) scale_plane(job, (const char *)job->args->input + in, dst);
    }
}

void fc_pool_gradient_execute(const fc_pool_problem *p, const fc_args *args, void *scratch,
                              int threads) {
    const fc_pool2d_desc *d = &p->desc;
    const int64_t planes = d->n * d->c;
    const double plane_bytes = (double)(d->ih * d->iw + p->oh * p->ow) *
                               (double)fc_dtype_bytes((fc_dtype)d->dtype);
    gradient_job job = {.problem = p, .args = args, .divisor = scratch};
    char *at = (char *)scratch + row_bytes(p, p->ow);
    job.begin = (ptrdiff_t *)(void *)at;
    job.end = (ptrdiff_t *)(void *)(at + span_bytes(p));
    job.lines = at + 2 * span_bytes(p);
    job.line_bytes = row_bytes(p, p->ow);
    job.worker_bytes = 2 * job.line_bytes + row_bytes(p, d->iw);
    fill_columns(&job);
    job.chunk = planes;
    if (threads > 1)
        job.chunk = fc_min64(
            planes, fc_max64(fc_div_up(planes, 8 * threads), (int64_t)(65536 / plane_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(planes, job.chunk), run_task, &job);
}
