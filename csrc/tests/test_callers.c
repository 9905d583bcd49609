/* test_callers.c: many threads of a program call the library at once: they share plans and packed
 * weights, make and destroy plans of their own, and meet in the pool of scratch memory. Every result
 * has the bits of the same call made alone. Run under ThreadSanitizer too (make -C csrc tsan). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../base/status.h"
#include "check.h"

enum { CALLERS = 8, ROUNDS = 40, SHARED = 5, ELEMENTS = 4 * 24 * 20 * 22 };

static float src[ELEMENTS], weights[ELEMENTS], bias[64];

typedef struct shared_plan {
    fc_plan *plan;
    void *packed;
    float *wanted;
    size_t bytes;
} shared_plan;

static shared_plan shared[SHARED];

static fc_conv2d_desc conv_desc(int64_t kernel, int64_t groups, fc_activation activation) {
    fc_conv2d_desc d = {.struct_size = sizeof d,
                        .direction = FC_FORWARD,
                        .dtype = FC_F32,
                        .src_layout = FC_LAYOUT_STRIDED,
                        .dst_layout = FC_LAYOUT_STRIDED,
                        .activation = activation,
                        .has_bias = 1,
                        .n = 2,
                        .ic = 24,
                        .ih = 20,
                        .iw = 22,
                        .oc = 24,
                        .kh = kernel,
                        .kw = kernel,
                        .groups = groups,
                        .stride_h = 1,
                        .stride_w = 1,
                        .dilation_h = 1,
                        .dilation_w = 1};
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = kernel / 2;
    const int64_t dense[4] = {24 * 20 * 22, 20 * 22, 22, 1};
    memcpy(d.src_stride, dense, sizeof dense);
    memcpy(d.dst_stride, dense, sizeof dense);
    return d;
}

/* Plan `which` of those that are shared, or one like it. */
static fc_plan *make(int which) {
    fc_plan *plan = NULL;
    fc_status status = FC_OK;
    if (which < 3) {
        const int64_t kernel[] = {3, 1, 3}, groups[] = {1, 1, 24};
        fc_conv2d_desc d = conv_desc(kernel[which], groups[which], FC_ACT_RELU);
        status = fc_conv2d_create(&d, &plan);
    } else if (which == 3) {
        fc_pool2d_desc d = {.struct_size = sizeof d,
                            .direction = FC_FORWARD,
                            .dtype = FC_F32,
                            .src_layout = FC_LAYOUT_STRIDED,
                            .dst_layout = FC_LAYOUT_STRIDED,
                            .kind = FC_POOL_MAX,
                            .n = 2,
                            .c = 24,
                            .ih = 20,
                            .iw = 22,
                            .kh = 3,
                            .kw = 3,
                            .stride_h = 2,
                            .stride_w = 2,
                            .pad_top = 1,
                            .pad_left = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .src_stride = {24 * 20 * 22, 20 * 22, 22, 1}};
        status = fc_pool2d_create(&d, &plan);
    } else {
        fc_softmax_desc d = {.struct_size = sizeof d, .dtype = FC_F32, .outer = 4, .length = 24, .inner = 440};
        status = fc_softmax_create(&d, &plan);
    }
    CHECK_AT(status == FC_OK, "plan %d: %s", which, fc_status_str(status));
    return plan;
}

static fc_status run(fc_plan *plan, const void *packed, float *dst, int threads) {
    const fc_args args = {.struct_size = sizeof args,
                          .src = src,
                          .weights = weights,
                          .packed = packed,
                          .bias = bias,
                          .dst = dst};
    return fc_execute(plan, &args, threads);
}

static void *caller(void *number) {
    const int me = *(const int *)number;
    CHECK(fc_init() == FC_OK);
    float *dst = malloc(sizeof src);
    for (int round = 0; round < ROUNDS; round++) {
        const int which = (me + round) % SHARED;
        const shared_plan *s = &shared[which];
        memset(dst, 0xff, s->bytes);
        CHECK(run(s->plan, round % 2 ? s->packed : NULL, dst, 1 + round % 3) == FC_OK);
        CHECK_AT(!memcmp(dst, s->wanted, s->bytes), "caller %d, plan %d", me, which);
        if (round % 4 == 0) {
            fc_plan *own = make(which);
            memset(dst, 0xff, s->bytes);
            CHECK(run(own, NULL, dst, 2) == FC_OK && !memcmp(dst, s->wanted, s->bytes));
            fc_plan_destroy(own);
        }
        if (round % 8 == me) fc_pool_trim();
        if (round % 16 == me) fc_pool_set_limit(UINT64_C(1) << (20 + me));
        fc_memory_info memory = {.struct_size = sizeof memory};
        fc_memory_query(&memory);
        fc_runtime_info runtime = {.struct_size = sizeof runtime};
        fc_runtime_query(&runtime);
        void *block = fc_pool_acquire((size_t)(1 + me) * 10000);
        CHECK(block != NULL);
        if (block) memset(block, me, 10000);
        fc_pool_release(block);
    }
    free(dst);
    return NULL;
}

int main(void) {
    pthread_t thread[CALLERS];
    int number[CALLERS];
    if (fc_init() != FC_OK) return 2;
    for (int i = 0; i < ELEMENTS; i++) {
        src[i] = (float)(i * 37 % 101) / 64 - 0.75f;
        weights[i] = (float)(i * 53 % 89) / 128 - 0.3f;
    }
    for (int i = 0; i < 64; i++) bias[i] = (float)i / 8;
    for (int i = 0; i < SHARED; i++) {
        shared_plan *s = &shared[i];
        s->plan = make(i);
        fc_plan_info info = {.struct_size = sizeof info};
        fc_plan_query(s->plan, &info);
        s->bytes = (size_t)info.dst_bytes;
        s->wanted = malloc(s->bytes);
        CHECK(run(s->plan, NULL, s->wanted, 1) == FC_OK);
        const size_t packed = fc_plan_packed_bytes(s->plan);
        if (packed) {
            s->packed = aligned_alloc(FC_CACHE_LINE, (packed + 63) / 64 * 64);
            CHECK(fc_plan_pack(s->plan, weights, s->packed, 2) == FC_OK);
        }
    }
    for (int i = 0; i < CALLERS; i++) {
        number[i] = i;
        CHECK(pthread_create(&thread[i], NULL, caller, &number[i]) == 0);
    }
    for (int i = 0; i < CALLERS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    for (int i = 0; i < SHARED; i++) {
        fc_plan_destroy(shared[i].plan);
        free(shared[i].packed), free(shared[i].wanted);
    }
    fc_pool_trim();
    return check_summary("test_callers");
}
