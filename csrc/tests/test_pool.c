/* test_pool.c: pooling against naive loops.
 *
 * Sources hold small integers, here and there NaN and infinities, so that sums are exact and
 * results must be equal. The plan decides shape and algorithm; its driver is then run on a source,
 * scratch and result that lie against pages which may not be touched, all three filled with NaN
 * beforehand, gaps between source rows included; those of the result must stay as they are. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <math.h>

#include "../plan/plan.h"
#include "check.h"
#include "guarded.h"

static uint64_t random_state = 1;

static int64_t random_below(int64_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((random_state >> 33) % (uint64_t)n);
}

static int64_t pick(const int64_t *from, int64_t count) { return from[random_below(count)]; }
#define PICK(...)                                                                                  \
    pick((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

typedef enum values { INTEGERS, SPECIALS, NEGATIVES, REALS } values;
typedef enum form { DENSE, GAPS, REVERSED, CHANNELS_LAST, CHANNELS_APART, FORMS } form;
typedef enum target { PLANES, PIXELS, PIXELS_APART } target; /* dense NCHW or channels last */

typedef struct test_case {
    fc_pool2d_desc desc;
    values values;
    form form;
    target target;
    bool at_end;
    int threads;
} test_case;

static test_case pooling(fc_pool_kind kind, fc_dtype dtype, int64_t n, int64_t c, int64_t h,
                         int64_t w, int64_t k, int64_t stride, int64_t padding) {
    return (test_case){
        .desc = {.struct_size = sizeof(fc_pool2d_desc), .dtype = dtype, .direction = FC_FORWARD,
                 .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED, .kind = kind,
                 .count_include_pad = 1, .n = n, .c = c, .ih = h, .iw = w, .kh = k, .kw = k,
                 .pad_top = padding, .pad_bottom = padding, .pad_left = padding,
                 .pad_right = padding, .stride_h = stride, .stride_w = stride, .dilation_h = 1,
                 .dilation_w = 1},
        .at_end = true,
        .threads = 1,
    };
}

static double get(const void *array, int64_t i, int dtype) {
    return dtype == FC_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void set(void *array, int64_t i, int dtype, double value) {
    if (dtype == FC_F64)
        ((double *)array)[i] = value;
    else
        ((float *)array)[i] = (float)value;
}

static double random_value(values from) {
    if (from == REALS) return (double)random_below(1 << 24) / (1 << 22) - 2;
    if (from == SPECIALS && random_below(12) == 0) {
        const double specials[] = {(double)NAN, -(double)NAN, (double)INFINITY, -(double)INFINITY};
        return specials[random_below(4)];
    }
    return (double)(random_below(17) - (from == NEGATIVES ? 20 : 8));
}

/* ---- the naive mirror ----------------------------------------------------------------------- */

static int64_t out_size(int64_t in, int64_t before, int64_t after, int64_t k, int64_t stride,
                        int64_t dilation, bool ceil_mode) {
    int64_t room = in + before + after - dilation * (k - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    if (room < 0) return 0;
    int64_t out = room / stride + 1;
    return ceil_mode && (out - 1) * stride >= in + before ? out - 1 : out;
}

static void result_size(const fc_pool2d_desc *d, int64_t *oh, int64_t *ow) {
    *oh = d->adaptive ? d->oh
                      : out_size(d->ih, d->pad_top, d->pad_bottom, d->kh, d->stride_h, d->dilation_h,
                                 d->ceil_mode);
    *ow = d->adaptive ? d->ow
                      : out_size(d->iw, d->pad_left, d->pad_right, d->kw, d->stride_w, d->dilation_w,
                                 d->ceil_mode);
}

/* Where output (y, x)'s window begins, and its taps. */
typedef struct window {
    int64_t y, x, kh, kw;
} window;

static window window_of(const fc_pool2d_desc *d, int64_t y, int64_t x) {
    if (!d->adaptive)
        return (window){y * d->stride_h - d->pad_top, x * d->stride_w - d->pad_left, d->kh, d->kw};
    window w = {y * d->ih / d->oh, x * d->iw / d->ow, 0, 0};
    w.kh = ((y + 1) * d->ih + d->oh - 1) / d->oh - w.y;
    w.kw = ((x + 1) * d->iw + d->ow - 1) / d->ow - w.x;
    return w;
}

static double naive_max(const fc_pool2d_desc *d, const double *plane, int64_t y, int64_t x,
                        int64_t *index) {
    const window w = window_of(d, y, x);
    double best = -(double)INFINITY;
    *index = -1;
    for (int64_t a = 0; a < w.kh; a++)
        for (int64_t b = 0; b < w.kw; b++) {
            int64_t sy = w.y + a * d->dilation_h, sx = w.x + b * d->dilation_w;
            if (sy < 0 || sy >= d->ih || sx < 0 || sx >= d->iw) continue;
            double v = plane[sy * d->iw + sx];
            if (*index < 0 || v > best || isnan(v)) {
                best = v;
                *index = sy * d->iw + sx;
            }
        }
    return best;
}

static double naive_average(const fc_pool2d_desc *d, const double *plane, int64_t y, int64_t x) {
    const window w = window_of(d, y, x);
    double sum = 0;
    int64_t inside = 0, padded = 0;
    for (int64_t a = 0; a < w.kh; a++)
        for (int64_t b = 0; b < w.kw; b++) {
            int64_t sy = w.y + a, sx = w.x + b;
            if (sy < d->ih + d->pad_bottom && sx < d->iw + d->pad_right) padded++;
            if (sy < 0 || sy >= d->ih || sx < 0 || sx >= d->iw) continue;
            inside++;
            sum += plane[sy * d->iw + sx];
        }
    int64_t count = d->count_include_pad ? padded : inside;
    if (d->divisor_override) count = d->divisor_override;
    return d->dtype == FC_F64 ? sum / (double)count : (double)((float)sum / (float)count);
}

/* ---- one case ------------------------------------------------------------------------------- */

static void describe(const test_case *t, char *text, size_t size) {
    const fc_pool2d_desc *d = &t->desc;
    snprintf(text, size,
             "%s %s %s n%d c%d %dx%d k%dx%d s%dx%d p%d,%d,%d,%d d%dx%d ceil%d include%d "
             "override%d adaptive%dx%d values%d form%d target%d end%d threads%d",
             d->dtype == FC_F64 ? "f64" : "f32", d->kind == FC_POOL_MAX ? "max" : "avg",
             d->with_indices ? "indices" : "", (int)d->n, (int)d->c, (int)d->ih, (int)d->iw,
             (int)d->kh, (int)d->kw, (int)d->stride_h, (int)d->stride_w, (int)d->pad_top,
             (int)d->pad_bottom, (int)d->pad_left, (int)d->pad_right, (int)d->dilation_h,
             (int)d->dilation_w, d->ceil_mode, d->count_include_pad, (int)d->divisor_override,
             (int)d->oh, (int)d->ow, t->values, t->form, t->target, t->at_end, t->threads);
}

typedef struct pooled {
    guarded dst, indices;
    int64_t count;     /* of results */
    int64_t stride[4]; /* where they lie in dst */
} pooled;

/* Makes a source from `plain` (dense doubles), plans and executes. false: no result is due. */
static bool run(test_case *t, const double *plain, int expected_algorithm, pooled *result) {
    fc_pool2d_desc *d = &t->desc;
    char name[256];
    const int64_t bytes = d->dtype == FC_F64 ? 8 : 4;
    int64_t oh, ow;
    result_size(d, &oh, &ow);
    const int64_t row = d->iw + (t->form == GAPS ? 3 : 0), plane = row * d->ih + (t->form == GAPS);
    int64_t origin = 0, count = (d->n * d->c - 1) * plane + (d->ih - 1) * row + d->iw;
    d->src_stride[0] = plane * d->c, d->src_stride[1] = plane, d->src_stride[2] = row;
    d->src_stride[3] = 1;
    if (t->form == GAPS && d->c > 1) { /* channels outermost */
        d->src_stride[0] = plane;
        d->src_stride[1] = plane * d->n;
    }
    if (t->form == CHANNELS_LAST || t->form == CHANNELS_APART) {
        const int64_t pixel = d->c + (t->form == CHANNELS_APART ? 2 : 0);
        d->src_stride[0] = pixel * d->ih * d->iw, d->src_stride[1] = 1;
        d->src_stride[2] = pixel * d->iw, d->src_stride[3] = pixel;
        count = d->n * d->src_stride[0] - pixel + d->c;
    }
    if (t->form == REVERSED) {
        origin = count - d->iw;
        for (int i = 0; i < 3; i++) d->src_stride[i] = -d->src_stride[i];
    }
    describe(t, name, sizeof name);
    const int64_t gap = t->target == PIXELS_APART, pitch = d->c + 3 * gap, line = pitch * ow + 5 * gap;
    const int64_t pixels[4] = {line * oh + 7 * gap, 1, line, pitch};
    const int64_t planes[4] = {d->c * oh * ow, oh * ow, ow, 1};
    memcpy(result->stride, t->target == PLANES ? planes : pixels, sizeof planes);
    d->dst_strided = t->target != PLANES;
    memcpy(d->dst_stride, pixels, sizeof pixels);

    fc_plan *plan = NULL;
    fc_status status = fc_pool2d_create(d, &plan);
    if (oh == 0 || ow == 0) {
        CHECK_AT(status == FC_ERR_INVALID_SHAPE, "%s: %s", name, fc_status_str(status));
        return false;
    }
    if (!CHECK_AT(status == FC_OK, "%s: %s", name, fc_status_str(status))) return false;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    CHECK_AT(info.dst_shape[2] == oh && info.dst_shape[3] == ow, "%s", name);
    if (expected_algorithm)
        CHECK_AT(info.algorithm == expected_algorithm, "%s: %s", name,
                 fc_algorithm_name((fc_algorithm)info.algorithm));

    guarded src = guarded_new((size_t)(count * bytes), t->at_end);
    for (int64_t i = 0; i < d->n * d->c * d->ih; i++)
        for (int64_t x = 0; x < d->iw; x++)
            set(src.data,
                origin + i / (d->c * d->ih) * d->src_stride[0] +
                    i / d->ih % d->c * d->src_stride[1] + i % d->ih * d->src_stride[2] +
                    x * d->src_stride[3],
                d->dtype, plain[i * d->iw + x]);

    result->count = d->n * d->c * oh * ow;
    int64_t span = result->count;
    if (d->dst_strided) span = (d->n - 1) * pixels[0] + (oh - 1) * line + (ow - 1) * pitch + d->c;
    result->dst = guarded_new((size_t)(span * bytes), t->at_end);
    result->indices = guarded_new((size_t)result->count * 8, t->at_end);
    const fc_args args = {.struct_size = sizeof args, .src = src.data + origin * bytes,
                          .dst = result->dst.data,
                          .indices = d->with_indices ? (int64_t *)result->indices.data : NULL};
    const size_t scratch_bytes = plan->pool_driver->scratch_bytes(&plan->pool, t->threads);
    CHECK_AT(scratch_bytes % 64 == 0, "%s", name);
    guarded scratch = guarded_new(scratch_bytes, t->at_end);
    plan->pool_driver->execute(&plan->pool, &args, scratch.data, t->threads);
    CHECK_AT(guarded_intact(&result->dst), "%s: written beside dst", name);
    CHECK_AT(guarded_intact(&result->indices), "%s: written beside indices", name);
    CHECK_AT(guarded_intact(&scratch), "%s: written beside scratch", name);
    guarded_free(&scratch);
    guarded_free(&src);
    fc_plan_destroy(plan);
    return true;
}

static void pooled_free(pooled *r) {
    guarded_free(&r->dst);
    guarded_free(&r->indices);
}

static double *random_source(const test_case *t) {
    const fc_pool2d_desc *d = &t->desc;
    const int64_t count = d->n * d->c * d->ih * d->iw;
    double *plain = malloc((size_t)count * sizeof *plain);
    for (int64_t i = 0; i < count; i++) plain[i] = random_value(t->values);
    return plain;
}

static void check_case(test_case t, int expected_algorithm) {
    static long number;
    if (!check_share(number++)) return;
    const fc_pool2d_desc *d = &t.desc;
    double *plain = random_source(&t);
    pooled result;
    if (run(&t, plain, expected_algorithm, &result)) {
        char name[256];
        describe(&t, name, sizeof name);
        int64_t oh, ow;
        result_size(d, &oh, &ow);
        const int64_t map = oh * ow, bytes = d->dtype == FC_F64 ? 8 : 4;
        bool values_good = true, indices_good = true, gaps_good = true;
        for (int64_t i = 0; i < result.count; i++) {
            const double *plane = plain + i / map * d->ih * d->iw;
            int64_t index = -1, y = i % map / ow, x = i % map % ow;
            double want = d->kind == FC_POOL_MAX ? naive_max(d, plane, y, x, &index)
                                                 : naive_average(d, plane, y, x);
            const int64_t at = i / map / d->c * result.stride[0] + i / map % d->c * result.stride[1] +
                               y * result.stride[2] + x * result.stride[3];
            double got = get(result.dst.data, at, d->dtype);
            values_good = values_good && (got == want || (isnan(got) && isnan(want)));
            if (d->with_indices)
                indices_good = indices_good && ((int64_t *)result.indices.data)[i] == index;
            memset(result.dst.data + at * bytes, 0xff, (size_t)bytes);
        }
        for (size_t i = 0; i < result.dst.bytes; i++) gaps_good = gaps_good && result.dst.data[i] == 0xff;
        CHECK_AT(values_good, "%s: values", name);
        CHECK_AT(indices_good, "%s: indices", name);
        CHECK_AT(gaps_good, "%s: written between the results", name);
        pooled_free(&result);
    }
    free(plain);
}

/* What windows that cover the image in shares have none of. */
static void adapt(fc_pool2d_desc *d) {
    d->pad_top = d->pad_bottom = d->pad_left = d->pad_right = 0;
    d->dilation_h = d->dilation_w = 1;
    d->count_include_pad = 1;
}

/* ---- sweeps --------------------------------------------------------------------------------- */

static const fc_dtype dtypes[] = {FC_F32, FC_F64};
static const fc_pool_kind kinds[] = {FC_POOL_MAX, FC_POOL_AVG};

/* The usual windows on every width around the vectors of every tier. */
static void test_usual_windows(void) {
    const int64_t windows[][3] = {{2, 2, 0}, {3, 2, 0}, {3, 2, 1}, {3, 1, 1}, {2, 1, 0},
                                  {3, 3, 0}, {5, 1, 2}, {4, 4, 0}, {1, 2, 0}, {1, 1, 0}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int64_t w = 1; w <= 70; w++)
            for (int j = 0; j < 8; j++) {
                test_case t = pooling(kinds[j & 1], dtypes[j >> 1 & 1], 1, 3, 7, w, windows[i][0],
                                      windows[i][1], windows[i][2]);
                t.values = j & 4 ? SPECIALS : NEGATIVES;
                t.at_end = (w + j) % 3 != 0;
                t.desc.ceil_mode = (int32_t)(w & 1);
                check_case(t, 0);
            }
}

static void test_random_windows(int cases) {
    for (int i = 0; i < cases; i++) {
        /* one draw a statement: the order among a call's arguments is the compiler's */
        const fc_pool_kind kind = kinds[random_below(2)];
        const fc_dtype dtype = dtypes[random_below(2)];
        test_case t = pooling(kind, dtype, PICK(1, 1, 2), 1, 1, 1, 1, 1, 0);
        fc_pool2d_desc *d = &t.desc;
        d->c = PICK(1, 2, 3, 17);
        d->ih = PICK(1, 2, 3, 5, 7, 8, 14, 19);
        d->iw = PICK(1, 2, 3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 31, 32, 33, 47, 65);
        d->kh = 1 + random_below(5), d->kw = 1 + random_below(5);
        d->stride_h = 1 + random_below(4), d->stride_w = 1 + random_below(4);
        if (d->kind == FC_POOL_MAX)
            d->dilation_h = PICK(1, 1, 2, 3), d->dilation_w = PICK(1, 1, 2, 3);
        d->pad_top = random_below(d->kh / 2 + 1), d->pad_bottom = random_below(d->kh / 2 + 1);
        d->pad_left = random_below(d->kw / 2 + 1), d->pad_right = random_below(d->kw / 2 + 1);
        d->ceil_mode = (int32_t)random_below(2);
        d->count_include_pad = (int32_t)random_below(2);
        d->with_indices = d->kind == FC_POOL_MAX && random_below(3) == 0;
        if (d->kind == FC_POOL_AVG) d->divisor_override = PICK(0, 0, 0, 1, 4, 7, -3, -8);
        t.values = (values)random_below(3);
        t.form = (form)random_below(FORMS);
        t.at_end = random_below(4) != 0;
        t.threads = (int)PICK(1, 1, 3);
        if (t.form >= CHANNELS_LAST && random_below(4) == 0) d->c = PICK(16, 33, 70);
        const bool channels = t.form == CHANNELS_APART || (t.form == CHANNELS_LAST && d->c > 1);
        if (channels && !d->with_indices) {
            t.target = (target)random_below(3);
            d->adaptive = random_below(4) == 0;
            if (d->adaptive) d->oh = PICK(1, 2, 3, 7), d->ow = PICK(1, 2, 5, 9, 33);
            if (d->adaptive) adapt(d);
            if (random_below(8) == 0) { /* taller than the rows that are read side by side */
                d->ih = PICK(17, 33, 50, 71), d->kh = 17 + random_below(54);
                d->pad_top = random_below(d->kh / 2 + 1), d->pad_bottom = random_below(d->kh / 2 + 1);
            }
            fc_test_all_threads = random_below(8) == 0;
        }
        check_case(t, d->with_indices ? FC_ALGO_POOL_INDICES
                      : channels      ? FC_ALGO_POOL_CHANNELS
                                      : 0);
        fc_test_all_threads = false;
    }
}

/* Windows, strides and dilations beyond the image: neither time nor scratch follow them. */
static void test_huge_windows(void) {
    const int64_t far = INT64_C(1) << 24;
    for (int j = 0; j < 4; j++)
        for (int64_t w = 1; w <= 40; w += w < 5 ? 1 : 7) {
            /* kernels wider than the image and its border, by ceil_mode */
            test_case t = pooling(kinds[j & 1], dtypes[j >> 1], 1, 3, 4, w, 3, 1, 1);
            t.values = SPECIALS;
            t.desc.kw = 2 * w + 70, t.desc.pad_left = t.desc.pad_right = t.desc.kw / 2;
            check_case(t, FC_ALGO_POOL_ROWS);
            t.desc.kw = 200, t.desc.pad_left = 90, t.desc.pad_right = 0;
            t.desc.stride_w = 300, t.desc.ceil_mode = 1;
            t.desc.count_include_pad = w & 1;
            check_case(t, FC_ALGO_POOL_ROWS);
            t.desc.with_indices = t.desc.kind == FC_POOL_MAX;
            check_case(t, 0);
            t = pooling(FC_POOL_MAX, dtypes[j >> 1], 1, 3, 4, w, 2, 1, 1);
            t.desc.dilation_h = t.desc.dilation_w = far;
            t.desc.stride_h = t.desc.stride_w = far + 3, t.desc.ceil_mode = 1;
            t.desc.with_indices = j & 1;
            check_case(t, 0);
            t.desc.dilation_h = t.desc.dilation_w = 1;
            check_case(t, 0);
        }
    /* windows between whose taps the image fits: nothing to take */
    for (int j = 0; j < 4; j++) {
        test_case t = pooling(FC_POOL_MAX, dtypes[j & 1], 1, 2, 1, 1, 2, 1, 1);
        t.desc.dilation_h = t.desc.dilation_w = 2;
        t.desc.with_indices = j >> 1;
        check_case(t, 0);
        t = pooling(FC_POOL_MAX, dtypes[j & 1], 1, 2, 70, 70, 2, 1, 1);
        t.desc.dilation_h = t.desc.dilation_w = 71;
        t.desc.with_indices = j >> 1;
        check_case(t, 0);
        t.desc.dilation_w = 1;
        check_case(t, 0);
        t.desc.ih = t.desc.iw = 2;
        t.desc.dilation_w = t.desc.stride_w = 300, t.desc.ceil_mode = 1;
        t.desc.dilation_h = 1;
        check_case(t, 0);
    }
    const int64_t wide = INT64_C(1) << 40;
    const fc_pool2d_desc huge = {
        .struct_size = sizeof huge, .dtype = FC_F32, .direction = FC_FORWARD,
        .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED, .kind = FC_POOL_AVG,
        .n = 1, .c = 1, .ih = 3, .iw = 3, .kh = 1, .kw = wide, .pad_left = wide / 2,
        .pad_right = wide / 2, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1,
        .src_stride = {9, 9, 3, 1}};
    fc_plan *plan = NULL;
    if (CHECK(fc_pool2d_create(&huge, &plan) == FC_OK)) {
        const float src[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        float dst[12];
        const fc_args args = {.struct_size = sizeof args, .src = src, .dst = dst};
        CHECK(fc_plan_scratch_bytes(plan, 2, 0) < 65536);
        CHECK(fc_execute(plan, &args, 2) == FC_OK);
        CHECK(dst[0] == 2 && dst[1] == 2 && dst[4] == 5 && dst[8] == 8);
        fc_plan_destroy(plan);
    }
}

static void test_global(void) {
    for (int j = 0; j < 4; j++)
        for (int64_t h = 1; h <= 9; h += 2)
            for (int64_t w = 1; w <= 140; w += w < 70 ? 1 : 13) {
                test_case t = pooling(kinds[j & 1], dtypes[j >> 1], 1 + w % 2, PICK(1, 5, 16, 37),
                                      h, w, 1, 1, 0);
                t.desc.kh = h, t.desc.kw = w;
                t.desc.stride_h = h, t.desc.stride_w = w;
                if (t.desc.kind == FC_POOL_AVG) t.desc.divisor_override = PICK(0, 0, 3, -2);
                t.values = (values)random_below(3);
                t.form = (form)random_below(3);
                t.at_end = random_below(4) != 0;
                t.threads = (int)PICK(1, 3);
                check_case(t, FC_ALGO_POOL_GLOBAL);
            }
}

/* Lines of channels last that outgrow an eighth of any second-level cache of 4 MiB or less: they are cut
 * into tiles or into blocks of channels, or threads share few of them. */
static void test_wide_lines(void) {
    const struct {
        int64_t c, h, w, kh, kw, stride, pad, dilation, ow;
    } cases[] = {
        {50, 3, 2900, 3, 3, 2, 1, 1, 0},   {50, 3, 2900, 3, 3, 1, 1, 1, 0},
        {50, 2, 2900, 2, 2, 2, 0, 1, 0},   {50, 2, 2900, 2, 13, 1, 0, 1, 0},
        {50, 2, 2900, 1, 2, 1500, 0, 3, 0}, {50, 3, 2900, 3, 3, 1, 1, 1400, 0},
        {50, 3, 2900, 0, 0, 1, 0, 1, 17},  {50, 1, 2900, 0, 0, 1, 0, 1, 999},
        {50, 1, 2900, 1, 3, 2, 0, 1, 0},   {50, 20, 2900, 19, 2, 2, 0, 1, 0},
        {3400, 3, 43, 3, 3, 1, 1, 1, 0},   {3400, 3, 43, 3, 43, 1, 0, 1, 0},
        {3400, 20, 43, 20, 43, 1, 0, 1, 0}, {3400, 3, 43, 0, 0, 1, 0, 1, 4},
        {20, 2, 9, 2, 2, 1, 0, 1, 0},      {200, 5, 6, 3, 3, 1, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int j = 0; j < 6; j++) {
            test_case t = pooling(kinds[j & 1], dtypes[((int)i + j / 2) & 1], 1, cases[i].c, cases[i].h,
                                  cases[i].w, 1, cases[i].stride, 0);
            fc_pool2d_desc *d = &t.desc;
            d->kh = cases[i].kh, d->kw = cases[i].kw;
            if (d->kind == FC_POOL_MAX) d->dilation_w = cases[i].dilation;
            d->pad_top = d->pad_bottom = d->pad_left = d->pad_right = cases[i].pad;
            if (cases[i].ow) d->adaptive = 1, d->oh = 2, d->ow = cases[i].ow;
            d->ceil_mode = (int32_t)random_below(2);
            d->count_include_pad = d->adaptive || random_below(2);
            t.form = random_below(2) ? CHANNELS_LAST : CHANNELS_APART;
            t.target = (target)(j / 2);
            t.at_end = j % 3 != 0;
            t.values = SPECIALS;
            t.threads = 1 + (j + (int)i) % 4;
            check_case(t, FC_ALGO_POOL_CHANNELS);
        }
}

/* ---- the same bits, however cut ------------------------------------------------------------- */

static void check_threads(test_case t) {
    char name[256];
    describe(&t, name, sizeof name);
    const fc_pool2d_desc *d = &t.desc;
    t.values = REALS;
    double *plain = random_source(&t);
    pooled one, other;
    t.threads = 1;
    if (run(&t, plain, 0, &one)) {
        for (int threads = 2; threads <= 5; threads++) {
            t.threads = threads;
            if (!run(&t, plain, 0, &other)) continue;
            CHECK_AT(!memcmp(one.dst.data, other.dst.data, one.dst.bytes), "%s", name);
            if (d->with_indices)
                CHECK_AT(!memcmp(one.indices.data, other.indices.data, one.indices.bytes), "%s",
                         name);
            pooled_free(&other);
        }
        /* the last image alone */
        test_case last = t;
        last.desc.n = 1;
        if (run(&last, plain + (d->n - 1) * d->c * d->ih * d->iw, 0, &other)) {
            CHECK_AT(!memcmp(one.dst.data + (one.dst.bytes - other.dst.bytes), other.dst.data,
                             other.dst.bytes),
                     "%s: batch", name);
            pooled_free(&other);
        }
        pooled_free(&one);
    }
    free(plain);
}

static void test_threads(void) {
    for (int j = 0; j < 8; j++) {
        const fc_pool_kind kind = kinds[j & 1];
        const fc_dtype dtype = dtypes[j >> 1 & 1];
        test_case t = pooling(kind, dtype, 5, 19, 65, 61, 3, 2, 1);
        t.form = j & 4 ? GAPS : DENSE;
        check_threads(t);
        check_threads(pooling(kind, dtype, 2, 1, 501, 603, 3, 1, 1));
        check_threads(pooling(kind, dtype, 3, 1500, 7, 7, 3, 1, 1));
        t = pooling(kind, dtype, 3, 1001, 11, 13, 1, 1, 0);
        t.desc.kh = 11, t.desc.kw = 13;
        t.form = j & 4 ? GAPS : DENSE;
        check_threads(t);
        t = pooling(FC_POOL_MAX, dtype, 3, 19, 65, 61, 3, 2, 1);
        t.desc.with_indices = 1;
        check_threads(t);
        fc_test_all_threads = true;
        const int64_t shapes[][5] = {{3, 19, 65, 61, 3}, {2, 300, 7, 7, 7}, {2, 70, 2, 40, 2},
                                     {2, 40, 50, 9, 40}, {2, 60, 1, 700, 1}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const int64_t *s = shapes[i];
            t = pooling(kind, dtype, s[0], s[1], s[2], s[3], s[4], 1 + j % 2, 0);
            if (s[4] == 1) t.desc.kw = 5;
            t.form = j & 4 ? CHANNELS_LAST : CHANNELS_APART;
            for (int to = PLANES; to <= PIXELS_APART; to++) {
                t.target = (target)to;
                check_threads(t);
            }
        }
        fc_test_all_threads = false;
    }
}

/* Rounding: within what summing in any order may lose. */
static void test_rounding(void) {
    for (int j = 0; j < 4; j++) {
        test_case t = pooling(FC_POOL_AVG, dtypes[j & 1], 1, 2, 33, 47, 5, 2, 1);
        if (j & 2) {
            t.desc.kh = t.desc.ih, t.desc.kw = t.desc.iw;
            t.desc.pad_top = t.desc.pad_bottom = t.desc.pad_left = t.desc.pad_right = 0;
        }
        t.values = REALS;
        const fc_pool2d_desc *d = &t.desc;
        double *plain = random_source(&t);
        pooled result;
        if (run(&t, plain, j & 2 ? FC_ALGO_POOL_GLOBAL : FC_ALGO_POOL_ROWS, &result)) {
            const int64_t map = result.count / 2;
            const int64_t ow = out_size(d->iw, d->pad_left, d->pad_right, d->kw, 2, 1, false);
            const double unit = d->dtype == FC_F64 ? 0x1p-53 : 0x1p-24;
            for (int64_t i = 0; i < result.count; i++) {
                double want = naive_average(d, plain + i / map * d->ih * d->iw, i % map / ow,
                                            i % map % ow);
                /* values are below 2 */
                double bound = 2 * unit * (double)(d->kh * d->kw + 2);
                CHECK_AT(fabs(get(result.dst.data, i, d->dtype) - want) <= bound, "%d", j);
            }
            pooled_free(&result);
        }
        free(plain);
    }
}

static void test_refusals(void) {
    for (int j = 0; j < 4; j++) {
        test_case t = pooling(FC_POOL_MAX, FC_F32, 1, 1, 6, 6, j == 1 ? 6 : 2, 2, 0);
        t.desc.with_indices = j == 2;
        t.desc.src_stride[0] = t.desc.src_stride[1] = 36;
        t.desc.src_stride[2] = 6, t.desc.src_stride[3] = 1;
        if (j == 3) t.desc.src_stride[1] = 1, t.desc.src_stride[2] = 12, t.desc.src_stride[3] = 2;
        const int algorithm[] = {FC_ALGO_POOL_ROWS, FC_ALGO_POOL_GLOBAL, FC_ALGO_POOL_INDICES,
                                 FC_ALGO_POOL_CHANNELS};
        fc_plan *plan = NULL;
        if (!CHECK(fc_pool2d_create(&t.desc, &plan) == FC_OK)) continue;
        fc_plan_info info = {.struct_size = sizeof info};
        fc_plan_query(plan, &info);
        CHECK(info.algorithm == algorithm[j] && info.reason && !info.refusal[algorithm[j]]);
        for (int i = 0; i < 4; i++) CHECK(i == j || info.refusal[algorithm[i]]);
        fc_plan_destroy(plan);
    }
}

/* Channels last is written from channels last alone, forward, and without indices. */
static void test_refused_targets(void) {
    test_case t = pooling(FC_POOL_MAX, FC_F32, 2, 3, 6, 5, 2, 2, 0);
    const int64_t src[4] = {90, 1, 15, 3}, dst[4] = {18, 1, 6, 3};
    fc_pool2d_desc good = t.desc;
    good.dst_strided = 1;
    memcpy(good.src_stride, src, sizeof src), memcpy(good.dst_stride, dst, sizeof dst);
    fc_plan *plan = NULL;
    for (int j = 0; j < 9; j++) {
        fc_pool2d_desc d = good;
        fc_status expected = FC_ERR_UNSUPPORTED;
        if (j == 0) expected = FC_OK;
        if (j == 1) d.with_indices = 1;
        if (j == 2) d.kind = FC_POOL_LP, d.norm = 2, d.src_stride[3] = 1;
        if (j == 3) d.src_stride[1] = 30, d.src_stride[2] = 5, d.src_stride[3] = 1;
        if (j == 4) d.dst_stride[1] = 2;
        if (j == 5) d.dst_strided = 2, expected = FC_ERR_INVALID_ARGUMENT;
        if (j == 6) d.dst_stride[0] = INT64_MAX / 2, expected = FC_ERR_OVERFLOW;
        if (j == 7) d.dst_strided = 0, d.dst_stride[1] = 2, expected = FC_OK; /* not looked at */
        if (j == 8) d.src_stride[3] = 1; /* pixels that overlap, or columns side by side */
        const fc_status status = fc_pool2d_create(&d, &plan);
        CHECK_AT(status == expected, "%d: %s", j, fc_status_str(status));
        fc_plan_destroy(plan);
    }
    good.kind = FC_POOL_AVG;
    CHECK(fc_pool2d_gradient_create(&good, &plan) == FC_ERR_UNSUPPORTED);
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("test_pool");
    test_refusals();
    test_refused_targets();
    test_usual_windows();
    test_random_windows(12000);
    test_huge_windows();
    test_global();
    test_wide_lines();
    test_threads();
    test_rounding();
    return check_summary("test_pool");
}
