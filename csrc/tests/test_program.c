/* test_program.c: a small network as a program. Its bits are those of its plans executed one by one over
 * the whole batch, however the program cuts that; operands that leave their place, results that would be
 * written over what they come from, and arguments that may not be written are refused. */
#include <pthread.h>

#include "../driver/driver.h"
#include "check.h"
#include "integers.h"

enum { H = 10, W = 12, P = H * W, HALF = P / 4, IC = 3, MID = 8, ALL = 14, CLASSES = 10, BATCH = 5 };
enum { STEPS_OF_PART = 8, MOST_STEPS = 2 * STEPS_OF_PART + 2 };

static fc_plan *made(fc_status status, fc_plan *const *plan) {
    CHECK_AT(status == FC_OK, "%s", fc_status_str(status));
    return *plan;
}

static fc_plan *conv(fc_dtype dtype, int64_t n, int64_t ic, int64_t oc, int64_t kernel, bool residual,
                     int64_t dst_image) {
    fc_conv2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD, .dtype = dtype,
                        .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED,
                        .activation = FC_ACT_RELU, .has_bias = 1, .has_residual = residual, .n = n,
                        .ic = ic, .ih = H, .iw = W, .oc = oc, .kh = kernel, .kw = kernel, .groups = 1,
                        .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1,
                        .precision = FC_PRECISION_DEFAULT, .src_stride = {ic * P, P, W, 1},
                        .dst_stride = {dst_image, P, W, 1}};
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = kernel / 2;
    fc_plan *plan = NULL;
    return made(fc_conv2d_create(&d, &plan), &plan);
}

static fc_plan *pool(fc_dtype dtype, int64_t n, int64_t h, int64_t w, int64_t kh, int64_t kw, int kind) {
    fc_pool2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD, .dtype = dtype,
                        .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED, .kind = kind,
                        .n = n, .c = ALL, .ih = h, .iw = w, .kh = kh, .kw = kw, .stride_h = kh,
                        .stride_w = kw, .dilation_h = 1, .dilation_w = 1, .count_include_pad = 1,
                        .src_stride = {ALL * h * w, h * w, w, 1}};
    fc_plan *plan = NULL;
    return made(fc_pool2d_create(&d, &plan), &plan);
}

static fc_plan *add(fc_dtype dtype, int64_t rows, int64_t length, bool residual, int64_t src,
                    int64_t other, int64_t dst) {
    fc_add_desc d = {.struct_size = sizeof d, .dtype = dtype, .activation = FC_ACT_RELU6,
                     .has_residual = residual, .rows = rows, .length = length, .src_row_stride = src,
                     .residual_row_stride = other, .dst_row_stride = dst};
    fc_plan *plan = NULL;
    return made(fc_add_create(&d, &plan), &plan);
}

static fc_plan *unary(fc_dtype dtype, int64_t count) {
    fc_unary_desc d = {.struct_size = sizeof d, .dtype = dtype, .activation = FC_ACT_TANH, .count = count};
    fc_plan *plan = NULL;
    return made(fc_unary_create(&d, &plan), &plan);
}

static fc_plan *scale(fc_dtype dtype, int64_t rows) {
    fc_scale_desc d = {.struct_size = sizeof d, .dtype = dtype, .rows = rows, .channels = ALL, .inner = P,
                       .src_row_stride = ALL * P, .dst_row_stride = ALL * P};
    fc_plan *plan = NULL;
    return made(fc_scale_create(&d, &plan), &plan);
}

static fc_plan *linear(fc_dtype dtype, int64_t rows) {
    fc_linear_desc d = {.struct_size = sizeof d, .dtype = dtype, .has_bias = 1, .rows = rows,
                        .in_features = ALL, .out_features = CLASSES, .src_row_stride = ALL};
    fc_plan *plan = NULL;
    return made(fc_linear_create(&d, &plan), &plan);
}

static fc_plan *softmax(fc_dtype dtype, int64_t rows) {
    fc_softmax_desc d = {.struct_size = sizeof d, .dtype = dtype, .outer = rows, .length = CLASSES,
                         .inner = 1};
    fc_plan *plan = NULL;
    return made(fc_softmax_create(&d, &plan), &plan);
}

/* ---- the network ------------------------------------------------------------------------------- */

static double weights[MID * MID * 9], bias[16]; /* of either type */
static const fc_operand nothing;

/* A program in the making. The arena: MID channels, then ALL of which the first six come from a 1x1 and
 * the others from a 3x3 with the first as residual, maxima of these, and means of all of the batch. */
typedef struct network {
    fc_dtype dtype;
    fc_place inner;          /* of all but the means: the arena or a worker's memory */
    int64_t count, arena[4]; /* where these begin, elements */
    fc_step steps[MOST_STEPS];
    fc_section sections[3];
    fc_argument arguments[3]; /* images, factors of channels, result */
    fc_program_desc desc;
} network;

static fc_operand place(const network *net, fc_place where, int argument, int64_t offset, int64_t advance) {
    const int64_t bytes = (int64_t)fc_dtype_bytes(net->dtype);
    return (fc_operand){(int32_t)where, argument, offset * bytes, advance * bytes};
}

static void append(network *net, fc_plan *plan, fc_operand src, fc_operand residual, fc_operand dst) {
    net->steps[net->count++] = (fc_step){.plan = plan, .src = src, .residual = residual, .dst = dst,
                                         .weights = weights, .bias = bias};
}

/* `n` images a repeat, the first of all of them `first`. */
static void append_part(network *net, int64_t n, int64_t first) {
    const fc_dtype t = net->dtype;
    const fc_operand images = place(net, FC_PLACE_ARGUMENT, 0, first * IC * P, n * IC * P);
    const fc_operand factors = place(net, FC_PLACE_ARGUMENT, 1, first * ALL, n * ALL);
    const fc_operand mid = place(net, net->inner, 0, net->arena[0], 0);
    const fc_operand all = place(net, net->inner, 0, net->arena[1], 0);
    const fc_operand late = place(net, net->inner, 0, net->arena[1] + 6 * P, 0);
    const fc_operand maxima = place(net, net->inner, 0, net->arena[2], 0);
    const fc_operand means = place(net, FC_PLACE_ARENA, 0, net->arena[3] + first * ALL, n * ALL);
    append(net, conv(t, n, IC, MID, 3, false, MID * P), images, nothing, mid);
    append(net, conv(t, n, MID, 6, 1, false, ALL * P), mid, nothing, all);
    append(net, conv(t, n, MID, MID, 3, true, ALL * P), mid, mid, late);
    append(net, add(t, n, MID * P, true, MID * P, ALL * P, ALL * P), mid, late, late);
    append(net, unary(t, n * ALL * P), all, nothing, all);
    append(net, scale(t, n), all, factors, all);
    append(net, pool(t, n, H, W, 2, 2, FC_POOL_MAX), all, nothing, maxima);
    append(net, pool(t, n, H / 2, W / 2, H / 2, W / 2, FC_POOL_AVG), maxima, nothing, means);
}

/* A batch as `repeats` parts of `n` images, in order or side by side, and a rest of one, and then all of it
 * by linear layers. */
static network network_new(fc_dtype dtype, int64_t n, int64_t repeats, bool beside) {
    network net = {.dtype = dtype, .inner = beside ? FC_PLACE_WORKER : FC_PLACE_ARENA};
    const int64_t bytes = (int64_t)fc_dtype_bytes(dtype), batch = n * repeats + 1;
    const int64_t sizes[4] = {n * MID * P, n * ALL * P, n * ALL * HALF, batch * ALL};
    int64_t end = 0;
    for (int i = 0; i < 4; i++) net.arena[i] = end, end += sizes[i];
    append_part(&net, n, 0);
    append_part(&net, 1, n * repeats);
    const fc_operand result = place(&net, FC_PLACE_ARGUMENT, 2, 0, 0);
    append(&net, linear(dtype, batch), place(&net, FC_PLACE_ARENA, 0, net.arena[3], 0), nothing, result);
    append(&net, softmax(dtype, batch), result, nothing, result);
    net.sections[0] = (fc_section){0, STEPS_OF_PART, repeats, beside};
    net.sections[1] = (fc_section){STEPS_OF_PART, STEPS_OF_PART, 1, 0};
    net.sections[2] = (fc_section){2 * STEPS_OF_PART, 2, 1, 0};
    net.arguments[0] = (fc_argument){.bytes = batch * IC * P * bytes};
    net.arguments[1] = (fc_argument){.bytes = batch * ALL * bytes};
    net.arguments[2] = (fc_argument){.bytes = batch * CLASSES * bytes, .written = 1};
    net.desc = (fc_program_desc){.struct_size = sizeof net.desc, .step_count = net.count,
                                 .section_count = 3, .argument_count = 3, .arena_bytes = end * bytes,
                                 .worker_bytes = beside ? net.arena[3] * bytes : 0};
    return net;
}

static fc_status create(network *net, fc_program **program, int64_t *step) {
    net->desc.steps = net->steps;
    net->desc.sections = net->sections;
    net->desc.arguments = net->arguments;
    return fc_program_create(&net->desc, program, step);
}

/* Weights of each step that has a packed form in it, 64-byte aligned, instead of as they lie. */
static void pack(network *net) {
    for (int64_t i = 0; i < net->count; i++) {
        fc_step *s = &net->steps[i];
        const size_t bytes = fc_plan_packed_bytes(s->plan);
        if (!bytes) continue;
        void *packed = fc_pool_acquire(bytes);
        CHECK(packed && fc_plan_pack(s->plan, weights, packed, 1) == FC_OK);
        s->packed = packed, s->weights = NULL;
    }
}

static void network_free(network *net) {
    for (int64_t i = 0; i < net->count; i++) fc_pool_release((void *)net->steps[i].packed);
    for (int64_t i = 0; i < net->count; i++) fc_plan_destroy((fc_plan *)net->steps[i].plan);
}

static void run_plan(fc_plan *plan, const void *src, const void *residual, void *dst) {
    const fc_args args = {.struct_size = sizeof args, .src = src, .residual = residual, .dst = dst,
                          .weights = weights, .bias = bias};
    CHECK(fc_execute(plan, &args, 1) == FC_OK);
    fc_plan_destroy(plan);
}

/* The same network, plan by plan over the whole batch, no result in the place of another. */
static guarded one_by_one(fc_dtype t, int64_t n, const guarded *images, const guarded *factors) {
    const size_t bytes = fc_dtype_bytes(t);
    guarded mid = guarded_new((size_t)(n * MID * P) * bytes, true);
    guarded last = guarded_new((size_t)(n * CLASSES) * bytes, true), all[4];
    guarded maxima = guarded_new((size_t)(n * ALL * HALF) * bytes, true);
    for (int i = 0; i < 4; i++) all[i] = guarded_new((size_t)(n * ALL * P) * bytes, true);
    guarded means = guarded_new((size_t)(n * ALL) * bytes, true), scores = guarded_new(last.bytes, true);
    unsigned char *late = all[0].data + 6 * P * bytes;
    run_plan(conv(t, n, IC, MID, 3, false, MID * P), images->data, NULL, mid.data);
    run_plan(conv(t, n, MID, 6, 1, false, ALL * P), mid.data, NULL, all[0].data);
    run_plan(conv(t, n, MID, MID, 3, true, ALL * P), mid.data, mid.data, late);
    memcpy(all[1].data, all[0].data, all[0].bytes);
    run_plan(add(t, n, MID * P, true, MID * P, ALL * P, ALL * P), mid.data, late,
             all[1].data + 6 * P * bytes);
    run_plan(unary(t, n * ALL * P), all[1].data, NULL, all[2].data);
    run_plan(scale(t, n), all[2].data, factors->data, all[3].data);
    run_plan(pool(t, n, H, W, 2, 2, FC_POOL_MAX), all[3].data, NULL, maxima.data);
    run_plan(pool(t, n, H / 2, W / 2, H / 2, W / 2, FC_POOL_AVG), maxima.data, NULL, means.data);
    run_plan(linear(t, n), means.data, NULL, scores.data);
    run_plan(softmax(t, n), scores.data, NULL, last.data);
    for (int i = 0; i < 4; i++) guarded_free(&all[i]);
    guarded_free(&mid), guarded_free(&maxima), guarded_free(&means), guarded_free(&scores);
    return last;
}

static guarded fractions(int64_t count, fc_dtype dtype) {
    guarded g = guarded_new((size_t)count * fc_dtype_bytes(dtype), true);
    for (int64_t i = 0; i < count; i++) put(g.data, i, dtype, (double)(random_below(2001) - 1000) / 700);
    return g;
}

static void set_weights(fc_dtype dtype) {
    for (int64_t i = 0; i < MID * MID * 9; i++) put(weights, i, dtype, (double)(i * 53 % 89) / 128 - 0.3);
    for (int64_t i = 0; i < 16; i++) put(bias, i, dtype, (double)i / 8 - 1);
}

/* What a call borrows: where repeats run side by side, a worker's memory for each thread. */
static void check_memory(const network *net, const fc_program *program, int64_t repeats) {
    size_t most = 0;
    for (int64_t i = 0; i < net->count; i++) {
        const size_t bytes = fc_plan_scratch_bytes(net->steps[i].plan, 1, net->steps[i].packed != NULL);
        if (bytes > most) most = bytes;
    }
    const size_t own = (size_t)net->desc.worker_bytes;
    const size_t rest = fc_program_arena_bytes(program, 1) - (size_t)net->desc.arena_bytes;
    CHECK(rest >= own + most && rest < own + most + 3 * FC_CACHE_LINE);
    for (int threads = 2; own && threads <= repeats; threads++)
        CHECK(fc_program_arena_bytes(program, threads) >=
              (size_t)net->desc.arena_bytes + (size_t)threads * (own + most));
    const size_t lane = fc_program_arena_bytes(program, 1) - (size_t)net->desc.arena_bytes;
    CHECK(!own || fc_program_arena_bytes(program, (int)repeats + 1) < (size_t)(repeats + 1) * lane);
}

static void test_bits(fc_dtype dtype, bool beside) {
    set_weights(dtype);
    guarded images = fractions(BATCH * IC * P, dtype), factors = fractions(BATCH * ALL, dtype);
    guarded wanted = one_by_one(dtype, BATCH, &images, &factors);
    for (int64_t n = 1; n <= 4; n *= 2) { /* four parts, two, one; and the rest */
        network net = network_new(dtype, n, (BATCH - 1) / n, beside);
        if (n == 2) pack(&net);
        fc_program *program = NULL;
        int64_t step = 7;
        const fc_status status = create(&net, &program, &step);
        if (!CHECK_AT(status == FC_OK && step == -1, "%s: step %lld", fc_status_str(status),
                      (long long)step))
            continue;
        for (int threads = 1; threads <= 9; threads += threads < 5 ? 1 : 4) { /* looked up, and not */
            guarded result = guarded_new(wanted.bytes, true);
            void *const arguments[] = {images.data, factors.data, result.data};
            uint64_t time[MOST_STEPS];
            const bool timed = threads == 2 || threads == 5;
            CHECK(fc_program_execute(program, arguments, threads, timed ? time : NULL) == FC_OK);
            CHECK_AT(!memcmp(result.data, wanted.data, wanted.bytes), "f%d, %lld images a part, %d threads",
                     dtype == FC_F64 ? 64 : 32, (long long)n, threads);
            uint64_t sum = 0;
            for (int64_t i = 0; timed && i < net.count; i++) sum += time[i];
            CHECK(!timed || (sum > 0 && sum < UINT64_C(60000000000)));
            CHECK(guarded_intact(&result));
            guarded_free(&result);
        }
        check_memory(&net, program, (BATCH - 1) / n);
        fc_program_destroy(program);
        network_free(&net);
    }
    guarded_free(&images), guarded_free(&factors), guarded_free(&wanted);
}

/* ---- callers ----------------------------------------------------------------------------------- */

enum { CALLERS = 6, ROUNDS = 20 };

typedef struct shared {
    const fc_program *program;
    const guarded *images, *factors, *wanted;
} shared;

static void *caller(void *context) {
    const shared *s = context;
    guarded result = guarded_new(s->wanted->bytes, true);
    void *const arguments[] = {s->images->data, s->factors->data, result.data};
    for (int round = 0; round < ROUNDS; round++) {
        memset(result.data, 0xff, result.bytes);
        CHECK(fc_program_execute(s->program, arguments, 1 + round % 2, NULL) == FC_OK);
        CHECK(!memcmp(result.data, s->wanted->data, result.bytes));
    }
    guarded_free(&result);
    return NULL;
}

static void test_callers(void) {
    set_weights(FC_F32);
    guarded images = fractions(BATCH * IC * P, FC_F32), factors = fractions(BATCH * ALL, FC_F32);
    guarded wanted = one_by_one(FC_F32, BATCH, &images, &factors);
    network net = network_new(FC_F32, 2, 2, true);
    fc_program *program = NULL;
    CHECK(create(&net, &program, NULL) == FC_OK);
    shared s = {program, &images, &factors, &wanted};
    pthread_t thread[CALLERS];
    for (int i = 0; i < CALLERS; i++) CHECK(pthread_create(&thread[i], NULL, caller, &s) == 0);
    for (int i = 0; i < CALLERS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    fc_program_destroy(program);
    network_free(&net);
    guarded_free(&images), guarded_free(&factors), guarded_free(&wanted);
}

/* ---- a call's arguments and memory --------------------------------------------------------------- */

static void test_arguments(void) {
    network net = network_new(FC_F32, 2, 2, false);
    fc_program *program = NULL;
    fc_test_fail_allocation(1);
    CHECK(create(&net, &program, NULL) == FC_ERR_OUT_OF_MEMORY && !program);
    fc_test_fail_allocation(0);
    if (!CHECK(create(&net, &program, NULL) == FC_OK)) return;
    guarded images = fractions(BATCH * IC * P, FC_F32), factors = fractions(BATCH * ALL, FC_F32);
    guarded result = guarded_new(BATCH * CLASSES * sizeof(float), false);
    void *arguments[] = {images.data, factors.data, result.data};
    fc_test_fail_allocation(1);
    CHECK(fc_program_execute(program, arguments, 1, NULL) == FC_ERR_OUT_OF_MEMORY);
    fc_test_fail_allocation(0);
    CHECK(fc_program_execute(NULL, arguments, 1, NULL) == FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_program_execute(program, NULL, 1, NULL) == FC_ERR_INVALID_ARGUMENT);
    void *const bad[][2] = {{NULL, result.data}, {images.data, NULL}, {images.data + 2, result.data},
                            {images.data, result.data + 2}, {images.data, images.data},
                            {images.data, images.data + images.bytes - sizeof(float)},
                            {images.data, factors.data - result.bytes + sizeof(float)}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        arguments[0] = bad[i][0], arguments[2] = bad[i][1];
        CHECK_AT(fc_program_execute(program, arguments, 1, NULL) == FC_ERR_INVALID_ARGUMENT, "%zu", i);
    }
    for (size_t i = 0; i < result.bytes; i++) CHECK(result.data[i] == 0xff);
    arguments[0] = images.data, arguments[2] = result.data;
    CHECK(fc_program_execute(program, arguments, 0, NULL) == FC_OK);
    fc_program_destroy(program);
    fc_program_destroy(NULL);
    network_free(&net);
    guarded_free(&images), guarded_free(&factors), guarded_free(&result);
}

int main(void) {
    if (fc_init() != FC_OK) return 2;
    test_callers();
    fc_test_all_threads = true;
    for (int beside = 0; beside < 2; beside++) {
        test_bits(FC_F32, beside);
        test_bits(FC_F64, beside);
    }
    test_arguments();
    fc_pool_trim();
    return check_summary("test_program");
}
