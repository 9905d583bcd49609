/* fuzz_plan.c: any bytes as a descriptor of any operation. `create` must give a status and never
 * crash; what it accepts, if it is small, is executed on buffers of exactly the size it needs, with
 * one thread, with three, and with packed weights: the same bits each time, and nothing written when
 * the status is an error. AddressSanitizer and UBSan watch (make -C csrc fuzz).
 *
 * LLVMFuzzerTestOneInput is what libFuzzer and AFL++ call; main() below, which needs neither, draws
 * seeded bytes. A mismatch prints the operation and aborts. */
#include "../driver/driver.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_BYTES (1 << 20) /* of an operand that is executed */

static uint64_t accepted[32], executed[32], refused[32];

/* ---- bytes into numbers ------------------------------------------------------------------------ */

typedef struct feed {
    const uint8_t *at, *end;
} feed;

static uint8_t take(feed *b) { return b->at < b->end ? *b->at++ : 0; }

/* Mostly from `low` to `high`; sometimes anything. */
static int64_t number(feed *b, int64_t low, int64_t high) {
    static const int64_t nasty[] = {0,         -1,        INT64_MIN, INT64_MAX,
                                    INT32_MAX, INT32_MIN, 1LL << 40, (1LL << 58) + 1,
                                    1LL << 31, 255,       -3,        1LL << 62};
    uint8_t first = take(b);
    if (first == 255) return nasty[take(b) % (sizeof nasty / sizeof *nasty)];
    return low + first % (high - low + 1);
}

static int32_t small(feed *b, int32_t low, int32_t high) {
    return (int32_t)number(b, low, high);
}

/* Strides of `rank` axes: dense, channels last, or with gaps and backwards. */
static void strides(feed *b, const int64_t *size, int rank, bool backwards, int64_t *stride) {
    const uint8_t how = take(b);
    int64_t step = how % 5 == 4 ? 2 : 1;
    for (int i = rank - 1; i >= 0; i--) {
        const int axis = how % 3 == 1 && rank == 4 ? (i == 3 ? 1 : i == 0 ? 0 : i + 1) : i;
        stride[axis] = backwards && (how >> (3 + axis) & 1) ? -step : step;
        if (__builtin_mul_overflow(step, size[axis] > 0 ? size[axis] : 1, &step)) step = 1;
    }
    if (how == 254) stride[take(b) % rank] = number(b, -9, 99);
}

/* ---- operands ---------------------------------------------------------------------------------- */

/* The elements that strides reach: how many from the lowest, and where the origin is among them.
 * False where that is too much to be tried. */
static bool reach(const int64_t *size, const int64_t *stride, int rank, int64_t *span,
                  int64_t *origin) {
    int64_t low = 0, high = 0;
    for (int i = 0; i < rank; i++) {
        int64_t far;
        if (size[i] < 1) {
            *span = 1, *origin = 0;
            return true;
        }
        if (__builtin_mul_overflow(size[i] - 1, stride[i], &far) || far > MOST_BYTES ||
            far < -MOST_BYTES)
            return false;
        *(far < 0 ? &low : &high) += far;
    }
    *span = high - low + 1;
    *origin = -low;
    return *span <= MOST_BYTES / 8;
}

typedef struct operand {
    char *block;
    char *at;
} operand;

static void set(void *p, int64_t i, int32_t dtype, double value) {
    if (dtype == FC_F64)
        ((double *)p)[i] = value;
    else
        ((float *)p)[i] = (float)value;
}

static operand numbers(int32_t dtype, int64_t count, int64_t origin) {
    const size_t bytes = dtype == FC_F64 ? 8 : 4;
    operand o = {.block = malloc((size_t)count * bytes)};
    for (int64_t i = 0; i < count; i++) set(o.block, i, dtype, (double)(i * 7 % 9 - 4));
    o.at = o.block + (size_t)origin * bytes;
    return o;
}

static void fail(const char *what, const fc_plan_info *info) {
    fprintf(stderr, "fuzz: %s: op %d %s f%d\n", what, info->op,
            fc_algorithm_name((fc_algorithm)info->algorithm), info->dtype == FC_F64 ? 64 : 32);
    abort();
}

/* Runs an accepted plan in every way; dst_count elements from the origin of dst on. */
static void run(fc_plan *plan, fc_args *args, int64_t dst_span, int64_t dst_origin, bool indices,
                fc_status expected) {
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    const size_t bytes = (size_t)dst_span * (info.dtype == FC_F64 ? 8 : 4);
    char *dst[3];
    int64_t *places[3];
    void *packed = NULL;
    for (int way = 0; way < 3; way++) {
        dst[way] = malloc(bytes);
        memset(dst[way], 0x5a, bytes);
        places[way] = indices ? calloc((size_t)dst_span, sizeof(int64_t)) : NULL;
        args->struct_size = sizeof *args;
        args->dst = dst[way] + (size_t)dst_origin * (info.dtype == FC_F64 ? 8 : 4);
        if (indices) args->indices = places[way];
        const size_t form = way == 2 ? fc_plan_packed_bytes(plan) : 0;
        if (form) {
            packed = aligned_alloc(64, (form + 63) / 64 * 64);
            if (fc_plan_pack(plan, args->weights, packed, 2) != FC_OK) fail("pack", &info);
            args->packed = packed;
        }
        fc_status status = fc_execute(plan, args, way == 1 ? 3 : 1);
        if (status != expected) fail(fc_status_str(status), &info);
        if (memcmp(dst[0], dst[way], bytes)) fail(way == 1 ? "threads differ" : "packed differs", &info);
        if (indices && memcmp(places[0], places[way], (size_t)dst_span * sizeof(int64_t)))
            fail("indices differ", &info);
    }
    for (size_t i = 0; expected != FC_OK && i < bytes; i++)
        if (dst[0][i] != 0x5a) fail("written in spite of an error", &info);
    for (int way = 0; way < 3; way++) free(dst[way]), free(places[way]);
    free(packed);
    executed[info.op]++;
}

/* ---- operations -------------------------------------------------------------------------------- */

static void fuzz_conv(feed *b, bool transpose) {
    fc_conv2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD};
    fc_conv_transpose2d_desc t = {.struct_size = sizeof t};
    d.dtype = small(b, 1, 2), d.src_layout = d.dst_layout = FC_LAYOUT_STRIDED;
    d.algorithm = small(b, 0, FC_ALGO_DEPTHWISE + 1), d.activation = small(b, 0, 9);
    if (d.algorithm == FC_ALGO_DEPTHWISE + 1) d.algorithm = FC_ALGO_POINTWISE;
    d.has_bias = take(b) & 1, d.has_residual = !transpose && take(b) & 1;
    d.border = transpose ? 0 : small(b, 0, 3), d.weights_strided = take(b) & 1;
    d.groups = number(b, 1, 3);
    const int64_t icg = number(b, 1, 20), ocg = number(b, 1, 35);
    if (__builtin_mul_overflow(icg, d.groups, &d.ic)) d.ic = icg;
    if (__builtin_mul_overflow(ocg, d.groups, &d.oc)) d.oc = ocg;
    d.n = number(b, 0, 2), d.ih = number(b, 1, 12), d.iw = number(b, 1, 20);
    d.kh = number(b, 1, 5), d.kw = number(b, 1, 5);
    d.pad_top = number(b, 0, 3), d.pad_bottom = number(b, 0, 3);
    d.pad_left = number(b, 0, 3), d.pad_right = number(b, 0, 3);
    d.stride_h = number(b, 1, 3), d.stride_w = number(b, 1, 3);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 3);
    const int prepared = take(b);
    d.weights_prepared = prepared == 255 ? 2 : prepared & 1;
    if (take(b) == 255) d.struct_size--;
    const int64_t src[4] = {d.n, d.ic, d.ih, d.iw};
    const int64_t outer = transpose ? icg : ocg, inner = transpose ? ocg : icg;
    const int64_t taps[5] = {d.groups, outer, inner, d.kh, d.kw};
    strides(b, src, 4, true, d.src_stride);
    strides(b, taps, 5, true, d.weight_stride);
    /* the result's size is the engine's to say: ask with dense strides first */
    for (int i = 0; i < 4; i++) d.dst_stride[i] = 1;
    fc_plan *plan = NULL;
    fc_status status;
    if (transpose) {
        t.dtype = d.dtype, t.activation = d.activation, t.has_bias = d.has_bias;
        t.weights_strided = d.weights_strided, t.n = d.n, t.ic = d.ic, t.ih = d.ih, t.iw = d.iw;
        t.oc = d.oc, t.kh = d.kh, t.kw = d.kw, t.groups = d.groups, t.precision = d.precision;
        t.struct_size -= d.struct_size != sizeof d;
        t.pad_top = d.pad_top, t.pad_bottom = d.pad_bottom;
        t.pad_left = d.pad_left, t.pad_right = d.pad_right;
        t.stride_h = d.stride_h, t.stride_w = d.stride_w;
        t.dilation_h = d.dilation_h, t.dilation_w = d.dilation_w;
        t.output_pad_h = number(b, 0, 1), t.output_pad_w = number(b, 0, 1);
        memcpy(t.src_stride, d.src_stride, sizeof t.src_stride);
        memcpy(t.weight_stride, d.weight_stride, sizeof t.weight_stride);
        memcpy(t.dst_stride, d.dst_stride, sizeof t.dst_stride);
        status = fc_conv_transpose2d_create(&t, &plan);
    } else {
        status = fc_conv2d_create(&d, &plan);
    }
    const int op = transpose ? FC_OP_CONV_TRANSPOSE2D : FC_OP_CONV2D;
    if (status != FC_OK) {
        refused[op]++;
        return;
    }
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    fc_plan_destroy(plan);
    plan = NULL;
    accepted[op]++;
    int64_t span[3], origin[3];
    strides(b, info.dst_shape, 4, false, d.dst_stride);
    memcpy(t.dst_stride, d.dst_stride, sizeof t.dst_stride);
    status = transpose ? fc_conv_transpose2d_create(&t, &plan) : fc_conv2d_create(&d, &plan);
    if (status != FC_OK) return;
    if (!d.weights_strided)
        for (int64_t i = 4, step = 1; i >= 0; i--) d.weight_stride[i] = step, step *= taps[i];
    if (reach(src, d.src_stride, 4, &span[0], &origin[0]) &&
        reach(taps, d.weight_stride, 5, &span[1], &origin[1]) &&
        reach(info.dst_shape, d.dst_stride, 4, &span[2], &origin[2]) && info.flops < 20000000 &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span[0], origin[0]), w = numbers(d.dtype, span[1], origin[1]);
        operand bias = numbers(d.dtype, d.oc, 0);
        operand residual = numbers(d.dtype, (int64_t)(info.dst_bytes / 4) + 1, 0);
        fc_args args = {.src = x.at, .weights = w.at, .bias = bias.at, .residual = residual.at};
        /* elements that meet (a stride drawn at random) may be written in any order */
        bool nested = true;
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                if (i != j && info.dst_shape[i] > 1 && info.dst_shape[j] > 1 &&
                    d.dst_stride[i] >= d.dst_stride[j] &&
                    d.dst_stride[i] < d.dst_stride[j] * info.dst_shape[j])
                    nested = false;
        for (int i = 0; i < 4; i++) nested = nested && d.dst_stride[i] > 0;
        if (nested) run(plan, &args, span[2], origin[2], false, FC_OK);
        free(x.block), free(w.block), free(bias.block), free(residual.block);
    }
    fc_plan_destroy(plan);
}

static void fuzz_weight_gradient(feed *b) {
    fc_conv2d_weight_gradient_desc d = {.struct_size = sizeof d};
    d.dtype = small(b, 1, 2), d.border = small(b, 0, 3), d.transposed = take(b) % 8 == 0;
    d.groups = number(b, 1, 3);
    const int64_t icg = number(b, 1, 20), ocg = number(b, 1, 70);
    if (__builtin_mul_overflow(icg, d.groups, &d.ic)) d.ic = icg;
    if (__builtin_mul_overflow(ocg, d.groups, &d.oc)) d.oc = ocg;
    d.n = number(b, 0, 3), d.ih = number(b, 1, 12), d.iw = number(b, 1, 40);
    d.kh = number(b, 1, 5), d.kw = number(b, 1, 5);
    d.pad_top = number(b, 0, 3), d.pad_bottom = number(b, 0, 3);
    d.pad_left = number(b, 0, 3), d.pad_right = number(b, 0, 3);
    d.stride_h = number(b, 1, 3), d.stride_w = number(b, 1, 3);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 3);
    if (d.transposed) d.kh = d.kw = d.groups = 1;
    const uint8_t plain = take(b);
    if (plain % 3 == 0) d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 0;
    const int64_t src[4] = {d.n, d.ic, d.ih, d.iw};
    strides(b, src, 4, true, d.src_stride);
    int64_t diff[4] = {d.n, d.oc, 1, 1};
    /* sizes of the result as far as the numbers are small; of others `create` is to refuse most */
    if (d.ih < 100 && d.iw < 100 && d.pad_top + d.pad_bottom + d.pad_left + d.pad_right < 100 &&
        d.stride_h > 0 && d.stride_w > 0 && d.kh < 100 && d.kw < 100 && d.dilation_h < 100 &&
        d.dilation_w < 100) {
        diff[2] = (d.ih + d.pad_top + d.pad_bottom - (d.kh - 1) * d.dilation_h - 1) / d.stride_h + 1;
        diff[3] = (d.iw + d.pad_left + d.pad_right - (d.kw - 1) * d.dilation_w - 1) / d.stride_w + 1;
    }
    strides(b, diff, 4, true, d.diff_dst_stride);
    fc_plan *plan = NULL;
    if (fc_conv2d_weight_gradient_create(&d, &plan) != FC_OK) {
        refused[FC_OP_CONV2D_WEIGHT_GRADIENT]++;
        return;
    }
    accepted[FC_OP_CONV2D_WEIGHT_GRADIENT]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span[2], origin[2];
    const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
    if (d.ih < 100 && d.iw < 100 && d.stride_h < 100 && d.stride_w < 100 &&
        reach(src, d.src_stride, 4, &span[0], &origin[0]) &&
        reach(diff, d.diff_dst_stride, 4, &span[1], &origin[1]) && count < MOST_BYTES / 8 &&
        info.flops < 20000000 && fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span[0], origin[0]), g = numbers(d.dtype, span[1], origin[1]);
        fc_args args = {.src = x.at, .diff_dst = g.at};
        run(plan, &args, count, 0, false, FC_OK);
        free(x.block), free(g.block);
    }
    fc_plan_destroy(plan);
}

static void fuzz_channel_sums(feed *b) {
    fc_channel_sums_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2)};
    d.n = number(b, 0, 3), d.c = number(b, 1, 90), d.h = number(b, 1, 9), d.w = number(b, 1, 40);
    const int64_t src[4] = {d.n, d.c, d.h, d.w};
    strides(b, src, 4, true, d.src_stride);
    fc_plan *plan = NULL;
    if (fc_channel_sums_create(&d, &plan) != FC_OK) {
        refused[FC_OP_CHANNEL_SUMS]++;
        return;
    }
    accepted[FC_OP_CHANNEL_SUMS]++;
    int64_t span, origin;
    if (reach(src, d.src_stride, 4, &span, &origin) && d.c < 1000 &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        run(plan, &args, d.c, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

/* A gradient, whose operands are dense: if it was made, it is run. */
static void run_gradient(fc_plan *plan, fc_status status, fc_op op, int32_t dtype) {
    if (status != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    if (info.src_bytes < MOST_BYTES && info.dst_bytes < MOST_BYTES && info.flops < 20000000 &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        const int64_t item = dtype == FC_F64 ? 8 : 4;
        const int64_t in = (int64_t)info.src_bytes / item, out = (int64_t)info.dst_bytes / item;
        operand x = numbers(dtype, in ? in : 1, 0), input = numbers(dtype, out ? out : 1, 0);
        fc_args args = {.src = x.at, .input = input.at, .result = x.at};
        run(plan, &args, out ? out : 1, 0, false, FC_OK);
        free(x.block), free(input.block);
    }
    fc_plan_destroy(plan);
}

static void fuzz_pool(feed *b) {
    fc_pool2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD};
    d.dtype = small(b, 1, 2), d.src_layout = d.dst_layout = FC_LAYOUT_STRIDED;
    d.kind = small(b, 1, 3), d.ceil_mode = take(b) & 1, d.count_include_pad = take(b) & 1;
    d.with_indices = take(b) % 4 == 0, d.adaptive = take(b) % 4 == 0;
    d.norm = d.kind == FC_POOL_LP ? (double)number(b, 1, 3) : 0;
    d.n = number(b, 0, 2), d.c = number(b, 1, 5), d.ih = number(b, 1, 20), d.iw = number(b, 1, 40);
    d.kh = number(b, 1, 5), d.kw = number(b, 1, 5);
    d.pad_top = number(b, 0, 2), d.pad_bottom = number(b, 0, 2);
    d.pad_left = number(b, 0, 2), d.pad_right = number(b, 0, 2);
    d.stride_h = number(b, 1, 4), d.stride_w = number(b, 1, 4);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 2);
    if (d.kind != FC_POOL_MAX) d.dilation_h = d.dilation_w = 1;
    d.divisor_override = take(b) % 8 ? 0 : number(b, -3, 3);
    if (d.adaptive) d.oh = number(b, 1, 9), d.ow = number(b, 1, 50);
    const int64_t src[4] = {d.n, d.c, d.ih, d.iw};
    strides(b, src, 4, true, d.src_stride);
    const uint8_t order = take(b);
    if (order % 4) d.src_stride[3] = 1;
    if (order % 4 == 0 && order) d.src_stride[1] = 1; /* channels last; 0: neither */
    fc_pool2d_desc dense = d;
    dense.src_stride[3] = 1;
    for (int i = 0; i < 3; i++) dense.src_stride[i] = 0; /* not looked at */
    fc_plan *gradient = NULL;
    const fc_status status = fc_pool2d_gradient_create(&dense, &gradient);
    run_gradient(gradient, status, FC_OP_POOL2D_GRADIENT, d.dtype);
    fc_plan *plan = NULL;
    if (fc_pool2d_create(&d, &plan) != FC_OK) {
        refused[FC_OP_POOL2D]++;
        return;
    }
    accepted[FC_OP_POOL2D]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span, origin;
    if (reach(src, d.src_stride, 4, &span, &origin) && info.dst_bytes < MOST_BYTES &&
        info.flops < 20000000 && fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, d.with_indices, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

static void fuzz_pad(feed *b) {
    fc_pad_desc d = {.struct_size = sizeof d};
    d.dtype = small(b, 1, 2), d.border = small(b, 0, 3), d.rank = small(b, 1, 8), d.value = 2;
    for (int i = 0; i < FC_PAD_RANK; i++) {
        const bool used = i + (int64_t)d.rank >= FC_PAD_RANK;
        d.size[i] = used ? number(b, 1, 5) : 1;
        d.before[i] = used ? number(b, -1, 3) : 0;
        d.after[i] = used ? number(b, -1, 3) : 0;
    }
    strides(b, d.size, FC_PAD_RANK, true, d.src_stride);
    fc_plan *gradient = NULL;
    const fc_status status = fc_pad_gradient_create(&d, &gradient);
    run_gradient(gradient, status, FC_OP_PAD_GRADIENT, d.dtype);
    fc_plan *plan = NULL;
    if (fc_pad_create(&d, &plan) != FC_OK) {
        refused[FC_OP_PAD]++;
        return;
    }
    accepted[FC_OP_PAD]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span, origin;
    if (reach(d.size, d.src_stride, FC_PAD_RANK, &span, &origin) && info.dst_bytes < MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

static void fuzz_unfold(feed *b, bool fold) {
    fc_unfold_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2)};
    d.n = number(b, 0, 2), d.c = number(b, 1, 4), d.ih = number(b, 1, 12), d.iw = number(b, 1, 20);
    d.kh = number(b, 1, 4), d.kw = number(b, 1, 4), d.pad_h = number(b, 0, 2), d.pad_w = number(b, 0, 2);
    d.stride_h = number(b, 1, 3), d.stride_w = number(b, 1, 3);
    d.dilation_h = number(b, 1, 2), d.dilation_w = number(b, 1, 2);
    const int64_t image[4] = {d.n, d.c, d.ih, d.iw};
    strides(b, image, 4, true, d.src_stride);
    fc_plan *plan = NULL;
    const int op = fold ? FC_OP_FOLD : FC_OP_UNFOLD;
    if ((fold ? fc_fold_create(&d, &plan) : fc_unfold_create(&d, &plan)) != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span = (int64_t)(info.src_bytes / (d.dtype == FC_F64 ? 8 : 4)), origin = 0;
    if ((fold ? span < MOST_BYTES / 8 : reach(image, d.src_stride, 4, &span, &origin)) &&
        info.dst_bytes < MOST_BYTES) {
        operand x = numbers(d.dtype, span ? span : 1, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

static void fuzz_interpolate(feed *b) {
    fc_interpolate_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2)};
    d.mode = small(b, 1, 4), d.doubling = take(b) & 1;
    d.n = number(b, 0, 2), d.c = number(b, 1, 3), d.ih = number(b, 1, 12), d.iw = number(b, 1, 30);
    d.oh = number(b, 1, 20), d.ow = number(b, 1, 60);
    d.scale_h = (double)number(b, 0, 64) / 16, d.scale_w = (double)number(b, 0, 64) / 16;
    const int64_t image[4] = {d.n, d.c, d.ih, d.iw};
    strides(b, image, 4, true, d.src_stride);
    d.src_stride[3] = 1;
    fc_plan *gradient = NULL;
    const fc_status status = fc_interpolate_gradient_create(&d, &gradient);
    run_gradient(gradient, status, FC_OP_INTERPOLATE_GRADIENT, d.dtype);
    fc_plan *plan = NULL;
    if (fc_interpolate_create(&d, &plan) != FC_OK) {
        refused[FC_OP_INTERPOLATE]++;
        return;
    }
    accepted[FC_OP_INTERPOLATE]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    int64_t span, origin;
    if (reach(image, d.src_stride, 4, &span, &origin) && info.dst_bytes < MOST_BYTES) {
        operand x = numbers(d.dtype, span, origin);
        fc_args args = {.src = x.at};
        const int64_t count = (int64_t)(info.dst_bytes / (d.dtype == FC_F64 ? 8 : 4));
        run(plan, &args, count ? count : 1, 0, false, FC_OK);
        free(x.block);
    }
    fc_plan_destroy(plan);
}

/* Operations on dense arrays of `count` elements, with up to `numbers` operands of `extra`. */
static void run_dense(fc_plan *plan, int op, int32_t dtype, int64_t count, int64_t extra) {
    fc_plan_info info = {.struct_size = sizeof info};
    accepted[op]++;
    fc_plan_query(plan, &info);
    if (count <= MOST_BYTES / 8 && extra <= MOST_BYTES / 8 && info.dst_bytes < MOST_BYTES &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        operand x = numbers(dtype, count ? count : 1, 0), w = numbers(dtype, extra ? extra : 1, 0);
        operand sums = numbers(dtype, 3 * extra + 1, 0);
        char *const sum = sums.at;
        const int64_t channels = extra * (dtype == FC_F64 ? 8 : 4);
        fc_args args = {.src = x.at, .diff_dst = x.at, .weights = w.at, .bias = w.at, .mean = w.at,
                        .variance = w.at, .channel_dst = {sum, sum + channels, sum + 2 * channels}};
        const int64_t results = (int64_t)(info.dst_bytes / (dtype == FC_F64 ? 8 : 4));
        run(plan, &args, results ? results : 1, 0, false, FC_OK);
        free(x.block), free(w.block), free(sums.block);
    }
    fc_plan_destroy(plan);
}

static bool product(int64_t *out, const int64_t *sizes, int count) {
    *out = 1;
    for (int i = 0; i < count; i++)
        if (sizes[i] < 0 || __builtin_mul_overflow(*out, sizes[i], out)) return false;
    return true;
}

static void fuzz_dense(feed *b, fc_op op) {
    const int32_t dtype = small(b, 1, 2), activation = small(b, 0, 12);
    const int64_t size[3] = {number(b, 0, 4), number(b, 1, 40), number(b, 1, 70)};
    int64_t count;
    fc_plan *plan = NULL;
    fc_status status = FC_ERR_UNSUPPORTED;
    const bool countable = product(&count, size, 3);
    const bool unary = op == FC_OP_UNARY || op == FC_OP_UNARY_GRADIENT;
    int64_t extra = unary ? 1 : size[1];
    if (unary) {
        fc_unary_desc d = {.struct_size = sizeof d, .dtype = dtype, .activation = activation};
        d.count = countable ? count : number(b, 0, 9);
        if (activation >= FC_ACT_LEAKY_RELU) d.alpha = (double)number(b, -2, 2);
        if (activation == FC_ACT_SOFTPLUS) d.beta = 20;
        status = op == FC_OP_UNARY ? fc_unary_create(&d, &plan) : fc_unary_gradient_create(&d, &plan);
        count = d.count;
    } else if (op == FC_OP_SOFTMAX || op == FC_OP_SOFTMAX_GRADIENT) {
        fc_softmax_desc d = {.struct_size = sizeof d, .dtype = dtype, .logarithm = take(b) & 1,
                             .outer = size[0], .length = size[1], .inner = size[2]};
        status =
            op == FC_OP_SOFTMAX ? fc_softmax_create(&d, &plan) : fc_softmax_gradient_create(&d, &plan);
    } else if (op == FC_OP_CHANNELWISE) {
        fc_channelwise_desc d = {.struct_size = sizeof d, .dtype = dtype, .kind = small(b, 1, 2),
                                 .outer = size[0], .channels = size[1], .inner = size[2]};
        d.has_weights = d.kind == 2 || take(b) & 1, d.has_bias = d.kind == 1 && take(b) & 1;
        d.activation = d.kind == 1 ? activation : 0, d.epsilon = d.kind == 1 ? 5 : 0;
        status = fc_channelwise_create(&d, &plan);
    } else if (op == FC_OP_CHANNEL_GRADIENT) {
        fc_channel_gradient_desc d = {.struct_size = sizeof d, .dtype = dtype, .kind = small(b, 1, 4),
                                      .outer = size[0], .channels = size[1], .inner = size[2]};
        d.has_weights = d.kind == 4 || take(b) & 1, d.has_bias = d.kind == 1 && take(b) & 1;
        d.activation = d.kind == 1 ? activation : 0, d.epsilon = 5;
        status = fc_channel_gradient_create(&d, &plan);
    } else if (op == FC_OP_LRN || op == FC_OP_LRN_GRADIENT) {
        fc_lrn_desc d = {.struct_size = sizeof d, .dtype = dtype, .alpha = 1, .beta = 0.75, .k = 1,
                         .outer = size[0], .channels = size[1], .inner = size[2]};
        d.size = number(b, 1, 9), d.before = number(b, 0, 4);
        status = op == FC_OP_LRN ? fc_lrn_create(&d, &plan) : fc_lrn_gradient_create(&d, &plan);
    } else if (op == FC_OP_LINEAR) {
        fc_linear_desc d = {.struct_size = sizeof d, .dtype = dtype, .activation = activation,
                            .has_bias = take(b) & 1, .rows = size[0], .in_features = size[1],
                            .out_features = size[2], .src_row_stride = size[1]};
        status = fc_linear_create(&d, &plan);
        if (status == FC_OK) count = size[0] * size[1], extra = size[1] * size[2];
    }
    if (status == FC_OK)
        run_dense(plan, (int)op, dtype, count, extra);
    else
        refused[op]++;
}

static void fuzz_cross_entropy(feed *b) {
    fc_cross_entropy_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2),
                               .diff_src = take(b) & 1, .reduction = small(b, 0, 2),
                               .has_weights = take(b) & 1, .ignored = number(b, -2, 2),
                               .outer = number(b, 0, 4), .classes = number(b, 1, 40),
                               .inner = number(b, 1, 70)};
    d.smoothing = (double)number(b, 0, 4) / 4;
    fc_plan *plan = NULL;
    if (fc_cross_entropy_create(&d, &plan) != FC_OK) {
        refused[FC_OP_CROSS_ENTROPY]++;
        return;
    }
    accepted[FC_OP_CROSS_ENTROPY]++;
    const int64_t positions = d.outer * d.inner, logits = positions * d.classes;
    if (logits < MOST_BYTES / 8 && positions < MOST_BYTES / 16) {
        operand x = numbers(d.dtype, logits, 0), w = numbers(d.dtype, d.classes, 0);
        operand saved = numbers(d.dtype, 2 * positions, 0), grad = numbers(d.dtype, positions, 0);
        int64_t *target = malloc((size_t)positions * sizeof *target);
        fc_status expected = FC_OK;
        const int64_t top = d.classes - 1 < 250 ? d.classes - 1 : 250;
        for (int64_t i = 0; i < positions; i++) {
            target[i] = top > 0 ? take(b) % top : 0;
            if (i == 3 && (take(b) & 15) == 0) target[i] = number(b, -2, d.classes);
            if ((target[i] < 0 || target[i] >= d.classes) && target[i] != d.ignored)
                expected = FC_ERR_INVALID_ARGUMENT;
        }
        fc_args args = {.src = x.at, .weights = w.at, .saved = saved.at, .diff_dst = grad.at,
                        .indices = target};
        const int64_t losses = d.reduction == FC_REDUCTION_NONE ? positions : 1;
        run(plan, &args, d.diff_src ? logits : losses, 0, false, expected);
        free(x.block), free(w.block), free(saved.block), free(grad.block), free(target);
    }
    fc_plan_destroy(plan);
}

/* Unpooling, its gradient, and that of maxima, for which -1 is an index too. */
static void fuzz_unpool(feed *b) {
    fc_unpool_desc d = {.struct_size = sizeof d, .dtype = small(b, 1, 2), .planes = number(b, 0, 4),
                        .src_plane = number(b, 1, 30), .dst_plane = number(b, 1, 60)};
    static const fc_op ops[] = {FC_OP_UNPOOL, FC_OP_UNPOOL_GRADIENT, FC_OP_MAX_POOL_GRADIENT};
    const int which = small(b, 0, 2);
    const fc_op op = ops[which];
    fc_plan *plan = NULL;
    const fc_status made = which == 0   ? fc_unpool_create(&d, &plan)
                           : which == 1 ? fc_unpool_gradient_create(&d, &plan)
                                        : fc_max_pool_gradient_create(&d, &plan);
    if (made != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    if (info.src_bytes < MOST_BYTES && info.dst_bytes < MOST_BYTES) {
        const int64_t count = d.planes * d.src_plane, item = d.dtype == FC_F64 ? 8 : 4;
        const int64_t in = (int64_t)info.src_bytes / item, out = (int64_t)info.dst_bytes / item;
        operand x = numbers(d.dtype, in ? in : 1, 0);
        int64_t *indices = malloc((size_t)(count ? count : 1) * sizeof *indices);
        fc_status expected = FC_OK;
        for (int64_t i = 0; i < count; i++) {
            indices[i] = number(b, which == 2 ? -1 : 0, d.dst_plane - 1 < 200 ? d.dst_plane - 1 : 200);
            if (indices[i] < (which == 2 ? -1 : 0) || indices[i] >= d.dst_plane)
                expected = FC_ERR_INVALID_ARGUMENT;
        }
        fc_args args = {.src = x.at, .indices = indices};
        run(plan, &args, out ? out : 1, 0, false, expected);
        free(indices), free(x.block);
    }
    fc_plan_destroy(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool ready;
    if (!ready && fc_init() != FC_OK) abort();
    ready = fc_test_all_threads = true;
    feed b = {data, data + size};
    const fc_op op = (fc_op)(1 + take(&b) % (FC_OP_COUNT - 1));
    switch (op) { /* no default: a new operation must be given its own bytes */
    case FC_OP_CONV2D: fuzz_conv(&b, false); break;
    case FC_OP_CONV_TRANSPOSE2D: fuzz_conv(&b, true); break;
    case FC_OP_CONV2D_WEIGHT_GRADIENT: fuzz_weight_gradient(&b); break;
    case FC_OP_CHANNEL_SUMS: fuzz_channel_sums(&b); break;
    case FC_OP_POOL2D:
    case FC_OP_POOL2D_GRADIENT: fuzz_pool(&b); break;
    case FC_OP_PAD:
    case FC_OP_PAD_GRADIENT: fuzz_pad(&b); break;
    case FC_OP_UNFOLD: fuzz_unfold(&b, false); break;
    case FC_OP_FOLD: fuzz_unfold(&b, true); break;
    case FC_OP_INTERPOLATE:
    case FC_OP_INTERPOLATE_GRADIENT: fuzz_interpolate(&b); break;
    case FC_OP_UNPOOL:
    case FC_OP_UNPOOL_GRADIENT:
    case FC_OP_MAX_POOL_GRADIENT: fuzz_unpool(&b); break;
    case FC_OP_LINEAR:
    case FC_OP_UNARY:
    case FC_OP_SOFTMAX:
    case FC_OP_CHANNELWISE:
    case FC_OP_LRN:
    case FC_OP_UNARY_GRADIENT:
    case FC_OP_CHANNEL_GRADIENT:
    case FC_OP_LRN_GRADIENT:
    case FC_OP_SOFTMAX_GRADIENT: fuzz_dense(&b, op); break;
    case FC_OP_CROSS_ENTROPY: fuzz_cross_entropy(&b); break;
    case FC_OP_COUNT: break;
    }
    return 0;
}

#ifndef FC_LIBFUZZER
int main(int argc, char **argv) {
    const long runs = argc > 1 ? atol(argv[1]) : 10000;
    uint64_t state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (long i = 0; i < runs; i++) {
        uint8_t data[160];
        for (size_t k = 0; k < sizeof data; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            data[k] = (uint8_t)(state >> 56);
        }
        LLVMFuzzerTestOneInput(data, sizeof data);
    }
    static const char *const names[] = {"",        "conv2d",         "pool2d",      "linear",
                                        "unary",   "softmax",        "transposed",  "channelwise",
                                        "lrn",     "unpool",         "pad",         "unfold",
                                        "fold",    "interpolate",    "weight'",     "sums",
                                        "pool2d'", "max_pool'",      "unpool'",     "pad'",
                                        "interpolate'", "unary'",    "channels'",   "lrn'",
                                        "softmax'", "cross_entropy"};
    for (int op = 1; op < FC_OP_COUNT; op++)
        printf("%-13s %8llu refused %8llu accepted %8llu executed\n", names[op],
               (unsigned long long)refused[op], (unsigned long long)accepted[op],
               (unsigned long long)executed[op]);
    fc_pool_trim();
    return 0;
}
#endif
