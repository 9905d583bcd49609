/* pad_gradient.c: each element of a bordered array added to where it was copied from. The axes before
 * the first that has a border are planes, split among threads; of a plane rows come in order. Without
 * its border of zeros each element was copied once at most: rows are copied back, nothing is added. */
#include <string.h>

#include "driver.h"

typedef struct pad_gradient_job {
    const fc_pad_problem *problem;
    const fc_args *args;
    int64_t planes, rows, dst_plane; /* rows of a bordered plane; elements of a plane */
    int64_t dst_rows;
    int64_t chunk;                   /* planes in a task */
    int first;                       /* axis of a plane */
} pad_gradient_job;

static inline void add_element(char *dst, const char *src, int32_t dtype) {
    if (dtype == FC_F64)
        *(double *)(void *)dst += *(const double *)(const void *)src;
    else
        *(float *)(void *)dst += *(const float *)(const void *)src;
}

static void add_row(const fc_pad_problem *p, const char *src, char *dst) {
    const fc_pad_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t last = FC_PAD_RANK - 1, out = p->out[last], size = d->size[last];
    const int64_t before = d->before[last];
    const int64_t begin = fc_min64(out, fc_max64(0, before));
    const int64_t end = fc_max64(begin, fc_min64(out, before + size));
    if (end > begin) {
        fc_add_strided_args add = {.src = src + begin * bytes,
                                   .dst = dst + (begin - before) * bytes,
                                   .count = end - begin,
                                   .step = 1};
        p->kernels->add_strided(&add);
    }
    for (int64_t i = begin ? 0 : end; i < out; i = i + 1 == begin ? end : i + 1)
        add_element(dst + fc_border_source(d->border, i - before, size) * bytes, src + i * bytes,
                    d->dtype);
}

/* A row of the image, from its bordered one, or from none. */
static void crop_row(const fc_pad_problem *p, const char *src, char *dst) {
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)p->desc.dtype);
    const int64_t last = FC_PAD_RANK - 1, out = p->out[last], size = p->desc.size[last];
    const int64_t before = p->desc.before[last];
    const int64_t begin = src ? fc_min64(size, fc_max64(0, -before)) : size;
    const int64_t end = fc_max64(begin, fc_min64(size, out - before));
    if (begin > 0) memset(dst, 0, (size_t)(begin * bytes));
    if (end > begin)
        memcpy(dst + begin * bytes, src + (before + begin) * bytes, (size_t)((end - begin) * bytes));
    if (size > end) memset(dst + end * bytes, 0, (size_t)((size - end) * bytes));
}

static void crop_task(void *context, int64_t task, int worker) {
    (void)worker;
    const pad_gradient_job *job = context;
    const fc_pad_problem *p = job->problem;
    const fc_pad_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int last = FC_PAD_RANK - 1;
    const int64_t end = fc_min64(job->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        char *dst = (char *)job->args->dst + plane * job->dst_plane * bytes;
        const char *src = (const char *)job->args->src + plane * job->rows * p->out[last] * bytes;
        for (int64_t row = 0; row < job->dst_rows; row++, dst += d->size[last] * bytes) {
            int64_t rest = row, at = 0, stride = p->out[last];
            bool cropped = false;
            for (int axis = last - 1; axis >= job->first; axis--) {
                const int64_t from = rest % d->size[axis] + d->before[axis];
                rest /= d->size[axis];
                cropped = from < 0 || from >= p->out[axis];
                if (cropped) break;
                at += from * stride;
                stride *= p->out[axis];
            }
            crop_row(p, cropped ? NULL : src + at * bytes, dst);
        }
    }
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const pad_gradient_job *job = context;
    const fc_pad_problem *p = job->problem;
    const fc_pad_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int last = FC_PAD_RANK - 1;
    const int64_t end = fc_min64(job->planes, (task + 1) * job->chunk);
    for (int64_t plane = task * job->chunk; plane < end; plane++) {
        char *dst = (char *)job->args->dst + plane * job->dst_plane * bytes;
        const char *src = (const char *)job->args->src + plane * job->rows * p->out[last] * bytes;
        memset(dst, 0, (size_t)(job->dst_plane * bytes));
        for (int64_t row = 0; row < job->rows; row++, src += p->out[last] * bytes) {
            int64_t rest = row, at = 0, stride = d->size[last];
            bool border = false;
            for (int axis = last - 1; axis >= job->first; axis--) {
                const int64_t from = fc_border_source(
                    d->border, rest % p->out[axis] - d->before[axis], d->size[axis]);
                rest /= p->out[axis];
                border = border || from < 0;
                at += from * stride;
                stride *= d->size[axis];
            }
            if (!border) add_row(p, src, dst + at * bytes);
        }
    }
}

void fc_pad_gradient_execute(const fc_pad_problem *p, const fc_args *args, int threads) {
    const fc_pad_desc *d = &p->desc;
    pad_gradient_job job = {.problem = p, .args = args, .planes = 1, .rows = 1, .dst_plane = 1,
                            .dst_rows = 1};
    while (job.first < FC_PAD_RANK - 1 && !d->before[job.first] && !d->after[job.first])
        job.planes *= d->size[job.first++];
    for (int axis = job.first; axis < FC_PAD_RANK; axis++) {
        job.dst_plane *= d->size[axis];
        if (axis == FC_PAD_RANK - 1) continue;
        job.rows *= p->out[axis];
        job.dst_rows *= d->size[axis];
    }
    const double plane_bytes =
        (double)(job.dst_plane + job.rows * p->out[FC_PAD_RANK - 1]) *
        (double)fc_dtype_bytes((fc_dtype)d->dtype);
    job.chunk = job.planes;
    if (threads > 1)
        job.chunk = fc_min64(job.planes, fc_max64(fc_div_up(job.planes, 8 * threads),
                                                  (int64_t)(65536 / (plane_bytes + 1)) + 1));
    if (job.planes > 0)
        fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(job.planes, job.chunk),
                          d->border == FC_BORDER_ZEROS ? crop_task : run_task, &job);
}
