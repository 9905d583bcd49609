/* test_add.c: sums of rows and scaled channels: against the formula on small integers, in every way that
 * operands may lie; and against the end of a convolution, bit for bit. */
#include "../driver/driver.h"
#include "check.h"
#include "integers.h"

enum { LAYOUTS = 5 };
static const int thread_counts[] = {1, 3};

static int64_t bytes_of(fc_dtype dtype) { return (int64_t)fc_dtype_bytes(dtype); }

/* Where rows of `length` begin, from case to case: side by side, with a gap, or far apart. */
static int64_t row_stride(int64_t length, int which) {
    return length + (which % 3 == 0 ? 0 : which % 3 == 1 ? 3 : length);
}

/* Room for rows at any of these distances. */
static guarded rows_of(int64_t rows, int64_t length, fc_dtype dtype, bool at_end) {
    return integers((rows - 1) * 2 * (length + 3) + length, dtype, at_end);
}

/* How dst relates to src and residual: apart from both, one of them, or both. */
typedef enum placing { APART, IS_SRC, IS_RESIDUAL, IS_BOTH, PLACINGS } placing;

static void check_sum(fc_dtype dtype, int64_t rows, int64_t length, int layout, placing way,
                      bool residual, int threads) {
    if (!residual && way > IS_SRC) return;
    const bool on_src = way == IS_SRC || way == IS_BOTH, on_residual = way == IS_RESIDUAL || way == IS_BOTH;
    fc_add_desc d = {.struct_size = sizeof d, .dtype = dtype, .has_residual = residual, .rows = rows,
                     .length = length, .activation = layout % 2 ? FC_ACT_RELU : FC_ACT_NONE};
    d.dst_row_stride = row_stride(length, layout);
    d.src_row_stride = on_src ? d.dst_row_stride : row_stride(length, layout / 2);
    d.residual_row_stride = on_residual ? d.dst_row_stride : row_stride(length, layout + 1);
    fc_plan *plan = NULL;
    if (!CHECK(fc_add_create(&d, &plan) == FC_OK)) return;
    guarded dst = rows_of(rows, length, dtype, layout % 2), x = rows_of(rows, length, dtype, true);
    guarded r = rows_of(rows, length, dtype, false), before = guarded_new(dst.bytes, true);
    memcpy(before.data, dst.data, dst.bytes);
    const void *src = on_src ? dst.data : x.data, *other = on_residual ? dst.data : r.data;
    const fc_args args = {.struct_size = sizeof args, .src = src, .residual = residual ? other : NULL,
                          .dst = dst.data};
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    const unsigned char *from = on_src ? before.data : x.data, *plus = on_residual ? before.data : r.data;
    const int64_t elements = (int64_t)dst.bytes / bytes_of(dtype);
    int64_t wrong = 0;
    for (int64_t at = 0; at < elements; at++) {
        const int64_t row = at / d.dst_row_stride, i = at % d.dst_row_stride;
        double wanted = get(before.data, at, dtype); /* between the rows nothing is written */
        if (row < rows && i < length) {
            wanted = get(from, row * d.src_row_stride + i, dtype);
            if (residual) wanted += get(plus, row * d.residual_row_stride + i, dtype);
            if (d.activation == FC_ACT_RELU && wanted < 0) wanted = 0;
        }
        wrong += get(dst.data, at, dtype) != wanted;
    }
    CHECK_AT(!wrong, "%lld of f%d %lldx%lld layout %d placing %d residual %d threads %d",
             (long long)wrong, dtype == FC_F64 ? 64 : 32, (long long)rows, (long long)length, layout, way,
             residual, threads);
    CHECK(guarded_intact(&dst));
    guarded_free(&dst), guarded_free(&x), guarded_free(&r), guarded_free(&before);
    fc_plan_destroy(plan);
}

static void test_sums(fc_dtype dtype) {
    const int64_t shapes[][2] = {{1, 1}, {3, 7}, {2, 64}, {5, 1001}, {3, 5000}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            for (placing way = APART; way < PLACINGS; way++)
                for (int residual = 0; residual < 2; residual++)
                    for (int t = 0; t < 2; t++)
                        check_sum(dtype, shapes[s][0], shapes[s][1], layout, way, residual,
                                  thread_counts[t]);
}

static void check_scale(fc_dtype dtype, int64_t rows, int64_t channels, int64_t inner, int layout,
                        bool in_place, int threads) {
    const int64_t length = channels * inner;
    fc_scale_desc d = {.struct_size = sizeof d, .dtype = dtype, .rows = rows, .channels = channels,
                       .inner = inner, .dst_row_stride = row_stride(length, layout)};
    d.src_row_stride = in_place ? d.dst_row_stride : row_stride(length, layout + 1);
    fc_plan *plan = NULL;
    if (!CHECK(fc_scale_create(&d, &plan) == FC_OK)) return;
    guarded dst = rows_of(rows, length, dtype, true), x = rows_of(rows, length, dtype, false);
    guarded factor = integers(rows * channels, dtype, true), before = guarded_new(dst.bytes, true);
    memcpy(before.data, dst.data, dst.bytes);
    const fc_args args = {.struct_size = sizeof args, .src = in_place ? dst.data : x.data,
                          .residual = factor.data, .dst = dst.data};
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    const unsigned char *from = in_place ? before.data : x.data;
    int64_t wrong = 0;
    for (int64_t at = 0; at < (int64_t)dst.bytes / bytes_of(dtype); at++) {
        const int64_t row = at / d.dst_row_stride, i = at % d.dst_row_stride;
        double wanted = get(before.data, at, dtype);
        if (row < rows && i < length)
            wanted = get(from, row * d.src_row_stride + i, dtype) *
                     get(factor.data, row * channels + i / inner, dtype);
        wrong += get(dst.data, at, dtype) != wanted;
    }
    CHECK_AT(!wrong, "%lld of f%d %lldx%lldx%lld layout %d in place %d threads %d", (long long)wrong,
             dtype == FC_F64 ? 64 : 32, (long long)rows, (long long)channels, (long long)inner, layout,
             in_place, threads);
    CHECK(guarded_intact(&dst));
    guarded_free(&dst), guarded_free(&x), guarded_free(&factor), guarded_free(&before);
    fc_plan_destroy(plan);
}

static void test_scales(fc_dtype dtype) {
    const int64_t shapes[][3] = {{1, 1, 1}, {2, 5, 9}, {3, 40, 1}, {1, 7, 1000}, {4, 33, 49}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int layout = 0; layout < 3; layout++)
            for (int in_place = 0; in_place < 2; in_place++)
                for (int t = 0; t < 2; t++)
                    check_scale(dtype, shapes[s][0], shapes[s][1], shapes[s][2], layout, in_place,
                                thread_counts[t]);
}

/* ---- the end of a convolution ------------------------------------------------------------------ */

static fc_plan *convolution(fc_dtype dtype, fc_activation activation, bool residual) {
    fc_conv2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD, .dtype = dtype,
                        .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED,
                        .activation = activation, .has_residual = residual, .n = 2, .ic = 5, .ih = 9,
                        .iw = 11, .oc = 7, .kh = 3, .kw = 3, .groups = 1, .stride_h = 1, .stride_w = 1,
                        .dilation_h = 1, .dilation_w = 1, .pad_top = 1, .pad_bottom = 1, .pad_left = 1,
                        .pad_right = 1, .src_stride = {495, 99, 11, 1}, .dst_stride = {693, 99, 11, 1}};
    fc_plan *plan = NULL;
    CHECK(fc_conv2d_create(&d, &plan) == FC_OK);
    return plan;
}

static void fractions(void *p, int64_t count, fc_dtype dtype) {
    for (int64_t i = 0; i < count; i++) put(p, i, dtype, (double)(random_below(20001) - 10000) / 3000);
}

/* A convolution that ends with a residual and an activation, and the same in two steps. */
static void check_bits(fc_dtype dtype, fc_activation activation) {
    enum { SRC = 2 * 495, DST = 2 * 693, WEIGHTS = 7 * 5 * 9 };
    double src[SRC], weights[WEIGHTS], residual[DST], whole[DST], parts[DST]; /* of either type */
    fractions(src, SRC, dtype), fractions(weights, WEIGHTS, dtype), fractions(residual, DST, dtype);
    fc_plan *one = convolution(dtype, activation, true), *bare = convolution(dtype, FC_ACT_NONE, false);
    fc_add_desc d = {.struct_size = sizeof d, .dtype = dtype, .activation = activation,
                     .has_residual = 1, .rows = 2, .length = 693, .src_row_stride = 693,
                     .residual_row_stride = 693, .dst_row_stride = 693};
    fc_plan *end = NULL;
    CHECK(fc_add_create(&d, &end) == FC_OK);
    fc_args args = {.struct_size = sizeof args, .src = src, .weights = weights, .residual = residual,
                    .dst = whole};
    CHECK(fc_execute(one, &args, 1) == FC_OK);
    args.dst = parts;
    CHECK(fc_execute(bare, &args, 1) == FC_OK);
    args.src = parts;
    CHECK(fc_execute(end, &args, 1) == FC_OK);
    CHECK_AT(!memcmp(whole, parts, DST * fc_dtype_bytes(dtype)), "activation %d f%d", activation,
             dtype == FC_F64 ? 64 : 32);
    fc_plan_destroy(one), fc_plan_destroy(bare), fc_plan_destroy(end);
}

/* ---- descriptors ------------------------------------------------------------------------------- */

static void test_refused(void) {
    const fc_add_desc good = {.struct_size = sizeof good, .dtype = FC_F32, .rows = 2, .length = 3,
                              .src_row_stride = 3, .dst_row_stride = 3};
    fc_plan *plan = NULL;
    fc_add_desc d = good;
#define REFUSED(change, wanted) \
    d = good;                   \
    change;                     \
    CHECK(fc_add_create(&d, &plan) == (wanted) && !plan)
    REFUSED(d.struct_size--, FC_ERR_VERSION);
    REFUSED(d.dtype = 3, FC_ERR_INVALID_ARGUMENT);
    REFUSED(d.activation = FC_ACT_ELU, FC_ERR_INVALID_ARGUMENT);
    REFUSED(d.has_residual = 2, FC_ERR_INVALID_ARGUMENT);
    REFUSED(d.rows = -1, FC_ERR_INVALID_SHAPE);
    REFUSED(d.dst_row_stride = 2, FC_ERR_INVALID_SHAPE);
    REFUSED(d.rows = INT64_C(1) << 60, FC_ERR_OVERFLOW);
    REFUSED(d.src_row_stride = INT64_MIN, FC_ERR_OVERFLOW);
    REFUSED((d.has_residual = 1, d.residual_row_stride = INT64_C(1) << 60), FC_ERR_OVERFLOW);
#undef REFUSED
    fc_scale_desc s = {.struct_size = sizeof s, .dtype = FC_F32, .rows = 2, .channels = 3, .inner = 4,
                       .src_row_stride = 12, .dst_row_stride = 11};
    CHECK(fc_scale_create(&s, &plan) == FC_ERR_INVALID_SHAPE && !plan);
    s.dst_row_stride = 12, s.channels = INT64_C(1) << 60;
    CHECK(fc_scale_create(&s, &plan) == FC_ERR_OVERFLOW && !plan);
    s.channels = 3, s.dtype = 0;
    CHECK(fc_scale_create(&s, &plan) == FC_ERR_INVALID_ARGUMENT && !plan);
    s.dtype = FC_F32;
    CHECK(fc_scale_create(&s, &plan) == FC_OK);
    char somewhere[96];
    const fc_args args = {.struct_size = sizeof args, .src = somewhere, .dst = somewhere};
    CHECK(fc_execute(plan, &args, 1) == FC_ERR_INVALID_ARGUMENT); /* nothing to scale by */
    fc_plan_destroy(plan);
}

int main(void) {
    if (fc_init() != FC_OK) return 2;
    fc_test_all_threads = true;
    for (int t = FC_F32; t <= FC_F64; t++) {
        const fc_dtype dtype = (fc_dtype)t;
        test_sums(dtype);
        test_scales(dtype);
        for (int a = FC_ACT_NONE; a < FC_ACT_FUSED_COUNT; a++) check_bits(dtype, (fc_activation)a);
    }
    test_refused();
    return check_summary("test_add");
}
