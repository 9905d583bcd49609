/* test_conv_transpose.c: transposed convolution through the public interface against the scatter that
 * defines it, on small integers and random layouts, for every thread count and form of the weights. */
#include "../driver/driver.h"
#include "check.h"
#include "integers.h"

typedef struct transpose_case {
    fc_conv_transpose2d_desc desc;
    int64_t oh, ow;
    int64_t src_origin, src_span, dst_span, weight_origin, weight_span;
    bool at_end, packed;
    int threads;
} transpose_case;

static int64_t result_size(int64_t in, int64_t k, int64_t before, int64_t after, int64_t stride,
                           int64_t dilation, int64_t extra) {
    return (in - 1) * stride - before - after + dilation * (k - 1) + 1 + extra;
}

/* Every source element added to the window that it belongs to; dense [n][oc][oh][ow]. */
static double *scatter(const transpose_case *t, const void *src, const void *weights,
                       const void *bias) {
    const fc_conv_transpose2d_desc *d = &t->desc;
    const fc_dtype dtype = (fc_dtype)d->dtype;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, plane = t->oh * t->ow;
    const int64_t *ss = d->src_stride, *ws = d->weight_stride;
    double *sum = malloc((size_t)(d->n * d->oc * plane) * sizeof *sum);
    for (int64_t i = 0; i < d->n * d->oc * plane; i++)
        sum[i] = d->has_bias ? get(bias, i / plane % d->oc, dtype) : 0;
    for (int64_t n = 0; n < d->n; n++)
        for (int64_t c = 0; c < d->ic; c++)
            for (int64_t r = 0; r < d->ih; r++)
                for (int64_t s = 0; s < d->iw; s++) {
                    const double v = get(
                        src, t->src_origin + n * ss[0] + c * ss[1] + r * ss[2] + s * ss[3], dtype);
                    for (int64_t o = 0; o < ocg; o++)
                        for (int64_t a = 0; a < d->kh; a++)
                            for (int64_t b = 0; b < d->kw; b++) {
                                const int64_t y = r * d->stride_h + a * d->dilation_h - d->pad_top;
                                const int64_t x = s * d->stride_w + b * d->dilation_w - d->pad_left;
                                if (y < 0 || y >= t->oh || x < 0 || x >= t->ow) continue;
                                const int64_t oc = c / icg * ocg + o;
                                sum[((n * d->oc + oc) * t->oh + y) * t->ow + x] +=
                                    v * get(weights,
                                            t->weight_origin + c / icg * ws[0] + c % icg * ws[1] +
                                                o * ws[2] + a * ws[3] + b * ws[4],
                                            dtype);
                            }
                }
    return sum;
}

static void run(const transpose_case *t) {
    const fc_conv_transpose2d_desc *d = &t->desc;
    const fc_dtype dtype = (fc_dtype)d->dtype;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(dtype);
    guarded src = integers(t->src_span, dtype, t->at_end);
    guarded weights = integers(t->weight_span, dtype, t->at_end);
    guarded bias = integers(d->oc, dtype, t->at_end);
    guarded dst = guarded_new((size_t)(t->dst_span * bytes), t->at_end);
    fc_plan *plan = NULL;
    fc_status status = fc_conv_transpose2d_create(d, &plan);
    if (!CHECK_AT(status == FC_OK, "%s", fc_status_str(status))) return;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    const bool side_by_side = d->ic == d->groups && d->stride_w == 2 && d->dst_stride[3] == 1;
    if (d->iw > 1) /* from an only column the stride does not show */
        CHECK(info.algorithm == (side_by_side ? FC_ALGO_DEPTHWISE : FC_ALGO_PHASES));
    CHECK(info.dst_shape[2] == t->oh && info.dst_shape[3] == t->ow);
    fc_args args = {.struct_size = sizeof args,
                    .src = src.data + t->src_origin * bytes,
                    .weights = weights.data + t->weight_origin * bytes,
                    .bias = bias.data,
                    .dst = dst.data};
    void *packed = NULL;
    if (t->packed && fc_plan_packed_bytes(plan)) {
        packed = fc_pool_acquire(fc_plan_packed_bytes(plan));
        CHECK(fc_plan_pack(plan, args.weights, packed, t->threads) == FC_OK);
        args.packed = packed;
        args.weights = NULL;
    }
    CHECK(fc_execute(plan, &args, t->threads) == FC_OK);
    double *expected = scatter(t, src.data, weights.data, bias.data);
    const int64_t results = d->n * d->oc * t->oh * t->ow;
    int64_t wrong = 0, written = 0;
    for (int64_t i = 0; i < results; i++) {
        const int64_t x = i % t->ow, y = i / t->ow % t->oh, o = i / t->ow / t->oh % d->oc;
        const int64_t at = i / t->ow / t->oh / d->oc * d->dst_stride[0] + o * d->dst_stride[1] +
                           y * d->dst_stride[2] + x * d->dst_stride[3];
        double value = expected[i];
        if (d->activation == FC_ACT_RELU && value < 0) value = 0;
        wrong += !(get(dst.data, at, dtype) == value);
    }
    for (int64_t i = 0; i < t->dst_span; i++) /* what lies between is NaN still */
        written += get(dst.data, i, dtype) == get(dst.data, i, dtype);
    CHECK_AT(wrong == 0 && written == results,
             "%lld of %lld wrong, %lld written: f%d ic%lld %lldx%lld oc%lld k%lldx%lld s%lldx%lld "
             "d%lldx%lld pad %lld %lld %lld %lld extra %lld %lld g%lld packed %d threads %d",
             (long long)wrong, (long long)results, (long long)written, dtype == FC_F64 ? 64 : 32,
             (long long)d->ic, (long long)d->ih, (long long)d->iw, (long long)d->oc,
             (long long)d->kh, (long long)d->kw, (long long)d->stride_h, (long long)d->stride_w,
             (long long)d->dilation_h, (long long)d->dilation_w, (long long)d->pad_top,
             (long long)d->pad_bottom, (long long)d->pad_left, (long long)d->pad_right,
             (long long)d->output_pad_h, (long long)d->output_pad_w, (long long)d->groups,
             packed != NULL, t->threads);
    CHECK(guarded_intact(&dst));
    free(expected);
    fc_pool_release(packed);
    fc_plan_destroy(plan);
    guarded_free(&src), guarded_free(&weights), guarded_free(&bias), guarded_free(&dst);
}

/* A random case; false when its result would be empty. */
static bool random_case(transpose_case *t) {
    static const int64_t channels[] = {1, 2, 3, 6, 15, 16, 17, 33};
    const int64_t groups = random_below(3) ? 1 : 1 + random_below(4);
    const bool single = groups > 1 && random_below(2);
    fc_conv_transpose2d_desc *d = &t->desc;
    *d = (fc_conv_transpose2d_desc){
        .struct_size = sizeof *d,
        .dtype = random_below(2) ? FC_F32 : FC_F64,
        .activation = random_below(2) ? FC_ACT_RELU : FC_ACT_NONE,
        .has_bias = (int32_t)random_below(2),
        .n = 1 + random_below(3),
        .ic = groups * (single ? 1 : pick(channels, 8)),
        .ih = 1 + random_below(9),
        .iw = 1 + random_below(20),
        .oc = groups * (single ? 1 : pick(channels, 8)),
        .kh = 1 + random_below(5),
        .kw = 1 + random_below(5),
        .pad_top = random_below(4),
        .pad_bottom = random_below(4),
        .pad_left = random_below(4),
        .pad_right = random_below(4),
        .stride_h = 1 + random_below(4),
        .stride_w = 1 + random_below(4),
        .dilation_h = 1 + random_below(4),
        .dilation_w = 1 + random_below(4),
        .groups = groups,
        .weights_strided = 1,
    };
    if (single && random_below(2)) { /* of which several vectors, strips and planes make a unit */
        static const int64_t multipliers[] = {1, 1, 1, 2, 3};
        d->groups = 1 + random_below(40), d->ic = d->groups;
        d->oc = d->groups * pick(multipliers, 5);
        d->ih = 1 + random_below(50), d->iw = 1 + random_below(150);
        d->stride_w = 2, d->stride_h = 1 + random_below(3);
        if (random_below(2)) d->kh = d->kw = 3 + 2 * random_below(2), d->dilation_w = 1;
    }
    d->output_pad_h = random_below(fc_max64(d->stride_h, d->dilation_h));
    d->output_pad_w = random_below(fc_max64(d->stride_w, d->dilation_w));
    t->oh = result_size(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h, d->dilation_h,
                        d->output_pad_h);
    t->ow = result_size(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w, d->dilation_w,
                        d->output_pad_w);
    if (t->oh < 1 || t->ow < 1) return false;
    const int64_t src[4] = {d->n, d->ic, d->ih, d->iw}, dst[4] = {d->n, d->oc, t->oh, t->ow};
    const int64_t weights[5] = {d->groups, d->ic / d->groups, d->oc / d->groups, d->kh, d->kw};
    t->src_origin = random_layout(src, 4, (unsigned)random_below(16), d->src_stride, &t->src_span);
    random_layout(dst, 4, 0, d->dst_stride, &t->dst_span);
    t->weight_origin =
        random_layout(weights, 5, (unsigned)random_below(32), d->weight_stride, &t->weight_span);
    t->at_end = random_below(2);
    t->packed = random_below(2);
    t->threads = 1 + (int)random_below(4);
    return true;
}

static void test_refusals(void) {
    transpose_case good;
    while (!random_case(&good) || good.desc.groups > 1) continue;
    good.desc.output_pad_h = good.desc.output_pad_w = 0;
    fc_plan *plan = NULL;
#define REFUSED(field, value, expected)                                             \
    do {                                                                            \
        fc_conv_transpose2d_desc bad = good.desc;                                   \
        bad.field = (value);                                                        \
        fc_status status = fc_conv_transpose2d_create(&bad, &plan);                 \
        CHECK_AT(status == (expected) && !plan, "%s: %s", #field, fc_status_str(status)); \
    } while (0)
    REFUSED(struct_size, 8, FC_ERR_VERSION);
    REFUSED(dtype, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(activation, FC_ACT_COUNT, FC_ERR_INVALID_ARGUMENT);
    REFUSED(stride_h, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(dilation_w, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(pad_left, -1, FC_ERR_INVALID_ARGUMENT);
    REFUSED(groups, 0, FC_ERR_INVALID_ARGUMENT);
    REFUSED(groups, 1000003, FC_ERR_INVALID_SHAPE);
    REFUSED(output_pad_h, 9, FC_ERR_INVALID_ARGUMENT);
    REFUSED(ih, 0, FC_ERR_INVALID_SHAPE);
    REFUSED(pad_top, 1000, FC_ERR_INVALID_SHAPE);
    REFUSED(ih, INT64_MAX, FC_ERR_OVERFLOW);
    REFUSED(n, INT64_C(1) << 57, FC_ERR_OVERFLOW);
    REFUSED(pad_top, INT64_MAX, FC_ERR_OVERFLOW);
    REFUSED(dst_stride[3], 0, FC_ERR_UNSUPPORTED);
    REFUSED(precision, FC_PRECISION_COUNT, FC_ERR_INVALID_ARGUMENT);
    REFUSED(weight_stride[3], INT64_MIN, FC_ERR_OVERFLOW);
    REFUSED(src_stride[1], INT64_MIN, FC_ERR_OVERFLOW);
    good.desc.n = 0; /* nothing would be reached, but plans multiply these strides */
    good.desc.stride_h = 2;
    good.desc.ih = 9;
    REFUSED(dst_stride[2], INT64_MAX, FC_ERR_OVERFLOW);
#undef REFUSED
    CHECK(fc_conv_transpose2d_create(NULL, &plan) == FC_ERR_INVALID_ARGUMENT);
}

/* No allocation may be lost or left behind when a later one fails. */
static void test_out_of_memory(void) {
    transpose_case t;
    do
        while (!random_case(&t)) continue;
    while (t.desc.stride_h * t.desc.stride_w < 4 || t.desc.kh * t.desc.kw < 4);
    fc_status status = FC_ERR_OUT_OF_MEMORY;
    for (int nth = 1; nth < 40 && status != FC_OK; nth++) {
        fc_plan *plan = NULL;
        fc_test_fail_allocation(nth);
        status = fc_conv_transpose2d_create(&t.desc, &plan);
        CHECK(status == FC_OK || (status == FC_ERR_OUT_OF_MEMORY && !plan));
        fc_test_fail_allocation(0);
        fc_plan_destroy(plan);
    }
    CHECK(status == FC_OK);
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("conv_transpose");
    fc_test_all_threads = true;
    for (int i = 0; i < 600; i++) {
        transpose_case t;
        if (random_case(&t) && check_share(i)) run(&t);
    }
    test_refusals();
    test_out_of_memory();
    return check_summary("conv_transpose");
}
