/* test_depthwise.c: the depthwise driver and its kernels through the public interface.
 *
 * On small integers every sum is exact, so results must equal those of naive loops; on real numbers
 * they must equal, bit for bit, one multiply-add after the other over (kh, kw): that is what makes
 * them independent of vectors, tails, strips and threads. Sources and results end or begin at
 * pages that may not be touched. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <math.h>

#include "../driver/depthwise_lanes.h"
#include "../plan/registry.h"
#include "check.h"
#include "integers.h"

static int64_t random_between(int64_t low, int64_t high) {
    return low + random_below(high - low + 1);
}

/* ---- cases ---------------------------------------------------------------------------------- */

typedef enum src_form {
    DENSE,
    CHANNELS_LAST,
    REVERSED_W,
    REVERSED_ALL,
    GAPS,
    EVERY_OTHER,
    CHANNELS_APART /* channels last, and more between the pixels */
} src_form;
enum { SRC_FORMS = CHANNELS_APART + 1 };
typedef enum dst_form { DST_DENSE, DST_GAPS, DST_REVERSED, DST_CHANNELS_LAST, DST_CHANNELS_APART } dst_form;
enum { DST_FORMS = DST_CHANNELS_APART + 1 };

typedef struct test_case {
    fc_conv2d_desc desc;
    int64_t oh, ow;
    src_form src;
    dst_form dst;
    bool at_end; /* buffers end at a guard page, else begin at one */
    bool reals;  /* real numbers, compared by bits */
    int threads;
} test_case;

static int64_t out_size(int64_t in, int64_t before, int64_t after, int64_t k, int64_t stride,
                        int64_t dilation) {
    int64_t room = in + before + after - (k - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static void set_strides(test_case *t) {
    fc_conv2d_desc *d = &t->desc;
    int64_t *s = d->src_stride, c = d->ic, h = d->ih, w = d->iw;
    switch (t->src) {
    case CHANNELS_APART:
        s[3] = c + 3, s[2] = -(w * s[3] + 2), s[0] = h * s[2], s[1] = 1;
        break;
    case CHANNELS_LAST:
        s[0] = h * w * c, s[1] = 1, s[2] = w * c, s[3] = c;
        break;
    case REVERSED_W:
        s[0] = c * h * w, s[1] = h * w, s[2] = w, s[3] = -1;
        break;
    case REVERSED_ALL:
        s[0] = -c * h * w, s[1] = -h * w, s[2] = -w, s[3] = 1;
        break;
    case GAPS:
        s[0] = c * (h * (w + 3) + 5), s[1] = h * (w + 3) + 5, s[2] = w + 3, s[3] = 1;
        break;
    case EVERY_OTHER:
        s[0] = c * h * w * 2, s[1] = h * w * 2, s[2] = w * 2, s[3] = 2;
        break;
    default:
        s[0] = c * h * w, s[1] = h * w, s[2] = w, s[3] = 1;
    }
    int64_t *o = d->dst_stride, gap = t->dst == DST_DENSE ? 0 : 3;
    o[3] = 1;
    o[2] = t->ow + gap;
    o[1] = o[2] * t->oh + gap;
    o[0] = o[1] * d->oc + gap;
    if (t->dst == DST_CHANNELS_LAST)
        o[1] = 1, o[3] = d->oc, o[2] = t->ow * o[3], o[0] = t->oh * o[2];
    if (t->dst == DST_CHANNELS_APART)
        o[1] = 1, o[3] = d->oc + gap, o[2] = t->ow * o[3] + gap, o[0] = t->oh * o[2];
    int64_t *r = d->residual_stride;
    r[1] = 1, r[3] = d->oc + 1, r[2] = t->ow * r[3], r[0] = t->oh * r[2]; /* where it is looked at */
    if (t->dst == DST_REVERSED)
        for (int i = 0; i < 3; i++) o[i] = -o[i];
}

/* Least offset of the array and the elements it spans. */
static int64_t extent(const int64_t shape[4], const int64_t stride[4], int64_t *span) {
    int64_t low = 0, high = 0;
    for (int i = 0; i < 4; i++) {
        int64_t last = (shape[i] - 1) * stride[i];
        low += fc_min64(last, 0);
        high += fc_max64(last, 0);
    }
    *span = high - low + 1;
    return low;
}

static double draw(bool reals) {
    if (!reals) return (double)random_between(-4, 4);
    return (double)random_between(-1000000, 1000000) / 977.0;
}

static void fill(void *p, int64_t count, fc_dtype dtype, bool reals) {
    for (int64_t i = 0; i < count; i++) put(p, i, dtype, draw(reals));
}

static bool tier_has_fma(void) {
    fc_runtime_info info = {.struct_size = sizeof info};
    fc_runtime_query(&info);
    return info.isa_used == FC_ISA_AVX2 || info.isa_used == FC_ISA_AVX512 ||
           info.isa_used == FC_ISA_NEON;
}

/* sum + a*b as the tier does it; volatile: rounded to the type each time. */
static double step(double a, double b, double sum, fc_dtype dtype, bool fma_tier) {
    if (dtype == FC_F64) {
        if (fma_tier) return fma(a, b, sum);
        volatile double product = a * b;
        return product + sum;
    }
    if (fma_tier) return (double)fmaf((float)a, (float)b, (float)sum);
    volatile float product = (float)a * (float)b, total = product + (float)sum;
    return (double)total;
}

static double add(double a, double b, fc_dtype dtype) {
    volatile float single = (float)(a + b);
    return dtype == FC_F64 ? a + b : (double)single;
}

static double activate(double v, int activation) {
    switch (activation) {
    case FC_ACT_RELU:
        return v > 0 ? v : 0;
    case FC_ACT_RELU6:
        return v > 6 ? 6 : (v > 0 ? v : 0);
    case FC_ACT_SIGMOID:
        return 1 / (1 + exp(-v));
    case FC_ACT_TANH:
        return tanh(v);
    default:
        return v;
    }
}

static bool same(double got, double want, const test_case *t) {
    if (t->desc.activation == FC_ACT_SIGMOID || t->desc.activation == FC_ACT_TANH)
        return fabs(got - want) <= (t->desc.dtype == FC_F64 ? 1e-14 : 1e-6);
    return got == want;
}

static const char *describe(const test_case *t) {
    static char text[512];
    const fc_conv2d_desc *d = &t->desc;
    snprintf(text, sizeof text,
             "f%d n%d c%d %dx%d oc%d k%dx%d s%dx%d d%dx%d p%d,%d,%d,%d act%d bias%d res%d src%d "
             "dst%d end%d reals%d threads%d",
             d->dtype == FC_F64 ? 64 : 32, (int)d->n, (int)d->ic, (int)d->ih, (int)d->iw,
             (int)d->oc, (int)d->kh, (int)d->kw, (int)d->stride_h, (int)d->stride_w,
             (int)d->dilation_h, (int)d->dilation_w, (int)d->pad_top, (int)d->pad_bottom,
             (int)d->pad_left, (int)d->pad_right, d->activation, d->has_bias, d->has_residual,
             t->src, t->dst, t->at_end, t->reals, t->threads);
    return text;
}

enum { POISON = 0xff }; /* a NaN in either dtype */

/* Channels go into lanes wherever they can (way 1), or nowhere (-1). */
static void run_way(test_case *t, int way) {
    fc_conv2d_desc *d = &t->desc;
    fc_test_depthwise_lanes = way;
    t->oh = out_size(d->ih, d->pad_top, d->pad_bottom, d->kh, d->stride_h, d->dilation_h);
    t->ow = out_size(d->iw, d->pad_left, d->pad_right, d->kw, d->stride_w, d->dilation_w);
    if (t->oh < 1 || t->ow < 1) return;
    set_strides(t);
    const fc_dtype dtype = (fc_dtype)d->dtype;
    const int64_t size = (int64_t)fc_dtype_bytes(dtype), taps = d->kh * d->kw;
    const int64_t src_shape[4] = {d->n, d->ic, d->ih, d->iw};
    const int64_t dst_shape[4] = {d->n, d->oc, t->oh, t->ow};
    int64_t src_span, dst_span;
    const int64_t src_low = extent(src_shape, d->src_stride, &src_span);
    const int64_t dst_low = extent(dst_shape, d->dst_stride, &dst_span);
    const int64_t outputs = d->n * d->oc * t->oh * t->ow, *r = d->residual_stride;
    const int64_t added = d->residual_strided ? d->n * r[0] : outputs;

    guarded src = guarded_new((size_t)(src_span * size), t->at_end);
    guarded dst = guarded_new((size_t)(dst_span * size), t->at_end);
    guarded weights = guarded_new((size_t)(d->oc * taps * size), t->at_end);
    guarded bias = guarded_new((size_t)(d->oc * size), t->at_end);
    guarded residual = guarded_new((size_t)(added * size), t->at_end);
    memset(src.data, POISON, src.bytes);
    memset(dst.data, POISON, dst.bytes);
    const int64_t *s = d->src_stride, *o = d->dst_stride;
    for (int64_t n = 0; n < d->n; n++)
        for (int64_t c = 0; c < d->ic; c++)
            for (int64_t y = 0; y < d->ih; y++)
                for (int64_t x = 0; x < d->iw; x++)
                    put(src.data, n * s[0] + c * s[1] + y * s[2] + x * s[3] - src_low, dtype,
                        draw(t->reals));
    fill(weights.data, d->oc * taps, dtype, t->reals);
    fill(bias.data, d->oc, dtype, t->reals);
    fill(residual.data, added, dtype, t->reals);

    fc_plan *plan = NULL;
    if (!CHECK_AT(fc_conv2d_create(d, &plan) == FC_OK, "%s", describe(t))) goto done;
    const int64_t widest = (d->ih + 80) * (d->iw + 80) + t->oh * t->ow; /* vectors of the map at most */
    if (d->oc == d->groups && d->stride_w <= 2 && widest <= 7000) {
        fc_plan_info taken = {.struct_size = sizeof taken};
        fc_plan_query(plan, &taken);
        CHECK_AT((taken.packing >> 56 == FC_PACKED_LANES) == (way > 0), "%s", describe(t));
    }
    const fc_args args = {
        .struct_size = sizeof args,
        .src = src.data - src_low * size,
        .weights = weights.data,
        .bias = d->has_bias ? bias.data : NULL,
        .residual = d->has_residual ? residual.data : NULL,
        .dst = dst.data - dst_low * size,
    };
    bool ran = CHECK_AT(fc_execute(plan, &args, t->threads) == FC_OK, "%s", describe(t));
    fc_plan_destroy(plan);
    if (!ran) goto done;

    const bool fma_tier = tier_has_fma();
    const int64_t multiplier = d->oc / d->groups;
    int64_t wrong = 0, at = 0;
    for (int64_t n = 0; n < d->n; n++)
        for (int64_t c = 0; c < d->oc; c++)
            for (int64_t y = 0; y < t->oh; y++)
                for (int64_t x = 0; x < t->ow; x++, at++) {
                    double sum = 0;
                    for (int64_t a = 0; a < d->kh; a++)
                        for (int64_t b = 0; b < d->kw; b++) {
                            int64_t iy = y * d->stride_h + a * d->dilation_h - d->pad_top;
                            int64_t ix = x * d->stride_w + b * d->dilation_w - d->pad_left;
                            bool inside = iy >= 0 && iy < d->ih && ix >= 0 && ix < d->iw;
                            double v = inside ? get(src.data,
                                                    n * s[0] + c / multiplier * s[1] + iy * s[2] +
                                                        ix * s[3] - src_low,
                                                    dtype)
                                              : 0;
                            double w = get(weights.data, c * taps + a * d->kw + b, dtype);
                            sum = step(w, v, sum, dtype, fma_tier);
                        }
                    if (d->has_bias) sum = add(sum, get(bias.data, c, dtype), dtype);
                    const int64_t where =
                        d->residual_strided ? n * r[0] + c * r[1] + y * r[2] + x * r[3] : at;
                    if (d->has_residual) sum = add(sum, get(residual.data, where, dtype), dtype);
                    int64_t i = n * o[0] + c * o[1] + y * o[2] + x * o[3] - dst_low;
                    wrong += !same(get(dst.data, i, dtype), activate(sum, d->activation), t);
                    memset(dst.data + i * size, POISON, (size_t)size);
                }
    CHECK_AT(wrong == 0, "%d of %d: %s", (int)wrong, (int)outputs, describe(t));
    size_t touched = 0; /* between the rows of the result */
    for (size_t i = 0; i < dst.bytes; i++) touched += dst.data[i] != POISON;
    CHECK_AT(touched == 0, "%d bytes: %s", (int)touched, describe(t));

done:
    guarded_free(&src);
    guarded_free(&dst);
    guarded_free(&weights);
    guarded_free(&bias);
    guarded_free(&residual);
}

static void run_case(test_case *t) {
    static long number;
    if (!check_share(number++)) return;
    run_way(t, 1);
    if (t->desc.oc == t->desc.groups && t->desc.stride_w <= 2 && !t->desc.residual_strided) run_way(t, -1);
    fc_test_depthwise_lanes = 0;
}

/* ---- sweeps --------------------------------------------------------------------------------- */

static test_case plain_case(fc_dtype dtype, int64_t groups, int64_t ih, int64_t iw, int64_t k) {
    return (test_case){.threads = 1,
                       .desc = {.struct_size = sizeof(fc_conv2d_desc),
                                .dtype = dtype,
                                .direction = FC_FORWARD,
                                .src_layout = FC_LAYOUT_STRIDED,
                                .dst_layout = FC_LAYOUT_STRIDED,
                                .algorithm = FC_ALGO_DEPTHWISE,
                                .n = 1,
                                .groups = groups,
                                .ic = groups,
                                .oc = groups,
                                .ih = ih,
                                .iw = iw,
                                .kh = k,
                                .kw = k,
                                .pad_top = k / 2,
                                .pad_bottom = k / 2,
                                .pad_left = k / 2,
                                .pad_right = k / 2,
                                .stride_h = 1,
                                .stride_w = 1,
                                .dilation_h = 1,
                                .dilation_w = 1}};
}

/* Every width around the vectors and groups of vectors of all tiers, every number of rows around
 * the kernel's blocks. */
static void test_widths_and_heights(fc_dtype dtype) {
    for (int64_t k = 1; k <= 7; k++)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t size = 1; size <= 70; size++) {
                test_case t = plain_case(dtype, 2, 3 + size % 3, size, k);
                t.desc.stride_h = t.desc.stride_w = stride;
                t.at_end = size % 2;
                run_case(&t);
                t = plain_case(dtype, 2, size, 5 + size % 17, k);
                t.desc.stride_h = t.desc.stride_w = stride;
                t.at_end = size % 2;
                t.reals = true;
                run_case(&t);
            }
    for (int64_t width = 71; width <= 290; width += 1 + width / 16) {
        test_case t = plain_case(dtype, 1, 61, width, 3);
        t.at_end = width % 2;
        t.desc.has_bias = 1;
        run_case(&t);
        t.desc.kw = 5;
        t.reals = true;
        run_case(&t);
    }
}

static test_case random_case(fc_dtype dtype) {
    /* One by one: the order in which arguments are evaluated is the compiler's. */
    const int64_t groups = random_below(4) ? random_between(1, 5) : random_between(6, 40);
    const int64_t ih = random_between(1, 40);
    const int64_t widest = random_below(4) ? 40 : 150;
    test_case t = plain_case(dtype, groups, ih, random_between(1, widest), 1);
    fc_conv2d_desc *d = &t.desc;
    d->n = random_between(1, 3);
    d->oc = d->groups * random_between(1, 3);
    d->kh = random_between(1, 7);
    d->kw = random_below(20) ? random_between(1, 7) : random_between(15, 19);
    d->stride_h = random_below(2) ? 1 : random_between(1, 3);
    d->stride_w = random_below(2) ? d->stride_h : random_between(1, 4);
    d->dilation_h = random_below(2) ? 1 : random_between(1, 3);
    d->dilation_w = random_below(2) ? d->dilation_h : random_between(1, 3);
    int64_t *pad[4] = {&d->pad_top, &d->pad_bottom, &d->pad_left, &d->pad_right};
    const int64_t most = random_below(8) ? 4 : 30; /* now and then far beyond the kernel */
    for (int i = 0; i < 4; i++) *pad[i] = random_below(4) ? random_between(0, most) : 0;
    d->has_bias = (int32_t)random_below(2);
    d->has_residual = (int32_t)random_below(2);
    d->activation = (int32_t)random_below(FC_ACT_TANH + 1);
    t.reals = random_below(2);
    if (t.reals && d->activation > FC_ACT_RELU6) d->activation = FC_ACT_NONE;
    t.src = random_below(2) ? DENSE : (src_form)random_below(SRC_FORMS);
    t.dst = random_below(2) ? DST_DENSE : (dst_form)random_below(DST_FORMS);
    t.at_end = random_below(2);
    t.threads = (int)random_between(1, 4);
    return t;
}

static void test_random(fc_dtype dtype, int cases) {
    for (int i = 0; i < cases; i++) {
        test_case t = random_case(dtype);
        run_case(&t);
    }
}

/* Read and written where they lie: any number of channels that fills a vector, tiles of any size, several
 * chunks of channels, pixels that are copied since they would collide. */
static void test_channels_last(fc_dtype dtype, int cases) {
    const int64_t sizes[] = {7, 8, 14, 15, 28, 30, 57};
    for (int i = 0; i < cases; i++) {
        test_case t = random_case(dtype);
        fc_conv2d_desc *d = &t.desc;
        t.src = random_below(2) ? CHANNELS_LAST : CHANNELS_APART;
        t.dst = random_below(2) ? DST_CHANNELS_LAST : DST_CHANNELS_APART;
        d->groups = d->ic = d->oc = random_below(3) ? random_between(16, 50) : random_between(51, 140);
        if (random_below(3) == 0) {
            d->ih = sizes[random_below(7)], d->iw = sizes[random_below(7)], d->n = 1;
            d->kw = d->kh = 3 + 2 * random_below(3);
            d->dilation_w = d->dilation_h = 1;
        }
        if (random_below(8) == 0) {
            t.src = CHANNELS_LAST, d->n = 1, d->groups = d->ic = d->oc = 256;
            d->ih = random_between(5, 20), d->iw = random_between(5, 20);
        }
        d->residual_strided = d->has_residual && random_below(2);
        fc_test_all_threads = random_below(2);
        run_case(&t);
    }
    fc_test_all_threads = false;
}

/* With enough channels for a vector of any tier; a residual may then lie as they do too. */
static void test_channels_last_taken(fc_dtype dtype) {
    for (int64_t groups = 15; groups <= 32; groups += 17)
        for (int planes = 0; planes < 2; planes++) {
            test_case t = plain_case(dtype, groups, 112, 112, 3);
            fc_conv2d_desc *d = &t.desc;
            t.oh = t.ow = 112;
            t.src = planes ? DENSE : CHANNELS_LAST, t.dst = DST_CHANNELS_LAST;
            const bool in_place = !planes && groups > 15;
            d->has_residual = 1;
            set_strides(&t);
            fc_plan *plan = NULL;
            if (!CHECK(fc_conv2d_create(d, &plan) == FC_OK)) continue;
            fc_plan_info taken = {.struct_size = sizeof taken};
            fc_plan_query(plan, &taken);
            const bool lanes = taken.packing >> 56 == FC_PACKED_LANES;
            fc_runtime_info info = {.struct_size = sizeof info};
            fc_runtime_query(&info);
            /* Others are copied, and what that costs decides, on each tier for itself. */
            if (in_place) CHECK_AT(lanes == (info.isa_used != FC_ISA_SCALAR), "%s", describe(&t));
            fc_plan_destroy(plan);
            d->residual_strided = 1; /* where they are copied it is refused */
            const fc_status status = fc_conv2d_create(d, &plan);
            CHECK_AT(status == (in_place ? FC_OK : FC_ERR_UNSUPPORTED), "%s", describe(&t));
            if (status == FC_OK) fc_plan_destroy(plan);
        }
}

/* Large enough for several strips, several threads and several planes a task. */
static void test_large(fc_dtype dtype) {
    static const struct {
        int64_t n, groups, multiplier, ih, iw, k, stride, dilation;
    } shapes[] = {
        {1, 1, 1, 300, 211, 3, 1, 1}, {1, 1, 2, 301, 300, 3, 2, 1},  {2, 37, 1, 56, 56, 3, 1, 1},
        {1, 70, 1, 57, 57, 3, 2, 1},  {1, 200, 1, 14, 14, 5, 1, 1},  {3, 150, 1, 7, 7, 3, 1, 1},
        {1, 130, 1, 28, 28, 5, 2, 1}, {1, 16, 2, 112, 112, 3, 1, 1}, {1, 9, 1, 90, 90, 3, 1, 4},
        {1, 3, 1, 200, 130, 7, 1, 2}, {1, 5, 1, 160, 160, 3, 2, 6},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int threads = 1; threads <= 4; threads++) {
            test_case t = plain_case(dtype, shapes[i].groups, shapes[i].ih, shapes[i].iw,
                                     shapes[i].k);
            t.desc.n = shapes[i].n;
            t.desc.oc = shapes[i].groups * shapes[i].multiplier;
            t.desc.stride_h = t.desc.stride_w = shapes[i].stride;
            t.desc.dilation_h = t.desc.dilation_w = shapes[i].dilation;
            t.desc.has_bias = 1;
            t.desc.activation = FC_ACT_RELU6;
            t.reals = true;
            t.at_end = threads % 2;
            t.threads = threads;
            if (threads == 2) t.src = REVERSED_W;
            run_case(&t);
            if (shapes[i].multiplier > 1 || shapes[i].groups < 16) continue;
            t.src = CHANNELS_LAST, t.dst = DST_CHANNELS_LAST;
            run_way(&t, 1);
        }
}

/* Infinities and NaN in one pixel reach the windows that hold it and no other. */
static void test_special_values(fc_dtype dtype) {
    const double special[] = {INFINITY, -INFINITY, NAN};
    enum { H = 9, W = 37 };
    for (int i = 0; i < 3; i++)
        for (int64_t k = 3; k <= 5; k += 2) {
            test_case t = plain_case(dtype, 1, H, W, k);
            fc_conv2d_desc *d = &t.desc;
            t.oh = H, t.ow = W;
            set_strides(&t);
            double src[H * W] = {0}, weights[25], dst[H * W];
            for (int64_t j = 0; j < H * W; j++) put(src, j, dtype, 1);
            for (int64_t j = 0; j < 25; j++) put(weights, j, dtype, 1);
            put(src, 4 * W + 16, dtype, special[i]);
            fc_plan *plan = NULL;
            if (!CHECK(fc_conv2d_create(d, &plan) == FC_OK)) return;
            const fc_args args = {
                .struct_size = sizeof args, .src = src, .weights = weights, .dst = dst};
            CHECK(fc_execute(plan, &args, 1) == FC_OK);
            fc_plan_destroy(plan);
            int wrong = 0;
            for (int64_t y = 0; y < H; y++)
                for (int64_t x = 0; x < W; x++) {
                    bool reached = llabs(y - 4) <= k / 2 && llabs(x - 16) <= k / 2;
                    double v = get(dst, y * W + x, dtype);
                    if (!reached)
                        wrong += !isfinite(v);
                    else
                        wrong += isnan(special[i]) ? !isnan(v) : v != special[i];
                }
            CHECK(wrong == 0);
        }
}

/* split_phases writes what its contract names and nothing else: borders are not always zeros. */
static void test_split_phases(fc_dtype dtype) {
    enum { ROWS = 3, MOST = 80, APART = 2 * MOST + 40, MIDDLE = MOST * 2, SIZE = 1200 };
    const size_t size = fc_dtype_bytes(dtype);
    static double src[MIDDLE + ROWS * APART], dst[SIZE], want[SIZE];
    for (int64_t i = 0; i < MIDDLE + ROWS * APART; i++) put(src, i, dtype, (double)i);
    for (int64_t step = 1; step <= 18; step++)
        for (int64_t stride = -2; stride <= 2; stride++)
            for (int64_t pixels = 0; pixels <= MOST; pixels++) {
                if (!stride) continue;
                const int64_t phase = fc_div_up(pixels, step) + 3, pitch = phase * step + 5;
                memset(dst, POISON, sizeof dst);
                memset(want, POISON, sizeof want);
                for (int64_t r = 0; r < ROWS; r++)
                    for (int64_t x = 0; x < pixels; x++)
                        put(want, r * pitch + x % step * phase + x / step, dtype,
                            get(src, MIDDLE + r * APART + x * stride, dtype));
                const fc_split_phases_args args = {
                    .src = (const char *)src + MIDDLE * size,
                    .dst = dst,
                    .src_stride = stride,
                    .pixels = pixels,
                    .step = step,
                    .phase = phase,
                    .rows = ROWS,
                    .src_row = APART,
                    .dst_row = pitch,
                };
                fc_registry_kernels(dtype)->split_phases(&args);
                CHECK_AT(memcmp(dst, want, sizeof dst) == 0, "step %d stride %d pixels %d",
                         (int)step, (int)stride, (int)pixels);
            }
}

/* Where loads can be masked, rows are read where they lie, with stride 2 too: no scratch holds a plane. */
static void test_in_place(fc_dtype dtype) {
    enum { SIZE = 64, TABLES = 12 << 10 }; /* bytes, more than 16 planes' tables of rows take */
    fc_runtime_info info = {.struct_size = sizeof info};
    fc_runtime_query(&info);
    const bool masks = info.isa_used == FC_ISA_AVX2 || info.isa_used == FC_ISA_AVX512;
    fc_test_depthwise_lanes = -1;
    for (int64_t k = 3; k <= 5; k += 2)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int copied = 0; copied < 2; copied++) {
                test_case t = plain_case(dtype, 1, SIZE, SIZE, k);
                fc_conv2d_desc *d = &t.desc;
                d->stride_h = d->stride_w = stride;
                t.oh = t.ow = SIZE / stride;
                t.src = copied ? EVERY_OTHER : DENSE;
                set_strides(&t);
                fc_plan *plan = NULL;
                if (!CHECK(fc_conv2d_create(d, &plan) == FC_OK)) continue;
                CHECK_AT((fc_plan_scratch_bytes(plan, 1, 0) < TABLES) == (masks && !copied), "%s",
                         describe(&t));
                fc_plan_destroy(plan);
            }
    fc_test_depthwise_lanes = 0;
}

static void test_refusal(void) {
    test_case t = plain_case(FC_F32, 2, 8, 8, 3);
    fc_conv2d_desc *d = &t.desc;
    d->ic = 4;
    t.oh = t.ow = 8;
    set_strides(&t);
    fc_plan *plan = NULL;
    CHECK(fc_conv2d_create(d, &plan) == FC_ERR_UNSUPPORTED);
    CHECK(plan == NULL);
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("depthwise");
    for (int i = 0; i < 2; i++) {
        const fc_dtype dtype = i ? FC_F64 : FC_F32;
        test_widths_and_heights(dtype);
        test_random(dtype, 1500);
        test_channels_last(dtype, 300);
        test_channels_last_taken(dtype);
        test_large(dtype);
        test_special_values(dtype);
        test_split_phases(dtype);
        test_in_place(dtype);
    }
    test_refusal();
    return check_summary("depthwise");
}
