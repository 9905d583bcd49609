#include "dense_weights.h"

#include <string.h>

/* group, output channel of the group, input channel of the group, kh, kw */
static void sizes(const fc_conv2d_desc *d, int64_t size[5]) {
    size[0] = d->groups;
    size[1] = d->oc / d->groups;
    size[2] = d->ic / d->groups;
    size[3] = d->kh;
    size[4] = d->kw;
}

size_t fc_dense_weights_bytes(const fc_conv_problem *problem) {
    const fc_conv2d_desc *d = &problem->desc;
    int64_t size[5], dense = 1;
    bool lie_so = true;
    sizes(d, size);
    for (int i = 4; i >= 0; i--) {
        lie_so = lie_so && (size[i] == 1 || d->weight_stride[i] == dense);
        dense *= size[i];
    }
    return lie_so ? 0 : (size_t)dense * fc_dtype_bytes(d->dtype);
}

typedef struct copy_job {
    const fc_conv_problem *problem;
    const char *weights;
    char *packed;
} copy_job;

static void copy_output_channel(void *context, int64_t task, int worker) {
    (void)worker;
    const copy_job *job = context;
    const fc_conv2d_desc *d = &job->problem->desc;
    const int64_t *stride = d->weight_stride, bytes = (int64_t)fc_dtype_bytes(d->dtype);
    int64_t size[5];
    sizes(d, size);
    const char *src =
        job->weights + (task / size[1] * stride[0] + task % size[1] * stride[1]) * bytes;
    char *dst = job->packed + task * size[2] * size[3] * size[4] * bytes;
    for (int64_t c = 0; c < size[2]; c++)
        for (int64_t a = 0; a < size[3]; a++)
            for (int64_t b = 0; b < size[4]; b++, dst += bytes)
                memcpy(dst, src + (c * stride[2] + a * stride[3] + b * stride[4]) * bytes,
                       (size_t)bytes);
}

void fc_dense_weights_pack(const fc_conv_problem *problem, const void *weights, void *packed,
                           int threads) {
    copy_job job = {problem, weights, packed};
    fc_parallel_tasks(fc_threads_for_bytes(threads, (double)fc_dense_weights_bytes(problem)),
                      problem->desc.dtype, problem->desc.oc, copy_output_channel, &job);
}

uint64_t fc_dense_weights_packing(const fc_conv_problem *problem) {
    (void)problem;
    return fc_packing_id(FC_PACKED_DENSE, 0, 0);
}
