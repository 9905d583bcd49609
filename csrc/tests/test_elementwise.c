/* test_elementwise.c: activations and softmax, through the public interface and so on whichever
 * tier is in use, against libm in long double; memory ends at pages that may not be touched. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <float.h>
#include <math.h>

#include "../base/status.h"
#include "check.h"
#include "guarded.h"

static uint64_t random_state = 1;

static uint64_t random_bits(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 11;
}
static double random_unit(void) { return (double)random_bits() * 0x1p-53; }

static const fc_dtype dtypes[] = {FC_F32, FC_F64};

static double get(const void *array, int64_t i, fc_dtype dtype) {
    return dtype == FC_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void set(void *array, int64_t i, fc_dtype dtype, double value) {
    if (dtype == FC_F64)
        ((double *)array)[i] = value;
    else
        ((float *)array)[i] = (float)value;
}

/* A value of the type; some over the range, some near 0, some of any size. */
static double random_value(fc_dtype dtype, double limit) {
    double v;
    switch (random_bits() % 4) {
    case 0:
        v = (2 * random_unit() - 1) * limit;
        break;
    case 1:
        v = (2 * random_unit() - 1) * 25;
        break;
    case 2:
        v = 2 * random_unit() - 1;
        break;
    default:
        v = 1 + random_unit();
        v = ldexp(v, (int)(random_bits() % 130) - 123);
        if (random_bits() & 1) v = -v;
    }
    return dtype == FC_F64 ? v : (double)(float)v;
}

/* Distance in units in the last place of the type at `want`. */
static double ulps(double got, long double want, fc_dtype dtype) {
    if (isnan(got) || isnan((double)want)) return isnan(got) && isnan((double)want) ? 0 : 1e30;
    if (isinf(got) || isinf((double)want)) return got == (double)want ? 0 : 1e30;
    int exponent;
    frexpl(want, &exponent);
    exponent = dtype == FC_F64 ? (exponent < -1021 ? -1021 : exponent) - 53
                               : (exponent < -125 ? -125 : exponent) - 24;
    return (double)(fabsl((long double)got - want) / ldexpl(1, exponent));
}

/* ---- activations ---------------------------------------------------------------------------- */

static void activate(int activation, fc_dtype dtype, const void *src, void *dst, int64_t count,
                     int threads) {
    fc_unary_desc desc = {.struct_size = sizeof desc, .dtype = dtype,
                          .activation = activation, .count = count};
    if (activation == FC_ACT_LEAKY_RELU) desc.alpha = 0.25;
    if (activation == FC_ACT_ELU) desc.alpha = 1;
    if (activation == FC_ACT_SOFTPLUS) desc.alpha = 1, desc.beta = 20;
    fc_plan *plan = NULL;
    if (!CHECK(fc_unary_create(&desc, &plan) == FC_OK)) return;
    const fc_args args = {.struct_size = sizeof args, .src = src, .dst = dst};
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    fc_plan_destroy(plan);
}

static long double exact(int activation, long double x) {
    switch (activation) {
    case FC_ACT_RELU:
        return x < 0 ? 0 : x;
    case FC_ACT_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case FC_ACT_SIGMOID:
        return 1 / (1 + expl(-x));
    case FC_ACT_TANH:
        return tanhl(x);
    case FC_ACT_SILU:
        return x / (1 + expl(-x));
    case FC_ACT_HARDSIGMOID:
        return fminl(fmaxl(x + 3, 0), 6) / 6;
    case FC_ACT_HARDSWISH:
        return x * fminl(fmaxl(x + 3, 0), 6) / 6;
    case FC_ACT_GELU:
        return x * erfcl(-x / sqrtl(2)) / 2;
    case FC_ACT_GELU_TANH:
        return x / (1 + expl(-sqrtl(8 / acosl(-1)) * (x + 0.044715L * x * x * x)));
    case FC_ACT_LEAKY_RELU:
        return x > 0 ? x : x / 4;
    case FC_ACT_ELU:
        return x > 0 ? x : expm1l(x);
    case FC_ACT_SOFTPLUS:
        return x > 20 ? x : log1pl(expl(x));
    default:
        return x;
    }
}

/* Units in the last place that a result for x may be off: where the argument of an exponential is
 * rounded, the tail's relative error grows with that argument. */
static double allowed(int activation, double x) {
    static const double bound[FC_ACT_COUNT] = {
        [FC_ACT_SIGMOID] = 3, [FC_ACT_TANH] = 4,      [FC_ACT_SILU] = 4, [FC_ACT_HARDSIGMOID] = 2,
        [FC_ACT_GELU] = 8,    [FC_ACT_GELU_TANH] = 6, [FC_ACT_ELU] = 4,  [FC_ACT_HARDSWISH] = 3,
        [FC_ACT_SOFTPLUS] = 6};
    if (activation == FC_ACT_GELU) return bound[activation] + x * x;
    if (activation == FC_ACT_GELU_TANH)
        return bound[activation] + 4 * 1.6 * fabs(x) * (1 + 0.045 * x * x);
    /* next to its zero at -3 it is what rounding x + 3 leaves */
    if (activation == FC_ACT_HARDSIGMOID || activation == FC_ACT_HARDSWISH)
        return bound[activation] + (fabs(x + 3) < 3 ? 6 / fabs(x + 3) : 0);
    return bound[activation];
}

static void test_accuracy(fc_dtype dtype) {
    enum { COUNT = 400000 };
    const double smallest = dtype == FC_F64 ? DBL_MIN : (double)FLT_MIN;
    void *src = malloc(COUNT * 8), *dst = malloc(COUNT * 8), *mirror = malloc(COUNT * 8);
    for (int64_t i = 0; i < COUNT; i++)
        set(src, i, dtype, random_value(dtype, dtype == FC_F64 ? 720 : 90));
    for (int a = FC_ACT_NONE; a < FC_ACT_COUNT; a++) {
        double worst = 0, where = 0;
        activate(a, dtype, src, dst, COUNT, 1);
        for (int64_t i = 0; i < COUNT; i++) {
            double x = get(src, i, dtype), got = get(dst, i, dtype);
            long double want = exact(a, (long double)x);
            /* subnormal results may be flushed, and what is x times a subnormal number */
            const double factor = a >= FC_ACT_SILU && a <= FC_ACT_GELU_TANH ? 1 + fabs(x) : 1;
            if (got == 0 && fabsl(want) < (long double)(smallest * factor)) continue;
            double error = ulps(got, want, dtype) - allowed(a, x);
            if (error > worst || i == 0) worst = error, where = x;
        }
        CHECK_AT(worst <= 0, "activation %d dtype %d: %.3f ulp beyond its bound at %a", a, dtype,
                 worst, where);
        printf("activation %d, %s: %.3f ulp from its bound at %a\n", a,
               dtype == FC_F64 ? "f64" : "f32", -worst, where);
    }
    for (int64_t i = 0; i < COUNT; i++) set(mirror, i, dtype, -get(src, i, dtype));
    activate(FC_ACT_TANH, dtype, mirror, mirror, COUNT, 1);
    bool odd = true;
    activate(FC_ACT_TANH, dtype, src, dst, COUNT, 1);
    for (int64_t i = 0; i < COUNT; i++) odd = odd && get(mirror, i, dtype) == -get(dst, i, dtype);
    CHECK_AT(odd, "tanh is odd, dtype %d", dtype);
    free(src);
    free(dst);
    free(mirror);
}

static void test_special_values(fc_dtype dtype) {
    const double inf = (double)INFINITY, nan = (double)NAN;
    const double big = dtype == FC_F64 ? DBL_MAX : (double)FLT_MAX;
    const double in[] = {0.0, -0.0, inf, -inf, nan, big, -big, 6, 7, -3, 1};
    enum { COUNT = sizeof in / sizeof *in };
    const double out[FC_ACT_COUNT][COUNT] = {
        [FC_ACT_NONE] = {0.0, -0.0, inf, -inf, nan, big, -big, 6, 7, -3, 1},
        [FC_ACT_RELU] = {0.0, 0.0, inf, 0, nan, big, 0, 6, 7, 0, 1},
        [FC_ACT_RELU6] = {0.0, 0.0, 6, 0, nan, 6, 0, 6, 6, 0, 1},
        [FC_ACT_SIGMOID] = {0.5, 0.5, 1, 0, nan, 1, 0},
        [FC_ACT_TANH] = {0.0, -0.0, 1, -1, nan, 1, -1},
        [FC_ACT_SILU] = {0.0, 0.0, inf, nan, nan, big, 0},
        [FC_ACT_HARDSIGMOID] = {0.5, 0.5, 1, 0, nan, 1, 0},
        [FC_ACT_HARDSWISH] = {0.0, 0.0, inf, nan, nan, big, 0},
        [FC_ACT_GELU] = {0.0, 0.0, inf, nan, nan, big, 0},
        [FC_ACT_GELU_TANH] = {0.0, 0.0, inf, nan, nan, big, 0},
        [FC_ACT_LEAKY_RELU] = {0.0, 0.0, inf, -inf, nan, big, -big / 4},
        [FC_ACT_ELU] = {0.0, 0.0, inf, -1, nan, big, -1},
    };
    /* in every lane of a vector and in its tail */
    for (int a = FC_ACT_NONE; a < FC_ACT_SOFTPLUS; a++) /* which has ln 2 where others have 0 */
        for (int v = 0; v < (a >= FC_ACT_SIGMOID ? 7 : COUNT); v++) {
            double src[35], dst[35];
            for (int i = 0; i < 35; i++) set(src, i, dtype, in[v]);
            activate(a, dtype, src, dst, 35, 1);
            for (int i = 0; i < 35; i++) {
                double got = get(dst, i, dtype), want = out[a][v];
                CHECK_AT(isnan(want) ? isnan(got) : got == want, "activation %d of %g gives %g", a,
                         in[v], got);
                if (a == FC_ACT_TANH && want == 0)
                    CHECK_AT(!signbit(got) == !signbit(want), "tanh keeps the sign of zero");
            }
        }
}

/* Every length around the vectors, in place and not; lanes do not meet. */
static void test_lengths(fc_dtype dtype) {
    const size_t bytes = fc_dtype_bytes(dtype);
    for (int64_t count = 1; count <= 150; count++)
        for (int a = FC_ACT_NONE; a < FC_ACT_COUNT; a++) {
            guarded src = guarded_new((size_t)count * bytes, count & 1);
            guarded dst = guarded_new((size_t)count * bytes, count & 1);
            for (int64_t i = 0; i < count; i++)
                set(src.data, i, dtype, random_bits() % 9 ? random_value(dtype, 10) : (double)NAN);
            activate(a, dtype, src.data, dst.data, count, 1);
            bool good = guarded_intact(&dst);
            for (int64_t i = 0; i < count; i++) {
                double alone[1], x = get(src.data, i, dtype), got = get(dst.data, i, dtype);
                activate(a, dtype, src.data + (size_t)i * bytes, alone, 1, 1);
                double one = get(alone, 0, dtype);
                good = good && (isnan(x) ? isnan(got) : got == one);
            }
            CHECK_AT(good, "activation %d, %d elements", a, (int)count);
            activate(a, dtype, src.data, src.data, count, 1);
            CHECK_AT(!memcmp(src.data, dst.data, src.bytes), "activation %d in place, %d", a,
                     (int)count);
            guarded_free(&src);
            guarded_free(&dst);
        }
}

static void test_threads(fc_dtype dtype) {
    const int64_t count = 1000003;
    const size_t bytes = (size_t)count * fc_dtype_bytes(dtype);
    void *src = malloc(bytes), *one = malloc(bytes);
    for (int64_t i = 0; i < count; i++) set(src, i, dtype, random_value(dtype, 10));
    for (int a = FC_ACT_NONE; a < FC_ACT_COUNT; a++) {
        activate(a, dtype, src, one, count, 1);
        for (int threads = 2; threads <= 5; threads++) {
            guarded other = guarded_new(bytes, true);
            activate(a, dtype, src, other.data, count, threads);
            CHECK_AT(!memcmp(one, other.data, bytes), "activation %d, %d threads", a, threads);
            guarded_free(&other);
        }
    }
    free(src);
    free(one);
}

/* ---- softmax -------------------------------------------------------------------------------- */

static void softmax(fc_dtype dtype, int64_t outer, int64_t length, int64_t inner, const void *src,
                    void *dst, int threads) {
    const fc_softmax_desc desc = {.struct_size = sizeof desc, .dtype = dtype, .outer = outer,
                                  .length = length, .inner = inner};
    fc_plan *plan = NULL;
    if (!CHECK(fc_softmax_create(&desc, &plan) == FC_OK)) return;
    const fc_args args = {.struct_size = sizeof args, .src = src, .dst = dst};
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    fc_plan_destroy(plan);
}

/* e^x alone: next to a 0 its quotient by e^0, itself when it is too small to show in the sum. */
static void test_exponential(fc_dtype dtype) {
    enum { COUNT = 200000 };
    const double smallest = dtype == FC_F64 ? DBL_MIN : (double)FLT_MIN;
    const double limit = dtype == FC_F64 ? 750 : 110, digits = dtype == FC_F64 ? -38 : -18;
    void *src = malloc(COUNT * 16), *dst = malloc(COUNT * 16);
    for (int64_t i = 0; i < COUNT; i++) {
        set(src, 2 * i, dtype, -random_unit() * (i % 4 ? limit : 2));
        set(src, 2 * i + 1, dtype, 0);
    }
    softmax(dtype, COUNT, 2, 1, src, dst, 1);
    double worst_alone = 0, worst_ratio = 0;
    for (int64_t i = 0; i < COUNT; i++) {
        double x = get(src, 2 * i, dtype), got = get(dst, 2 * i, dtype);
        long double want = expl((long double)x);
        if (want < (long double)smallest) {
            CHECK_AT(got >= 0 && got <= smallest, "exp(%a) gives %a", x, got);
        } else if (x < digits) {
            worst_alone = fmax(worst_alone, ulps(got, want, dtype));
        } else {
            double ratio = got / get(dst, 2 * i + 1, dtype);
            worst_ratio = fmax(worst_ratio, ulps(ratio, want, dtype));
        }
    }
    CHECK_AT(worst_alone <= 1.5, "exp, dtype %d: %.3f ulp", dtype, worst_alone);
    CHECK_AT(worst_ratio <= 4, "exp, dtype %d: %.3f ulp in quotients", dtype, worst_ratio);
    printf("exp, %s: %.3f ulp\n", dtype == FC_F64 ? "f64" : "f32", worst_alone);
    free(src);
    free(dst);
}

static void check_softmax(fc_dtype dtype, int64_t outer, int64_t length, int64_t inner,
                          double spread) {
    const int64_t count = outer * length * inner;
    const size_t bytes = (size_t)count * fc_dtype_bytes(dtype);
    const double unit = dtype == FC_F64 ? 0x1p-53 : 0x1p-24;
    guarded src = guarded_new(bytes, count & 1), dst = guarded_new(bytes, count & 1);
    for (int64_t i = 0; i < count; i++)
        set(src.data, i, dtype, (2 * random_unit() - 1) * spread + 100 * (double)(i % inner % 7));
    softmax(dtype, outer, length, inner, src.data, dst.data, 1);
    bool good = guarded_intact(&dst);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t x = 0; x < inner; x++) {
            const int64_t at = o * length * inner + x;
            long double sum = 0, most = -(long double)INFINITY;
            for (int64_t l = 0; l < length; l++)
                most = fmaxl(most, (long double)get(src.data, at + l * inner, dtype));
            for (int64_t l = 0; l < length; l++)
                sum += expl((long double)get(src.data, at + l * inner, dtype) - most);
            for (int64_t l = 0; l < length; l++) {
                long double x1 = (long double)get(src.data, at + l * inner, dtype);
                long double want = expl(x1 - most) / sum;
                long double error =
                    fabsl((long double)get(dst.data, at + l * inner, dtype) - want);
                /* of x - max, the exponential, the sum and the quotient */
                long double bound = want * (long double)unit *
                                        (8 + (long double)length + fabsl(x1 - most)) +
                                    1e-37L;
                good = good && error <= bound;
            }
        }
    CHECK_AT(good, "softmax dtype %d of %d x %d x %d", dtype, (int)outer, (int)length, (int)inner);
    guarded in_place = guarded_new(bytes, true);
    memcpy(in_place.data, src.data, bytes);
    softmax(dtype, outer, length, inner, in_place.data, in_place.data, 1);
    CHECK_AT(!memcmp(in_place.data, dst.data, bytes), "softmax in place");
    guarded_free(&in_place);
    guarded_free(&src);
    guarded_free(&dst);
}

static void test_softmax(fc_dtype dtype) {
    for (int64_t length = 1; length <= 70; length++) check_softmax(dtype, 3, length, 1, 10);
    for (int64_t inner = 2; inner <= 70; inner++) check_softmax(dtype, 2, 5, inner, 10);
    check_softmax(dtype, 1, 1000, 1, 30);
    check_softmax(dtype, 2, 1000, 3, 30);
    check_softmax(dtype, 2, 3, 700, 5);
    check_softmax(dtype, 1, 1, 37, 5);
}

/* One bad element spoils its row or column and no other. */
static void test_softmax_special_values(fc_dtype dtype) {
    const double bad[] = {(double)NAN, -(double)NAN, (double)INFINITY};
    const int64_t shape[][2] = {{1, 1}, {7, 1}, {16, 1}, {33, 1}, {100, 1}, {5, 19}, {3, 100}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        const int64_t length = shape[s][0], inner = shape[s][1], count = 2 * length * inner;
        double src[1000], dst[1000];
        for (int64_t at = 0; at < count; at += 1 + count / 37)
            for (int b = 0; b < 3; b++) {
                for (int64_t i = 0; i < count; i++) set(src, i, dtype, (double)(i % 5));
                set(src, at, dtype, bad[b]);
                softmax(dtype, 2, length, inner, src, dst, 1);
                bool good = true;
                for (int64_t i = 0; i < count; i++) {
                    bool spoilt = i / (length * inner) == at / (length * inner) &&
                                  i % inner == at % inner;
                    good = good && spoilt == !!isnan(get(dst, i, dtype));
                }
                CHECK_AT(good, "softmax of %d x %d with %g at %d", (int)length, (int)inner, bad[b],
                         (int)at);
            }
        /* -Inf alone weighs nothing; nothing but -Inf has no softmax */
        for (int64_t i = 0; i < count; i++)
            set(src, i, dtype, i < inner * (length - 1) ? -(double)INFINITY : 1);
        softmax(dtype, 2, length, inner, src, dst, 1);
        CHECK(get(dst, inner * (length - 1), dtype) == 1);
        CHECK(length == 1 || get(dst, 0, dtype) == 0);
        for (int64_t i = 0; i < count; i++) set(src, i, dtype, -(double)INFINITY);
        softmax(dtype, 2, length, inner, src, dst, 1);
        CHECK(isnan(get(dst, 0, dtype)) && isnan(get(dst, count - 1, dtype)));
    }
}

static void test_softmax_threads(fc_dtype dtype) {
    const int64_t shapes[][3] = {{3000, 37, 1}, {4, 19, 2100}, {3, 2000, 65}, {2, 100000, 1}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t *n = shapes[s], count = n[0] * n[1] * n[2];
        const size_t bytes = (size_t)count * fc_dtype_bytes(dtype);
        void *src = malloc(bytes), *one = malloc(bytes), *other = malloc(bytes);
        for (int64_t i = 0; i < count; i++) set(src, i, dtype, random_value(dtype, 10));
        softmax(dtype, n[0], n[1], n[2], src, one, 1);
        for (int threads = 2; threads <= 5; threads++) {
            softmax(dtype, n[0], n[1], n[2], src, other, threads);
            CHECK_AT(!memcmp(one, other, bytes), "softmax %d, %d threads", (int)s, threads);
        }
        /* the last outer index alone */
        const size_t part = bytes / (size_t)n[0];
        softmax(dtype, 1, n[1], n[2], (char *)src + bytes - part, other, 1);
        CHECK_AT(!memcmp((char *)one + bytes - part, other, part), "softmax %d, batch", (int)s);
        free(src);
        free(one);
        free(other);
    }
    /* a column is the same among others and with few of them */
    enum { LENGTH = 50, WIDE = 300, NARROW = 2 };
    double *wide = malloc(LENGTH * WIDE * 8), *narrow = malloc(LENGTH * NARROW * 8);
    for (int i = 0; i < LENGTH * WIDE; i++) set(wide, i, dtype, random_value(dtype, 10));
    for (int x = 0; x + NARROW <= WIDE; x += 41) {
        double *all = malloc(LENGTH * WIDE * 8);
        for (int l = 0; l < LENGTH; l++)
            for (int k = 0; k < NARROW; k++)
                set(narrow, l * NARROW + k, dtype, get(wide, l * WIDE + x + k, dtype));
        softmax(dtype, 1, LENGTH, WIDE, wide, all, 1);
        softmax(dtype, 1, LENGTH, NARROW, narrow, narrow, 1);
        bool same = true;
        for (int l = 0; l < LENGTH; l++)
            for (int k = 0; k < NARROW; k++)
                same = same && get(all, l * WIDE + x + k, dtype) ==
                                   get(narrow, l * NARROW + k, dtype);
        CHECK_AT(same, "column %d", x);
        free(all);
    }
    free(wide);
    free(narrow);
}

/* More classes than memory could hold, also where a sum with them would overflow. */
static void test_too_many_classes(fc_dtype dtype) {
    const int64_t most[] = {INT64_MAX, INT64_MAX - 2, INT64_C(1) << 60};
    for (int i = 0; i < 3; i++) {
        fc_cross_entropy_desc d = {.struct_size = sizeof d, .dtype = (int32_t)dtype, .outer = 1,
                                   .classes = most[i], .inner = 1};
        fc_plan *plan = NULL;
        CHECK(fc_cross_entropy_create(&d, &plan) == FC_ERR_OVERFLOW && !plan);
    }
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("test_elementwise");
    for (int i = 0; i < 2; i++) {
        test_accuracy(dtypes[i]);
        test_special_values(dtypes[i]);
        test_lengths(dtypes[i]);
        test_threads(dtypes[i]);
        test_exponential(dtypes[i]);
        test_softmax(dtypes[i]);
        test_softmax_special_values(dtypes[i]);
        test_softmax_threads(dtypes[i]);
        test_too_many_classes(dtypes[i]);
    }
    return check_summary("test_elementwise");
}
