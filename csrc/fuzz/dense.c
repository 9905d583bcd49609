/* dense.c: operations on dense arrays: of elements, of lines, of channels, and the loss. */
#include "feed.h"

#include <stdlib.h>

/* Operations on dense arrays of `count` elements, with up to `numbers` operands of `extra`; `packed`:
 * which are executed with packed weights alone. */
static void run_dense(fc_plan *plan, int op, int32_t dtype, int64_t count, int64_t extra, bool packed) {
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
        void *form = NULL;
        if (packed) {
            if (fc_execute(plan, &(fc_args){.struct_size = sizeof args, .src = x.at, .dst = x.at,
                                            .weights = w.at, .bias = w.at}, 1) == FC_OK &&
                info.dst_bytes)
                abort();
            form = aligned_alloc(64, (fc_plan_packed_bytes(plan) + 63) / 64 * 64);
            if (fc_plan_pack(plan, w.at, form, 1) != FC_OK) abort();
            args.packed = form;
        }
        const int64_t results = (int64_t)(info.dst_bytes / (dtype == FC_F64 ? 8 : 4));
        run(plan, &args, results ? results : 1, 0, false, FC_OK);
        free(x.block), free(w.block), free(sums.block), free(form);
    }
    fc_plan_destroy(plan);
}

static bool product(int64_t *out, const int64_t *sizes, int count) {
    *out = 1;
    for (int i = 0; i < count; i++)
        if (sizes[i] < 0 || __builtin_mul_overflow(*out, sizes[i], out)) return false;
    return true;
}

void fuzz_dense(feed *b, fc_op op) {
    const int32_t dtype = small(b, 1, 2), activation = small(b, 0, 12);
    const int64_t size[3] = {number(b, 0, 4), number(b, 1, 40), number(b, 1, 70)};
    int64_t count;
    fc_plan *plan = NULL;
    fc_status status = FC_ERR_UNSUPPORTED;
    const bool countable = product(&count, size, 3);
    bool packed = false;
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
                            .has_bias = take(b) & 1, .weights_bf16 = small(b, 0, 1),
                            .rows = size[0], .in_features = size[1],
                            .out_features = size[2], .src_row_stride = size[1]};
        packed = d.weights_bf16;
        status = fc_linear_create(&d, &plan);
        if (status == FC_OK) count = size[0] * size[1], extra = size[1] * size[2];
    }
    if (status == FC_OK)
        run_dense(plan, (int)op, dtype, count, extra, packed);
    else
        refused[op]++;
}

/* Rows at any distances, with another operand. */
void fuzz_rows(feed *b, fc_op op) {
    const int32_t dtype = small(b, 1, 2);
    const int64_t rows = number(b, 0, 4), channels = number(b, 1, 9), inner = number(b, 1, 20);
    int64_t length, span[3], origin[3];
    if (__builtin_mul_overflow(channels, inner, &length)) length = 0;
    const int64_t src = number(b, -9, 99), other = number(b, -9, 99), dst = number(b, 0, 200);
    fc_plan *plan = NULL;
    fc_status status;
    if (op == FC_OP_ADD) {
        const fc_add_desc d = {.struct_size = sizeof d, .dtype = dtype, .activation = small(b, 0, 9),
                               .has_residual = take(b) & 1, .rows = rows, .length = length,
                               .src_row_stride = src, .residual_row_stride = other,
                               .dst_row_stride = dst};
        status = fc_add_create(&d, &plan);
    } else {
        const fc_scale_desc d = {.struct_size = sizeof d, .dtype = dtype, .rows = rows,
                                 .channels = channels, .inner = inner, .src_row_stride = src,
                                 .dst_row_stride = dst};
        status = fc_scale_create(&d, &plan);
    }
    if (status != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    const int64_t size[2] = {rows, length}, stride[3][2] = {{src, 1}, {other, 1}, {dst, 1}};
    bool fits = true;
    for (int i = 0; i < 3; i++) fits = fits && reach(size, stride[i], 2, &span[i], &origin[i]);
    if (op == FC_OP_SCALE) { /* its other operand is a factor for each channel of each row */
        fits = fits && rows * channels < MOST_BYTES / 8;
        span[1] = rows * channels + 1, origin[1] = 0;
    }
    if (fits) {
        operand x = numbers(dtype, span[0], origin[0]), y = numbers(dtype, span[1], origin[1]);
        fc_args args = {.src = x.at, .residual = y.at};
        run(plan, &args, span[2], origin[2], false, FC_OK);
        free(x.block), free(y.block);
    }
    fc_plan_destroy(plan);
}

void fuzz_cross_entropy(feed *b) {
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
