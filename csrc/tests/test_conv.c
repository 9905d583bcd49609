/* test_conv.c: convolutions by each algorithm through the public interface, and linear layers, which share
 * tiles with them. On small integers every sum is exact, so results equal naive loops to the last bit, for
 * every algorithm, thread count and form of the weights. Buffers end or begin at pages that may not
 * be touched, and results begin as NaN. */
#include "../base/status.h"
#include "../driver/driver.h"
#include "../plan/plan.h"
#include "check.h"
#include "integers.h"

#include <math.h>
#include <string.h>

/* ---- convolution ---------------------------------------------------------------------------- */

typedef struct conv_case {
    fc_conv2d_desc desc;
    int64_t oh, ow;
    int64_t src_origin, src_span, dst_span, weight_origin, weight_span, residual_span;
    bool at_end, packed;
    int threads;
} conv_case;

/* The element that a bordered axis shows at i, or -1: nothing. Step by step, one end at a time. */
static int64_t shown(int32_t border, int64_t i, int64_t size) {
    if (border == FC_BORDER_ZEROS) return i < 0 || i >= size ? -1 : i;
    while (i < 0 || i >= size) {
        if (border == FC_BORDER_REPLICATE) i += i < 0 ? 1 : -1;
        if (border == FC_BORDER_CIRCULAR) i += i < 0 ? size : -size;
        if (border == FC_BORDER_REFLECT) i = i < 0 ? -i : 2 * size - 2 - i;
    }
    return i;
}

static bool by_transforms(int algorithm) {
    return algorithm >= FC_ALGO_WINOGRAD_F2 && algorithm <= FC_ALGO_WINOGRAD_F6;
}

/* What may be off, in units of rounding of (greatest input) x (sum of the weights' magnitudes): how much
 * transforms enlarge in two dimensions, the greatest row sum of |At| |G| |Bt| squared. */
static double enlarged(const fc_conv2d_desc *d) {
    switch (d->algorithm) {
    case FC_ALGO_WINOGRAD_F2: return d->kh == 3 ? 16 : 261;
    case FC_ALGO_WINOGRAD_F4: return d->kh == 3 ? 189 : 1769;
    case FC_ALGO_WINOGRAD_F6: return 1604;
    default: return 0; /* sums of integers are exact */
    }
}

static double weight_at(const conv_case *t, const void *weights, int64_t o, int64_t c, int64_t r,
                        int64_t s) {
    const fc_conv2d_desc *d = &t->desc;
    const int64_t *stride = d->weight_stride, ocg = d->oc / d->groups;
    return get(weights,
               t->weight_origin + o / ocg * stride[0] + o % ocg * stride[1] + c * stride[2] +
                   r * stride[3] + s * stride[4],
               (fc_dtype)d->dtype);
}

/* How far an element of output channel o may be off. */
static double tolerance(const conv_case *t, const void *weights, int64_t o) {
    const fc_conv2d_desc *d = &t->desc;
    const double growth = enlarged(d), unit = d->dtype == FC_F64 ? 0x1p-53 : 0x1p-24;
    double magnitude = 0;
    for (int64_t c = 0; growth > 0 && c < d->ic / d->groups; c++)
        for (int64_t r = 0; r < d->kh; r++)
            for (int64_t s = 0; s < d->kw; s++) magnitude += fabs(weight_at(t, weights, o, c, r, s));
    return growth * unit * GREATEST * magnitude;
}

/* The window first, then its channels: in any order the sum of integers is the same. */
static double naive_conv(const conv_case *t, const void *src, const void *weights, int64_t n,
                         int64_t o, int64_t y, int64_t x) {
    const fc_conv2d_desc *d = &t->desc;
    const int64_t *ss = d->src_stride, *ws = d->weight_stride;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, g = o / ocg;
    const int64_t image = t->src_origin + n * ss[0] + g * icg * ss[1];
    const int64_t filter = t->weight_origin + g * ws[0] + o % ocg * ws[1];
    double sum = 0;
    for (int64_t r = 0; r < d->kh; r++) {
        const int64_t sy = shown(d->border, y * d->stride_h + r * d->dilation_h - d->pad_top, d->ih);
        for (int64_t s = 0; s < d->kw && sy >= 0; s++) {
            const int64_t sx = shown(d->border, x * d->stride_w + s * d->dilation_w - d->pad_left, d->iw);
            for (int64_t c = 0; c < icg && sx >= 0; c++)
                sum += get(weights, filter + c * ws[2] + r * ws[3] + s * ws[4], (fc_dtype)d->dtype) *
                       get(src, image + c * ss[1] + sy * ss[2] + sx * ss[3], (fc_dtype)d->dtype);
        }
    }
    return sum;
}

/* With scratch that ends where nothing may be touched: a plan uses what it books, and no more. */
static void execute_guarded(const fc_plan *plan, const fc_args *args, int threads) {
    static guarded scratch; /* the largest so far */
    const size_t bytes = fc_plan_scratch_bytes(plan, threads, args->packed != NULL);
    const size_t lines = (size_t)fc_round_up(fc_max64(1, (int64_t)bytes), FC_CACHE_LINE);
    if (lines > scratch.bytes) {
        guarded_free(&scratch);
        scratch = guarded_new(lines, true);
    }
    void *const last = scratch.data + scratch.bytes - lines;
    plan->operation->execute(plan, args, last, fc_plan_threads(plan, threads));
}

static void run_conv(const conv_case *t) {
    const fc_conv2d_desc *d = &t->desc;
    const fc_dtype dtype = (fc_dtype)d->dtype;
    const int64_t results = d->n * d->oc * t->oh * t->ow;
    const ptrdiff_t bytes = (ptrdiff_t)fc_dtype_bytes(dtype);
    guarded src = integers(t->src_span, dtype, t->at_end);
    guarded weights = integers(t->weight_span, dtype, t->at_end);
    guarded bias = integers(d->oc, dtype, t->at_end);
    guarded residual = integers(t->residual_span, dtype, t->at_end);
    guarded dst = guarded_new((size_t)(t->dst_span * bytes), t->at_end);

    fc_plan *plan = NULL;
    fc_status status = fc_conv2d_create(d, &plan);
    CHECK_AT(status == FC_OK, "%s", fc_status_str(status));
    if (status != FC_OK) return;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    CHECK((int)info.algorithm == d->algorithm);
    CHECK(info.dst_shape[2] == t->oh && info.dst_shape[3] == t->ow);

    fc_args args = {.struct_size = sizeof args,
                    .src = src.data + t->src_origin * bytes,
                    .weights = weights.data + t->weight_origin * bytes,
                    .bias = bias.data,
                    .residual = residual.data,
                    .dst = dst.data};
    void *packed = NULL;
    if (t->packed && fc_plan_packed_bytes(plan)) {
        packed = fc_pool_acquire(fc_plan_packed_bytes(plan));
        CHECK(fc_plan_pack(plan, args.weights, packed, t->threads) == FC_OK);
        args.packed = packed;
        args.weights = NULL;
    }
    CHECK(fc_execute(plan, &args, t->threads) == FC_OK);
    unsigned char *first = malloc(dst.bytes);
    memcpy(first, dst.data, dst.bytes);
    memset(dst.data, 0xff, dst.bytes);
    execute_guarded(plan, &args, t->threads);
    CHECK(memcmp(first, dst.data, dst.bytes) == 0);
    free(first);
    double *off = malloc((size_t)d->oc * sizeof *off);
    for (int64_t o = 0; o < d->oc; o++) off[o] = tolerance(t, weights.data, o);
    int64_t wrong = 0;
    for (int64_t i = 0; i < results; i++) {
        int64_t x = i % t->ow, y = i / t->ow % t->oh, o = i / t->ow / t->oh % d->oc;
        double expected = naive_conv(t, src.data, weights.data, i / t->ow / t->oh / d->oc, o, y, x);
        if (d->has_bias) expected += get(bias.data, o, dtype);
        const int64_t index[4] = {i / t->ow / t->oh / d->oc, o, y, x};
        int64_t at = 0, residual_at = d->residual_strided ? 0 : i;
        for (int j = 0; j < 4; j++) {
            at += index[j] * d->dst_stride[j];
            if (d->residual_strided) residual_at += index[j] * d->residual_stride[j];
        }
        if (d->has_residual) expected += get(residual.data, residual_at, dtype);
        double may = off[o];
        if (d->activation == FC_ACT_RELU && expected < 0) expected = 0;
        if (d->activation == FC_ACT_HARDSWISH) {
            expected *= fmin(fmax(expected + 3, 0), 6) / 6;
            may = 1.5 * may + 4 * fabs(expected) * (dtype == FC_F64 ? 0x1p-53 : 0x1p-24);
        }
        wrong += !(fabs(get(dst.data, at, dtype) - expected) <= may);
    }
    free(off);
    int64_t written = 0; /* what lies between the elements of dst is NaN still */
    for (int64_t i = 0; i < t->dst_span; i++)
        written += get(dst.data, i, dtype) == get(dst.data, i, dtype);
    CHECK_AT(written == results, "%lld written for %lld", (long long)written, (long long)results);
    CHECK_AT(wrong == 0,
             "%lld of %lld wrong: %s f%d n%lld ic%lld %lldx%lld oc%lld k%lldx%lld s%lldx%lld "
             "d%lldx%lld pad %lld %lld %lld %lld border %d g%lld threads %d packed %d",
             (long long)wrong, (long long)results,
             fc_algorithm_name((fc_algorithm)d->algorithm), dtype == FC_F64 ? 64 : 32,
             (long long)d->n, (long long)d->ic, (long long)d->ih, (long long)d->iw,
             (long long)d->oc, (long long)d->kh, (long long)d->kw, (long long)d->stride_h,
             (long long)d->stride_w, (long long)d->dilation_h, (long long)d->dilation_w,
             (long long)d->pad_top, (long long)d->pad_bottom, (long long)d->pad_left,
             (long long)d->pad_right, d->border, (long long)d->groups, t->threads, t->packed);
    CHECK(guarded_intact(&dst));
    fc_pool_release(packed);
    fc_plan_destroy(plan);
    guarded_free(&src), guarded_free(&weights), guarded_free(&bias);
    guarded_free(&residual), guarded_free(&dst);
}

/* Half of them dense, in the order of the axes. */
static void set_layout(const int64_t *size, int rank, unsigned flip, int64_t *stride,
                       int64_t *origin, int64_t *span) {
    if (random_below(2)) {
        *origin = random_layout(size, rank, flip, stride, span);
        return;
    }
    *origin = 0;
    *span = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = *span;
        *span *= size[i];
    }
}

/* Channels side by side, as in a part of a concatenation; perhaps more between rows and images. */
static void set_channels_last(const int64_t *size, int64_t *stride, int64_t *span) {
    const int64_t whole_vectors = random_below(2) ? 16 : 1;
    stride[1] = 1;
    stride[3] = fc_round_up(size[1] + random_below(2) * 3, whole_vectors);
    stride[2] = size[3] * stride[3] + random_below(2) * 5;
    stride[0] = size[2] * stride[2] + random_below(2) * 7;
    *span = 1;
    for (int i = 0; i < 4; i++) *span += (size[i] - 1) * stride[i];
}

/* A residual, channels last, laid out as dst or not quite; dense where dst is not channels last. */
static void set_residual(conv_case *t, const int64_t *size) {
    fc_conv2d_desc *d = &t->desc;
    t->residual_span = size[0] * size[1] * size[2] * size[3];
    if (d->algorithm == FC_ALGO_PLANAR || d->algorithm == FC_ALGO_LINEAR ||
        d->algorithm == FC_ALGO_POINTWISE || d->dst_stride[1] != 1 || random_below(4) == 0)
        return;
    d->residual_strided = 1;
    if (random_below(3) == 0) {
        set_channels_last(size, d->residual_stride, &t->residual_span);
        return;
    }
    memcpy(d->residual_stride, d->dst_stride, sizeof d->residual_stride);
    d->residual_stride[0] += t->dst_span; /* images lie further apart */
    t->residual_span = t->dst_span + (size[0] - 1) * t->dst_span;
}

/* A random case; false when its window does not fit. */
static bool random_conv(conv_case *t, fc_algorithm algorithm) {
    static const int64_t channels[] = {1, 3, 6, 15, 16, 17, 24, 31, 33, 40, 64, 65, 70};
    static const int64_t widths[] = {1, 2, 3, 5, 7, 12, 13, 14, 15, 27, 28, 29, 41};
    const bool pointwise = algorithm == FC_ALGO_1X1 || algorithm == FC_ALGO_POINTWISE;
    const bool transforms = by_transforms(algorithm), whole = algorithm == FC_ALGO_LINEAR;
    const int64_t square = random_below(3) || algorithm == FC_ALGO_WINOGRAD_F6 ? 3 : 5;
    const int64_t groups = random_below(3) ? 1 : 1 + random_below(3);
    fc_conv2d_desc *d = &t->desc;
    *d = (fc_conv2d_desc){
        .struct_size = sizeof *d,
        .dtype = random_below(2) ? FC_F32 : FC_F64,
        .direction = FC_FORWARD,
        .src_layout = FC_LAYOUT_STRIDED,
        .dst_layout = FC_LAYOUT_STRIDED,
        .algorithm = (int32_t)algorithm,
        .activation = (int32_t)pick((int64_t[]){FC_ACT_NONE, FC_ACT_RELU, FC_ACT_HARDSWISH}, 3),
        .has_bias = (int32_t)random_below(2),
        .has_residual = (int32_t)random_below(2),
        .n = 1 + random_below(3),
        .ic = groups * pick(channels, groups > 1 ? 6 : 13),
        .ih = 1 + random_below(9),
        .iw = pick(widths, 13),
        .oc = groups * pick(channels, groups > 1 ? 6 : 13),
        .kh = transforms ? square : pointwise ? 1 : 1 + random_below(4),
        .kw = transforms ? square : pointwise ? 1 : 1 + random_below(5),
        .stride_h = transforms ? 1 : 1 + random_below(3),
        .stride_w = transforms ? 1 : 1 + random_below(3),
        .dilation_h = transforms ? 1 : 1 + random_below(2),
        .dilation_w = transforms ? 1 : 1 + random_below(3),
        .groups = groups,
        .weights_strided = 1,
    };
    if (pointwise && random_below(8) == 0) /* sums in pieces; of short vectors they are long */
        d->ic = groups * (random_below(4) ? 300 + random_below(600)
                                          : 3100 + random_below(300));
    const bool deep = algorithm == FC_ALGO_DIRECT && random_below(16) == 0; /* and these */
    if (deep) {
        d->has_bias = 1, d->has_residual = 0; /* which tiles may finish in dst */
        d->n = 1, d->ic = groups * (1700 + random_below(300)), d->oc = groups * pick(channels, 3);
        d->kh = 4, d->kw = 5, d->ih = 1 + random_below(4), d->iw = 1 + random_below(9);
    }
    if (whole) d->kh = d->ih, d->kw = d->iw, d->dilation_h = d->dilation_w = 1;
    if (!pointwise && !whole) {
        d->pad_top = random_below(4), d->pad_bottom = random_below(4);
        d->pad_left = random_below(4), d->pad_right = random_below(4);
    }
    if (random_below(3) == 0 && algorithm != FC_ALGO_PLANAR) {
        d->border = (int32_t)random_below(FC_BORDER_COUNT);
        const int64_t less = d->border == FC_BORDER_REFLECT, any = d->border < FC_BORDER_REFLECT ||
                                                                  d->border == FC_BORDER_REPLICATE;
        const int64_t most_h = any ? 3 : d->ih - less, most_w = any ? 3 : d->iw - less;
        d->pad_top = fc_min64(d->pad_top, most_h), d->pad_bottom = fc_min64(d->pad_bottom, most_h);
        d->pad_left = fc_min64(d->pad_left, most_w), d->pad_right = fc_min64(d->pad_right, most_w);
    }
    if (transforms && d->border == FC_BORDER_ZEROS && random_below(3) == 0) {
        d->has_residual = 0; /* and no window lies on the border alone */
        d->dilation_h = fc_min64(d->ih, 1 + random_below(3));
        d->dilation_w = fc_min64(d->iw, 1 + random_below(5));
        const int64_t most_h = (d->kh - 1) * d->dilation_h, most_w = (d->kw - 1) * d->dilation_w;
        d->pad_top = fc_min64(d->pad_top, most_h), d->pad_bottom = fc_min64(d->pad_bottom, most_h);
        d->pad_left = fc_min64(d->pad_left, most_w), d->pad_right = fc_min64(d->pad_right, most_w);
    }
    int64_t room_h = d->ih + d->pad_top + d->pad_bottom - (d->kh - 1) * d->dilation_h - 1;
    int64_t room_w = d->iw + d->pad_left + d->pad_right - (d->kw - 1) * d->dilation_w - 1;
    if (room_h < 0 || room_w < 0) return false;
    t->oh = room_h / d->stride_h + 1;
    t->ow = room_w / d->stride_w + 1;
    const int64_t src[4] = {d->n, d->ic, d->ih, d->iw}, dst[4] = {d->n, d->oc, t->oh, t->ow};
    const int64_t weights[5] = {groups, d->oc / groups, d->ic / groups, d->kh, d->kw};
    set_layout(src, 4, (unsigned)random_below(16), d->src_stride, &t->src_origin, &t->src_span);
    int64_t none;
    set_layout(dst, 4, 0, d->dst_stride, &none, &t->dst_span);
    set_layout(weights, 5, (unsigned)random_below(32), d->weight_stride, &t->weight_origin,
               &t->weight_span);
    /* pixels side by side, rows and planes with gaps or in another order */
    while (algorithm == FC_ALGO_POINTWISE && d->dst_stride[3] != 1)
        set_layout(dst, 4, 0, d->dst_stride, &none, &t->dst_span);
    while (whole && d->oc > 1 && d->dst_stride[1] != 1) /* channels side by side */
        set_layout(dst, 4, 0, d->dst_stride, &none, &t->dst_span);
    if (random_below(4) == 0) {
        t->src_origin = 0;
        set_channels_last(src, d->src_stride, &t->src_span);
    }
    if (random_below(deep ? 1 : 3) == 0 && algorithm != FC_ALGO_POINTWISE)
        set_channels_last(dst, d->dst_stride, &t->dst_span);
    set_residual(t, dst);
    t->at_end = random_below(2);
    t->packed = random_below(2);
    t->threads = 1 + (int)random_below(4);
    return true;
}

/* ---- linear --------------------------------------------------------------------------------- */

static void run_linear(fc_dtype dtype, int64_t rows, int64_t in, int64_t out, bool packed,
                       int threads) {
    fc_linear_desc desc = {.struct_size = sizeof desc,
                           .dtype = (int32_t)dtype,
                           .activation = FC_ACT_RELU,
                           .has_bias = 1,
                           .rows = rows,
                           .in_features = in,
                           .out_features = out,
                           .src_row_stride = in + 3};
    const bool at_end = random_below(2);
    guarded src = integers((rows - 1) * desc.src_row_stride + in, dtype, at_end);
    guarded weights = integers(in * out, dtype, at_end), bias = integers(out, dtype, at_end);
    guarded dst = guarded_new((size_t)(rows * out) * fc_dtype_bytes(dtype), at_end);
    fc_plan *plan = NULL;
    CHECK(fc_linear_create(&desc, &plan) == FC_OK);
    fc_args args = {.struct_size = sizeof args,
                    .src = src.data,
                    .weights = weights.data,
                    .bias = bias.data,
                    .dst = dst.data};
    void *form = NULL;
    if (packed && fc_plan_packed_bytes(plan)) { /* deep layers read the weights where they lie */
        form = fc_pool_acquire(fc_plan_packed_bytes(plan));
        CHECK(fc_plan_pack(plan, weights.data, form, threads) == FC_OK);
        args.packed = form;
    }
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    int64_t wrong = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < out; o++) {
            double sum = get(bias.data, o, dtype);
            for (int64_t k = 0; k < in; k++)
                sum += get(src.data, r * desc.src_row_stride + k, dtype) *
                       get(weights.data, o * in + k, dtype);
            wrong += !(get(dst.data, r * out + o, dtype) == (sum > 0 ? sum : 0));
        }
    CHECK_AT(wrong == 0, "linear f%d %lldx%lld -> %lld packed %d threads %d",
             dtype == FC_F64 ? 64 : 32, (long long)rows, (long long)in, (long long)out, packed,
             threads);
    CHECK(guarded_intact(&dst));
    fc_pool_release(form);
    fc_plan_destroy(plan);
    guarded_free(&src), guarded_free(&weights), guarded_free(&bias), guarded_free(&dst);
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("conv");
    fc_test_all_threads = true;
    static const fc_algorithm algorithms[] = {FC_ALGO_DIRECT, FC_ALGO_1X1, FC_ALGO_IM2COL,
                                              FC_ALGO_PLANAR, FC_ALGO_POINTWISE,
                                              FC_ALGO_LINEAR,
                                              FC_ALGO_WINOGRAD_F2, FC_ALGO_WINOGRAD_F4,
                                              FC_ALGO_WINOGRAD_F6};
    for (int i = 0; i < 4500; i++) {
        conv_case t;
        if (random_conv(&t, algorithms[i % 9]) && check_share(i)) run_conv(&t);
    }
    static const int64_t sizes[] = {1, 2, 5, 14, 15, 31, 32, 33};
    static const int64_t depths[] = {1, 5, 32, 95, 96, 113, 1023, 1024, 1041, 2053};
    for (int i = 0; i < 120; i++)
        run_linear(i % 2 ? FC_F32 : FC_F64, pick(sizes, 8), pick(depths, 10), pick(sizes, 8),
                   random_below(2), 1 + (int)random_below(3));
    return check_summary("conv");
}
