/* test_plan.c: what plans refuse and why, what they report, and that a call which cannot have its
 * memory writes nothing. */
#include "../base/status.h"
#include "check.h"
#include "guarded.h"

static fc_conv2d_desc good(void) {
    return (fc_conv2d_desc){
        .struct_size = sizeof(fc_conv2d_desc),
        .dtype = FC_F32,
        .direction = FC_FORWARD,
        .src_layout = FC_LAYOUT_STRIDED,
        .dst_layout = FC_LAYOUT_STRIDED,
        .n = 2, .ic = 32, .ih = 20, .iw = 20, .oc = 32, .kh = 3, .kw = 3,
        .pad_top = 1, .pad_bottom = 1, .pad_left = 1, .pad_right = 1,
        .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1,
        .src_stride = {32 * 400, 400, 20, 1},
        .dst_stride = {32 * 400, 400, 20, 1},
    };
}

/* Maps of 200 x 200, whose rows go by planes: vectors of channels of them would not stay in the caches. */
static fc_conv2d_desc good_depthwise(void) {
    fc_conv2d_desc d = good();
    d.groups = 32;
    d.ih = d.iw = 200;
    d.src_stride[0] = d.dst_stride[0] = 32 * 40000;
    d.src_stride[1] = d.dst_stride[1] = 40000;
    d.src_stride[2] = d.dst_stride[2] = 200;
    return d;
}

static fc_status status_of(const fc_conv2d_desc *d) {
    fc_plan *plan = NULL;
    fc_status status = fc_conv2d_create(d, &plan);
    CHECK((status == FC_OK) == (plan != NULL));
    fc_plan_destroy(plan);
    return status;
}

static void test_refusals(void) {
    fc_conv2d_desc d = good();
    CHECK(status_of(&d) == FC_OK);
#define REFUSED(field, value, expected)                                                     \
    do {                                                                                    \
        fc_conv2d_desc bad = good();                                                        \
        bad.field = (value);                                                                \
        CHECK_AT(status_of(&bad) == (expected), "%s = %lld", #field, (long long)(value));   \
    } while (0)
    REFUSED(struct_size, 8, FC_ERR_VERSION);
    REFUSED(dtype, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(activation, FC_ACT_COUNT, FC_ERR_INVALID_ARGUMENT);
    REFUSED(algorithm, FC_ALGO_GEMM, FC_ERR_INVALID_ARGUMENT);
    REFUSED(border, FC_BORDER_COUNT, FC_ERR_INVALID_ARGUMENT);
    REFUSED(border, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(direction, 2, FC_ERR_UNSUPPORTED);
    REFUSED(dst_stride[3], 0, FC_ERR_UNSUPPORTED);
    REFUSED(dst_stride[3], -1, FC_ERR_UNSUPPORTED);
    REFUSED(weights_prepared, 2, FC_ERR_INVALID_ARGUMENT);
    REFUSED(stride_h, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(stride_w, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(dilation_h, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(pad_left, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(groups, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(groups, 5, FC_ERR_INVALID_SHAPE);
    REFUSED(ic, 0, FC_ERR_INVALID_SHAPE);
    REFUSED(n, -1, FC_ERR_INVALID_SHAPE);
    REFUSED(kh, 23, FC_ERR_INVALID_SHAPE);
    REFUSED(dilation_w, 11, FC_ERR_INVALID_SHAPE);
    REFUSED(pad_top, INT64_MAX, FC_ERR_OVERFLOW);
    REFUSED(pad_right, INT64_C(1) << 57, FC_ERR_OVERFLOW);
    REFUSED(ih, INT64_MAX, FC_ERR_OVERFLOW);
    REFUSED(n, INT64_C(1) << 55, FC_ERR_OVERFLOW);
    REFUSED(src_stride[2], INT64_MIN, FC_ERR_OVERFLOW);
    REFUSED(dst_stride[0], INT64_MAX, FC_ERR_OVERFLOW);
    REFUSED(algorithm, FC_ALGO_1X1, FC_ERR_UNSUPPORTED);
    REFUSED(algorithm, FC_ALGO_POINTWISE, FC_ERR_UNSUPPORTED);
    REFUSED(algorithm, FC_ALGO_DEPTHWISE, FC_ERR_UNSUPPORTED);
    REFUSED(algorithm, FC_ALGO_LINEAR, FC_ERR_UNSUPPORTED);
#undef REFUSED
    CHECK(fc_conv2d_create(NULL, NULL) == FC_ERR_INVALID_ARGUMENT);
}

static fc_plan_info info_of(const fc_conv2d_desc *d) {
    fc_plan *plan = NULL;
    fc_plan_info info = {.struct_size = sizeof info};
    CHECK(fc_conv2d_create(d, &plan) == FC_OK);
    if (plan) fc_plan_query(plan, &info);
    fc_plan_destroy(plan);
    return info;
}

/* No image: nothing to do, and nothing to hold while doing it, whatever the algorithm. */
static void test_no_image(void) {
    static const int algorithms[] = {FC_ALGO_AUTO,   FC_ALGO_DIRECT,    FC_ALGO_1X1,
                                     FC_ALGO_IM2COL, FC_ALGO_DEPTHWISE, FC_ALGO_POINTWISE,
                                     FC_ALGO_LINEAR};
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        const int a = algorithms[i];
        fc_conv2d_desc d = good();
        d.n = 0;
        d.algorithm = a;
        if (a == FC_ALGO_1X1 || a == FC_ALGO_POINTWISE) d.kh = d.kw = 1;
        if (a == FC_ALGO_LINEAR) d.kh = d.ih, d.kw = d.iw, d.dst_stride[1] = 1;
        if (d.kh != 3) d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 0;
        if (a == FC_ALGO_DEPTHWISE) d.groups = d.ic;
        fc_plan *plan = NULL;
        CHECK_AT(fc_conv2d_create(&d, &plan) == FC_OK, "algorithm %d", a);
        if (!plan) continue;
        CHECK(fc_plan_scratch_bytes(plan, 4, 0) == 0);
        CHECK(fc_execute(plan, &(fc_args){.struct_size = sizeof(fc_args)}, 4) == FC_OK);
        fc_plan_destroy(plan);
    }
}

/* Every algorithm is chosen for the shape it exists for, and every other one says why not. */
static void test_selection(void) {
    fc_conv2d_desc d = good();
    fc_plan_info info = info_of(&d);
    /* rows of whole vectors on some tiers, and not on others */
    CHECK((info.algorithm == FC_ALGO_DIRECT || info.algorithm == FC_ALGO_PLANAR) && info.reason &&
          *info.reason);
    static const int dense[] = {FC_ALGO_DIRECT, FC_ALGO_PLANAR, FC_ALGO_1X1, FC_ALGO_POINTWISE,
                                FC_ALGO_IM2COL, FC_ALGO_DEPTHWISE, FC_ALGO_LINEAR};
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++)
        CHECK((info.refusal[dense[i]] == NULL) == (dense[i] == info.algorithm));
    CHECK(info.flops == 2ull * 2 * 32 * 400 * 32 * 9);
    fc_conv2d_desc direct = d;
    direct.algorithm = FC_ALGO_DIRECT;
    CHECK(info_of(&direct).packed_weight_bytes >= info.weight_bytes);
    fc_conv2d_desc planar = d; /* a stem */
    planar.ic = 3, planar.oc = 16;
    CHECK(info_of(&planar).algorithm == FC_ALGO_PLANAR);
    CHECK(info_of(&planar).packed_weight_bytes == 0);

    fc_conv2d_desc batch = d;
    batch.n = 64;
    CHECK(info_of(&batch).algorithm == info.algorithm);

    fc_conv2d_desc pointwise = d;
    pointwise.kh = pointwise.kw = 1;
    pointwise.pad_top = pointwise.pad_bottom = pointwise.pad_left = pointwise.pad_right = 0;
    info = info_of(&pointwise);
    CHECK(info.algorithm == FC_ALGO_POINTWISE && info.packed_weight_bytes == 0);
    pointwise.src_stride[1] = 1, pointwise.src_stride[3] = pointwise.ic; /* channels last */
    pointwise.src_stride[2] = pointwise.iw * pointwise.ic;
    CHECK(info_of(&pointwise).algorithm != FC_ALGO_POINTWISE);
    fc_conv2d_desc small = d; /* 7x7: three vectors of 16 and a pixel */
    small.kh = small.kw = 1;
    small.pad_top = small.pad_bottom = small.pad_left = small.pad_right = 0;
    small.ic = small.oc = 512, small.ih = small.iw = 7;
    small.src_stride[0] = small.dst_stride[0] = 512 * 49;
    small.src_stride[1] = small.dst_stride[1] = 49;
    small.src_stride[2] = small.dst_stride[2] = 7;
    CHECK(info_of(&small).algorithm == FC_ALGO_POINTWISE);
    small.weights_prepared = 1;
    fc_runtime_info runtime = {.struct_size = sizeof runtime};
    fc_runtime_query(&runtime);
    if (runtime.isa_used == FC_ISA_AVX512) CHECK(info_of(&small).algorithm == FC_ALGO_1X1);

    fc_conv2d_desc whole = small; /* a window that is the map: packed weights are of no use */
    whole.kh = whole.kw = 7, whole.oc = 64;
    whole.dst_stride[0] = 64, whole.dst_stride[1] = 1;
    info = info_of(&whole);
    CHECK(info.algorithm == FC_ALGO_LINEAR && info.packed_weight_bytes == 0);
    whole.dst_stride[0] = 128, whole.dst_stride[1] = 2; /* results of an image lie apart */
    CHECK(info_of(&whole).algorithm != FC_ALGO_LINEAR);

    fc_conv2d_desc depthwise = good_depthwise();
    info = info_of(&depthwise);
    CHECK(info.algorithm == FC_ALGO_DEPTHWISE && info.packed_weight_bytes == 0);

    fc_conv2d_desc column = d; /* single pixels, far apart */
    column.ic = 5, column.ih = 60, column.iw = 3, column.oc = 2, column.kh = column.kw = 2;
    column.stride_h = column.stride_w = 3;
    column.pad_top = column.pad_bottom = column.pad_left = column.pad_right = 0;
    column.src_stride[0] = 900, column.src_stride[1] = 180, column.src_stride[2] = 3;
    column.dst_stride[0] = 40, column.dst_stride[1] = 20, column.dst_stride[2] = 1;
    CHECK(info_of(&column).algorithm == FC_ALGO_IM2COL);
}

/* Among plans of one weight shape equal packings mean equal packed bytes, and every packed form has a
 * name. How many forms there are. */
static size_t count_packings(int64_t kernel) {
    enum { MOST = 32, IC = 70, OC = 24, GROUPS = 2 };
    struct {
        uint64_t packing, window;
        guarded packed;
    } seen[MOST];
    size_t count = 0, shared = 0;
    guarded weights = guarded_new((size_t)(OC * IC / GROUPS * kernel * kernel) * 4, true);
    for (size_t i = 0; i < weights.bytes / 4; i++) ((float *)(void *)weights.data)[i] = (float)i;
    for (int a = FC_ALGO_AUTO; a < FC_ALGO_COUNT; a++)
        for (int64_t size = 1; size <= 40; size += 13) {
            fc_conv2d_desc d = good();
            d.algorithm = a;
            d.ic = IC, d.oc = OC, d.groups = GROUPS;
            d.ih = d.iw = size;
            d.kh = d.kw = kernel;
            d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = kernel / 2;
            d.src_stride[0] = IC * size * size, d.src_stride[1] = size * size;
            d.dst_stride[0] = OC * size * size, d.dst_stride[1] = size * size;
            d.src_stride[2] = d.dst_stride[2] = size;
            fc_plan *plan = NULL;
            fc_plan_info info = {.struct_size = sizeof info};
            if (fc_conv2d_create(&d, &plan) != FC_OK) continue; /* of another operation or shape */
            fc_plan_query(plan, &info);
            CHECK_AT((info.packing != 0) == (info.packed_weight_bytes != 0), "%s",
                     fc_algorithm_name((fc_algorithm)info.algorithm));
            if (info.packed_weight_bytes) {
                guarded packed = guarded_new(info.packed_weight_bytes, false);
                CHECK(fc_plan_pack(plan, weights.data, packed.data, 1) == FC_OK);
                size_t j = 0;
                while (j < count &&
                       (seen[j].packing != info.packing || seen[j].window != info.packed_window))
                    j++;
                if (j < count) {
                    CHECK(packed.bytes == seen[j].packed.bytes &&
                          !memcmp(packed.data, seen[j].packed.data, packed.bytes));
                    guarded_free(&packed);
                    shared++;
                } else if (CHECK(count < MOST)) {
                    seen[count].packing = info.packing, seen[count].window = info.packed_window;
                    seen[count++].packed = packed;
                }
            }
            fc_plan_destroy(plan);
        }
    CHECK(shared > 0);
    for (size_t i = 0; i < count; i++) guarded_free(&seen[i].packed);
    guarded_free(&weights);
    return count;
}

static void test_packing(void) {
    CHECK(count_packings(1) >= 2); /* blocks of channels, and im2col's single ones */
    CHECK(count_packings(3) >= 2);
    fc_conv2d_desc flipped = good_depthwise();
    flipped.weights_strided = 1;
    flipped.weight_stride[0] = 9, flipped.weight_stride[1] = 9, flipped.weight_stride[2] = 9;
    flipped.weight_stride[3] = -3, flipped.weight_stride[4] = -1;
    CHECK(info_of(&flipped).packing != 0);
    flipped.weights_strided = 0;
    CHECK(info_of(&flipped).packing == 0); /* read as they lie */
}

/* An info struct of an older, shorter header is filled as far as it goes. */
static void test_struct_size(void) {
    union {
        fc_runtime_info info;
        unsigned char bytes[sizeof(fc_runtime_info)];
    } u;
    memset(&u, 0xee, sizeof u);
    u.info.struct_size = 8;
    fc_runtime_query(&u.info);
    CHECK(u.info.isa_detected <= FC_ISA_NEON);
    for (size_t i = 8; i < sizeof u; i++) CHECK(u.bytes[i] == 0xee);
}

static void test_execute(void) {
    fc_conv2d_desc d = good();
    fc_plan *plan = NULL;
    CHECK(fc_conv2d_create(&d, &plan) == FC_OK);
    const size_t elements = 2 * 32 * 400;
    guarded src = guarded_new(elements * 4, true), dst = guarded_new(elements * 4, true);
    guarded weights = guarded_new(32 * 32 * 9 * 4, true);
    memset(src.data, 0, src.bytes);
    memset(weights.data, 0, weights.bytes);
    fc_args args = {.struct_size = sizeof args, .src = src.data, .weights = weights.data,
                    .dst = dst.data};

    fc_args bad = args;
    bad.struct_size = 4;
    CHECK(fc_execute(plan, &bad, 1) == FC_ERR_VERSION);
    bad = args;
    bad.weights = NULL;
    CHECK(fc_execute(plan, &bad, 1) == FC_ERR_INVALID_ARGUMENT);
    bad = args;
    bad.dst = NULL;
    CHECK(fc_execute(plan, &bad, 1) == FC_ERR_INVALID_ARGUMENT);
    fc_test_fail_allocation(1);
    CHECK(fc_execute(plan, &args, 2) == FC_ERR_OUT_OF_MEMORY);
    for (size_t i = 0; i < dst.bytes; i++)
        if (!CHECK(dst.data[i] == 0xff)) break;

    CHECK(fc_plan_threads(plan, 0) == 1 && fc_plan_threads(plan, 1) == 1);

    /* the booked scratch is what a call borrows: the pool's peak says so */
    fc_memory_info before = {.struct_size = sizeof before}, after = before;
    fc_pool_trim();
    fc_memory_query(&before);
    CHECK(fc_execute(plan, &args, 1) == FC_OK);
    fc_memory_query(&after);
    CHECK(after.in_use_bytes == before.in_use_bytes);
    CHECK(after.cached_bytes >= fc_plan_scratch_bytes(plan, 1, 0) &&
          after.cached_bytes <= fc_plan_scratch_bytes(plan, 1, 0) * 9 / 8 + 128);
    for (size_t i = 0; i < dst.bytes; i++)
        if (!CHECK(dst.data[i] == 0)) break;
    fc_plan_destroy(plan);

    fc_test_fail_allocation(1);
    plan = (fc_plan *)&d;
    CHECK(fc_conv2d_create(&d, &plan) == FC_ERR_OUT_OF_MEMORY && plan == NULL);
    guarded_free(&src), guarded_free(&dst), guarded_free(&weights);
}

/* A linear layer that reads its weights where they lie has no use for packed ones. */
static void test_linear_without_weights(void) {
    enum { FEATURES = 128 };
    fc_linear_desc d = {.struct_size = sizeof d, .dtype = FC_F32, .rows = 1, .in_features = FEATURES,
                        .out_features = 1, .src_row_stride = FEATURES};
    static float numbers[FEATURES];
    float dst = 5;
    fc_plan *plan;
    CHECK(fc_linear_create(&d, &plan) == FC_OK);
    CHECK(fc_plan_packed_bytes(plan) == 0);
    fc_args args = {.struct_size = sizeof args, .src = numbers, .packed = numbers, .dst = &dst};
    CHECK(fc_execute(plan, &args, 1) == FC_ERR_INVALID_ARGUMENT && dst == 5);
    args.weights = numbers;
    CHECK(fc_execute(plan, &args, 1) == FC_OK && dst == 0);
    fc_plan_destroy(plan);
}

int main(void) {
    CHECK(fc_init() == FC_OK && fc_init() == FC_OK);
    test_refusals();
    test_selection();
    test_packing();
    test_struct_size();
    test_execute();
    test_no_image();
    test_linear_without_weights();
    fc_runtime_info runtime = {.struct_size = sizeof runtime};
    fc_runtime_query(&runtime);
    CHECK(runtime.isa_compiled >> runtime.isa_used & 1);
    /* Flops a second and not a multiple of them: an emulator on a busy machine makes a hundred million. */
    double most[2] = {0, 0};
    for (int i = 0; i < 9; i++)
        for (int j = 0; j < 2; j++) {
            const double peak = fc_measure_peak(j ? FC_F64 : FC_F32, 1);
            most[j] = peak > most[j] ? peak : most[j];
        }
    CHECK(most[0] > 1e6 && most[1] > 1e6);
    return check_summary("plan");
}
