/* test_weight_gradient.c: weight and bias gradients through the public interface against the sums that
 * define them, on small integers between guard pages, in random layouts, for several thread counts. */
#include "../base/cpu.h"
#include "../plan/plan.h"
#include "check.h"
#include "integers.h"

#include <math.h>

typedef struct gradient_case {
    fc_conv2d_weight_gradient_desc desc;
    bool winograd; /* whether or not it pays */
    int64_t oh, ow;
    int64_t src_origin, src_span, diff_origin, diff_span;
    bool at_end;
} gradient_case;

/* The source under tap (a, b) of window (y, x). */
static double under(const gradient_case *t, const void *src, int64_t n, int64_t c, int64_t y, int64_t x) {
    const fc_conv2d_weight_gradient_desc *d = &t->desc;
    const int64_t row = fc_border_source(d->border, y - d->pad_top, d->ih);
    const int64_t col = fc_border_source(d->border, x - d->pad_left, d->iw);
    if (row < 0 || col < 0) return 0;
    return get(src,
               t->src_origin + n * d->src_stride[0] + c * d->src_stride[1] + row * d->src_stride[2] +
                   col * d->src_stride[3],
               (fc_dtype)d->dtype);
}

static double expected(const gradient_case *t, const void *src, const void *diff, int64_t o, int64_t i,
                       int64_t a, int64_t b) {
    const fc_conv2d_weight_gradient_desc *d = &t->desc;
    const int64_t c = o / (d->oc / d->groups) * (d->ic / d->groups) + i, *s = d->diff_dst_stride;
    double sum = 0;
    for (int64_t n = 0; n < d->n; n++)
        for (int64_t y = 0; y < t->oh; y++)
            for (int64_t x = 0; x < t->ow; x++)
                sum += get(diff, t->diff_origin + n * s[0] + o * s[1] + y * s[2] + x * s[3],
                           (fc_dtype)d->dtype) *
                       under(t, src, n, c, y * d->stride_h + a * d->dilation_h,
                             x * d->stride_w + b * d->dilation_w);
    return sum;
}

/* What a sum may be off: nothing, or, with transforms whose factors are no integers, some hundred roundings
 * of a sum of that many greatest products. */
static double roundings(const gradient_case *t) {
    const fc_conv2d_weight_gradient_desc *d = &t->desc;
    const double products = (double)(d->n * fc_round_up(t->oh, 4) * fc_round_up(t->ow, 4));
    return !t->winograd ? 0
                        : (d->dtype == FC_F64 ? 0x1p-53 : 0x1p-24) * 200 * GREATEST * GREATEST * products;
}

static void run(const gradient_case *t, int threads) {
    const fc_conv2d_weight_gradient_desc *d = &t->desc;
    const fc_dtype dtype = (fc_dtype)d->dtype;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(dtype);
    const int64_t icg = d->ic / d->groups, taps = d->kh * d->kw, count = d->oc * icg * taps;
    guarded src = integers(t->src_span, dtype, t->at_end), diff = integers(t->diff_span, dtype, t->at_end);
    guarded dst = guarded_new((size_t)(count * bytes), t->at_end);
    guarded bias = guarded_new((size_t)(d->oc * bytes), t->at_end);
    fc_plan *plan = NULL;
    fc_status status = fc_conv2d_weight_gradient_create(d, &plan);
    if (!CHECK_AT(status == FC_OK, "%s", fc_status_str(status))) return;
    if (t->winograd) plan->weight_gradient.way = FC_GRADIENT_BY_WINOGRAD;
    fc_args args = {.struct_size = sizeof args,
                    .src = src.data + t->src_origin * bytes,
                    .diff_dst = diff.data + t->diff_origin * bytes,
                    .dst = dst.data};
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    int64_t wrong = 0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t o = k / taps / icg, i = k / taps % icg;
        const double sum = expected(t, src.data, diff.data, o, i, k % taps / d->kw, k % d->kw);
        wrong += !(fabs(get(dst.data, k, dtype) - sum) <= roundings(t));
    }
    CHECK_AT(wrong == 0,
             "%lld of %lld wrong: winograd %d f%d n%lld ic%lld %lldx%lld oc%lld k%lldx%lld s%lldx%lld d%lldx%lld "
             "g%lld border %d threads %d",
             (long long)wrong, (long long)count, t->winograd, dtype == FC_F64 ? 64 : 32, (long long)d->n,
             (long long)d->ic, (long long)d->ih, (long long)d->iw, (long long)d->oc, (long long)d->kh,
             (long long)d->kw, (long long)d->stride_h, (long long)d->stride_w, (long long)d->dilation_h,
             (long long)d->dilation_w, (long long)d->groups, d->border, threads);
    fc_plan_destroy(plan);

    fc_channel_sums_desc sums = {
        .struct_size = sizeof sums, .dtype = d->dtype, .n = d->n, .c = d->oc, .h = t->oh, .w = t->ow};
    memcpy(sums.src_stride, d->diff_dst_stride, sizeof sums.src_stride);
    CHECK(fc_channel_sums_create(&sums, &plan) == FC_OK);
    args.src = args.diff_dst;
    args.dst = bias.data;
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    const int64_t *s = d->diff_dst_stride;
    for (int64_t o = 0; o < d->oc; o++) {
        double sum = 0;
        for (int64_t n = 0; n < d->n; n++)
            for (int64_t y = 0; y < t->oh; y++)
                for (int64_t x = 0; x < t->ow; x++)
                    sum += get(diff.data, t->diff_origin + n * s[0] + o * s[1] + y * s[2] + x * s[3], dtype);
        CHECK(get(bias.data, o, dtype) == sum);
    }
    fc_plan_destroy(plan);
    CHECK(guarded_intact(&dst) && guarded_intact(&bias));
    guarded_free(&src), guarded_free(&diff), guarded_free(&dst), guarded_free(&bias);
}

/* Strides of axes in their order, the last one's elements side by side, all beyond them somewhat apart.
 * Returns the elements that are spanned. */
static int64_t side_by_side(const int64_t size[4], int64_t stride[4]) {
    int64_t span = 1, step = 1;
    for (int axis = 3; axis >= 0; axis--) {
        stride[axis] = step;
        span += (size[axis] - 1) * step;
        step = size[axis] * step + random_below(3);
    }
    return span;
}

/* The same of NHWC. */
static int64_t channels_side_by_side(const int64_t size[4], int64_t stride[4]) {
    int64_t last[4];
    const int64_t span = side_by_side((int64_t[]){size[0], size[2], size[3], size[1]}, last);
    stride[0] = last[0], stride[1] = last[3], stride[2] = last[1], stride[3] = last[2];
    return span;
}

/* What window_dots takes: a common kernel, pixels side by side, zeros around; large enough to be cut. */
static void take_common_kernel(gradient_case *t, bool large) {
    fc_conv2d_weight_gradient_desc *d = &t->desc;
    d->border = FC_BORDER_ZEROS;
    d->kh = d->kw = 3 + 2 * random_below(large ? 1 : 3);
    d->stride_h = d->stride_w = 1 + random_below(2);
    d->dilation_h = d->dilation_w = 1;
    d->ih = 1 + random_below(20), d->iw = 1 + random_below(60);
    if (!large) return;
    d->n = 2, d->groups = 1, d->ic = 3, d->oc = 1 + random_below(2) * random_below(3);
    d->stride_h = d->stride_w = 2 - random_below(3) / 2;
    d->ih = 150 + random_below(9), d->iw = 190 + random_below(9);
}

/* What transforms take: square windows of stride 1. */
static void take_transformed(gradient_case *t) {
    fc_conv2d_weight_gradient_desc *d = &t->desc;
    t->winograd = true;
    d->kh = d->kw = 3 + 2 * random_below(2);
    d->stride_h = d->stride_w = d->dilation_h = d->dilation_w = 1;
    d->n = 1 + random_below(4);
    d->ih = 1 + random_below(20), d->iw = 1 + random_below(40);
}

/* A random case; false when it has no result. */
static bool random_case(gradient_case *t, bool common, bool large, bool transformed) {
    static const int64_t channels[] = {1, 2, 3, 5, 8, 14, 15, 17, 33};
    const int64_t groups = random_below(3) ? 1 : 1 + random_below(4);
    fc_conv2d_weight_gradient_desc *d = &t->desc;
    *d = (fc_conv2d_weight_gradient_desc){
        .struct_size = sizeof *d,
        .dtype = random_below(2) ? FC_F32 : FC_F64,
        .border = (int32_t)random_below(FC_BORDER_COUNT),
        .n = random_below(4),
        .ic = groups * pick(channels, 9),
        .ih = 1 + random_below(9),
        .iw = 1 + random_below(30),
        .oc = groups * pick(channels, 9),
        .kh = 1 + random_below(5),
        .kw = 1 + random_below(5),
        .stride_h = 1 + random_below(3),
        .stride_w = 1 + random_below(3),
        .dilation_h = 1 + random_below(3),
        .dilation_w = 1 + random_below(3),
        .groups = groups,
    };
    t->winograd = false;
    if (common) take_common_kernel(t, large);
    if (transformed) take_transformed(t);
    /* without a border the sides may change */
    const bool pointwise = !common && !transformed && random_below(4) == 0;
    /* taps read the source where it lies, or channels side by side are turned into rows */
    const int64_t layout = common ? 0 : random_below(3);
    const bool in_place = layout == 1, beside = layout == 2;
    if (pointwise) d->kh = d->kw = 1;
    if (in_place) d->stride_w = 1;
    if (beside) d->border = FC_BORDER_ZEROS;
    if (!pointwise && !in_place && random_below(3)) {
        d->pad_top = random_below(4), d->pad_bottom = random_below(4);
        d->pad_left = random_below(4), d->pad_right = random_below(4);
    }
    const int64_t least = fc_min64(d->ih, d->iw) - (d->border == FC_BORDER_REFLECT);
    if (d->border != FC_BORDER_ZEROS && d->border != FC_BORDER_REPLICATE &&
        (d->pad_top > least || d->pad_bottom > least || d->pad_left > least || d->pad_right > least))
        return false;
    const int64_t room_h = d->ih + d->pad_top + d->pad_bottom - (d->kh - 1) * d->dilation_h - 1;
    const int64_t room_w = d->iw + d->pad_left + d->pad_right - (d->kw - 1) * d->dilation_w - 1;
    if (room_h < 0 || room_w < 0) return false;
    t->oh = room_h / d->stride_h + 1;
    t->ow = room_w / d->stride_w + 1;
    const int64_t src[4] = {fc_max64(1, d->n), d->ic, d->ih, d->iw};
    const int64_t diff[4] = {fc_max64(1, d->n), d->oc, t->oh, t->ow};
    t->src_origin = random_layout(src, 4, (unsigned)random_below(16), d->src_stride, &t->src_span);
    t->diff_origin = random_layout(diff, 4, (unsigned)random_below(16), d->diff_dst_stride, &t->diff_span);
    if (common || in_place) {
        t->src_origin = t->diff_origin = 0;
        t->src_span = side_by_side(src, d->src_stride);
        t->diff_span = side_by_side(diff, d->diff_dst_stride);
    }
    if (beside) {
        t->src_origin = t->diff_origin = 0;
        t->src_span = channels_side_by_side(src, d->src_stride);
        t->diff_span = channels_side_by_side(diff, d->diff_dst_stride);
    }
    t->at_end = random_below(2);
    return true;
}

static void test_refusals(void) {
    gradient_case good;
    while (!random_case(&good, false, false, false) || good.desc.groups > 1 || good.desc.kh == 1) continue;
    fc_plan *plan = NULL;
#define REFUSED(field, value, expected)                                                   \
    do {                                                                                  \
        fc_conv2d_weight_gradient_desc bad = good.desc;                                   \
        bad.field = (value);                                                              \
        fc_status status = fc_conv2d_weight_gradient_create(&bad, &plan);                 \
        CHECK_AT(status == (expected) && !plan, "%s: %s", #field, fc_status_str(status)); \
    } while (0)
    REFUSED(struct_size, 8, FC_ERR_VERSION);
    REFUSED(dtype, 3, FC_ERR_INVALID_ARGUMENT);
    REFUSED(border, FC_BORDER_COUNT, FC_ERR_INVALID_ARGUMENT);
    REFUSED(precision, FC_PRECISION_COUNT, FC_ERR_INVALID_ARGUMENT);
    REFUSED(precision, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(stride_w, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(pad_top, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(groups, 1000003, FC_ERR_INVALID_SHAPE);
    REFUSED(kh, 1000, FC_ERR_INVALID_SHAPE);
    REFUSED(n, INT64_C(1) << 60, FC_ERR_OVERFLOW);
    REFUSED(src_stride[3], INT64_MIN, FC_ERR_OVERFLOW);
#undef REFUSED
    CHECK(fc_conv2d_weight_gradient_create(&good.desc, &plan) == FC_OK);
    const fc_args none = {.struct_size = sizeof none, .src = &good, .dst = &good};
    CHECK(fc_execute(plan, &none, 1) == FC_ERR_INVALID_ARGUMENT);
    fc_plan_destroy(plan);
}

/* Shapes whose tiles fill several units: by transforms against register tiles. */
static void test_large(fc_dtype dtype, int64_t n, int64_t ic, int64_t oc, int64_t rows, int64_t cols,
                       int64_t k, int threads) {
    const int64_t plane = rows * cols, count = oc * ic * k * k;
    fc_conv2d_weight_gradient_desc d = {
        .struct_size = sizeof d,
        .dtype = dtype,
        .border = FC_BORDER_ZEROS,
        .n = n,
        .ic = ic,
        .ih = rows,
        .iw = cols,
        .oc = oc,
        .kh = k,
        .kw = k,
        .pad_top = k / 2,
        .pad_bottom = k / 2,
        .pad_left = k / 2,
        .pad_right = k / 2,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .groups = 1,
        .src_stride = {ic * plane, plane, cols, 1},
        .diff_dst_stride = {oc * plane, plane, cols, 1},
    };
    guarded src = integers(n * ic * plane, dtype, true), diff = integers(n * oc * plane, dtype, true);
    const size_t bytes = (size_t)count * fc_dtype_bytes(dtype);
    guarded exact = guarded_new(bytes, true), dst = guarded_new(bytes, true);
    guarded again = guarded_new(bytes, true);
    fc_args args = {.struct_size = sizeof args, .src = src.data, .diff_dst = diff.data, .dst = exact.data};
    fc_plan *plan = NULL;
    CHECK(fc_conv2d_weight_gradient_create(&d, &plan) == FC_OK);
    CHECK(plan->algorithm != FC_ALGO_GRADIENT_WINOGRAD);
    CHECK(fc_execute(plan, &args, 1) == FC_OK);
    plan->weight_gradient.way = FC_GRADIENT_BY_WINOGRAD;
    args.dst = dst.data;
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    args.dst = again.data;
    CHECK(fc_execute(plan, &args, 1) == FC_OK);
    CHECK_AT(memcmp(dst.data, again.data, bytes) == 0, "%d threads and one differ", threads);
    const gradient_case t = {.desc = d, .winograd = true, .oh = rows, .ow = cols};
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; i++)
        wrong += !(fabs(get(dst.data, i, dtype) - get(exact.data, i, dtype)) <= roundings(&t));
    CHECK_AT(wrong == 0, "%lld of %lld wrong, %lld -> %lld", (long long)wrong, (long long)count,
             (long long)ic, (long long)oc);
    fc_plan_destroy(plan);
    CHECK(guarded_intact(&dst) && guarded_intact(&exact) && guarded_intact(&again));
    guarded_free(&src), guarded_free(&diff), guarded_free(&exact), guarded_free(&dst), guarded_free(&again);
}

static void test_large_transforms(void) {
    fc_caches *caches = (fc_caches *)fc_cpu_caches();
    const fc_caches own = *caches;
    if (check_share(0)) test_large(FC_F64, 3, 5, 7, 53, 53, 3, 3);  /* several chains */
    if (check_share(1)) test_large(FC_F32, 7, 3, 18, 31, 31, 5, 2);
    caches->l3 = caches->l2; /* several units and blocks of panels */
    if (check_share(2)) test_large(FC_F32, 2, 70, 133, 46, 46, 3, 3);
    caches->l2 = 65536; /* several units to a row of tiles, parts of channels */
    if (check_share(3)) test_large(FC_F64, 1, 19, 23, 9, 1100, 3, 4);
    *caches = own;
}

int main(void) {
    if (fc_init() != FC_OK) return 2;
    fc_test_all_threads = true;
    for (int drawn = 0; drawn < 900;) {
        gradient_case t;
        if (!random_case(&t, drawn % 2, drawn % 50 == 1, drawn % 4 == 2)) continue;
        if (check_share(drawn)) run(&t, 1 + drawn % 5);
        drawn++;
    }
    test_refusals();
    test_large_transforms();
    return check_summary("test_weight_gradient");
}
