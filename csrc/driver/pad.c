/* pad.c: a border around an array, row by row of the result: its outer coordinates lead to a row of the
 * source, or to none. */
#include <string.h>

#include "driver.h"

typedef struct pad_job {
    const fc_pad_problem *problem;
    const fc_args *args;
    int64_t rows, chunk; /* rows of the result; rows in a task */
} pad_job;

/* Element by element, `bytes` a constant where inlined: bits are moved, not interpreted. */
static inline __attribute__((always_inline)) void copy_row(const char *src, int64_t stride,
                                                           char *dst, int64_t count,
                                                           const int64_t bytes) {
    if (stride == 1) {
        memcpy(dst, src, (size_t)(count * bytes));
        return;
    }
    for (int64_t i = 0; i < count; i++)
        memcpy(dst + i * bytes, src + i * stride * bytes, (size_t)bytes);
}

static inline __attribute__((always_inline)) void fill(char *dst, int64_t count, const void *value,
                                                       const int64_t bytes) {
    for (int64_t i = 0; i < count; i++) memcpy(dst + i * bytes, value, (size_t)bytes);
}

/* Elements [0, out) of one row; `src` is its element 0, or NULL where the row is border. */
static inline __attribute__((always_inline)) void pad_row(const fc_pad_problem *p, const char *src,
                                                          char *dst, const void *value,
                                                          const int64_t bytes) {
    const fc_pad_desc *d = &p->desc;
    const int64_t last = FC_PAD_RANK - 1, out = p->out[last], size = d->size[last];
    const int64_t before = d->before[last], stride = d->src_stride[last];
    if (!src) {
        fill(dst, out, value, bytes);
        return;
    }
    const int64_t begin = fc_min64(out, fc_max64(0, before));
    const int64_t end = fc_max64(begin, fc_min64(out, before + size));
    if (end > begin)
        copy_row(src + (begin - before) * stride * bytes, stride, dst + begin * bytes, end - begin,
                 bytes);
    if (d->border == FC_BORDER_ZEROS) {
        fill(dst, begin, value, bytes);
        fill(dst + end * bytes, out - end, value, bytes);
        return;
    }
    for (int64_t i = begin ? 0 : end; i < out; i = i + 1 == begin ? end : i + 1)
        memcpy(dst + i * bytes,
               src + fc_border_source(d->border, i - before, size) * stride * bytes, (size_t)bytes);
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const pad_job *job = context;
    const fc_pad_problem *p = job->problem;
    const fc_pad_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t last = FC_PAD_RANK - 1, end = fc_min64(job->rows, (task + 1) * job->chunk);
    const float narrow = (float)d->value;
    const void *value = d->dtype == FC_F64 ? (const void *)&d->value : &narrow;
    for (int64_t row = task * job->chunk; row < end; row++) {
        int64_t rest = row, at = 0;
        bool border = false;
        for (int64_t axis = last - 1; axis >= 0; axis--) {
            const int64_t i = rest % p->out[axis] - d->before[axis];
            const int64_t from = fc_border_source(d->border, i, d->size[axis]);
            rest /= p->out[axis];
            border = border || from < 0;
            at += from * d->src_stride[axis];
        }
        const char *src = border ? NULL : (const char *)job->args->src + at * bytes;
        char *dst = (char *)job->args->dst + row * p->out[last] * bytes;
        if (d->dtype == FC_F64)
            pad_row(p, src, dst, value, sizeof(double));
        else
            pad_row(p, src, dst, value, sizeof(float));
    }
}

void fc_pad_execute(const fc_pad_problem *p, const fc_args *args, int threads) {
    pad_job job = {.problem = p, .args = args, .rows = 1};
    for (int axis = 0; axis < FC_PAD_RANK - 1; axis++) job.rows *= p->out[axis];
    const double row_bytes =
        2.0 * (double)p->out[FC_PAD_RANK - 1] * (double)fc_dtype_bytes((fc_dtype)p->desc.dtype);
    job.chunk = job.rows;
    if (threads > 1) /* at least 64 KiB a task */
        job.chunk = fc_min64(job.rows, fc_max64(fc_div_up(job.rows, 8 * threads),
                                                (int64_t)(65536 / row_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, fc_div_up(job.rows, job.chunk), run_task,
                      &job);
}
