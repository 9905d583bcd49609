/* kernel_elementwise.h: cases of the elementwise kernels, for test_kernels.c. */
#ifndef FC_TESTS_KERNEL_ELEMENTWISE_H
#define FC_TESTS_KERNEL_ELEMENTWISE_H

#include "kernel_trial.h"

/* ---- elementwise ----------------------------------------------------------------------------------- */

static void prepare_activate(trial *t) {
    fc_activate_args *a = &t->args.activate;
    a->count = draw(t, 1, 150);
    a->activation = (int)(t->timed ? FC_ACT_SIGMOID : random_below(FC_ACT_COUNT));
    if (a->activation > FC_ACT_RELU6 && a->activation != FC_ACT_LEAKY_RELU) {
        t->relative = t->dtype == FC_F64 ? 1e-12 : 2e-5;
        t->absolute = t->dtype == FC_F64 ? 1e-15 : 1e-7;
    }
    a->alpha = a->activation == FC_ACT_LEAKY_RELU ? 0.25 : 1.5, a->beta = 20;
    void *src = !t->timed && random_below(4) == 0 ? result_begun(t, a->count) : operand(t, a->count);
    for (int64_t i = 0; i < a->count; i++) put(src, i, t->dtype, 1.75 * get(src, i, t->dtype));
    if (random_below(2)) sprinkle(t, src, a->count);
    a->src = src;
    a->dst = t->dst.data ? t->dst.data : result(t, a->count);
}

static void prepare_activate_gradient(trial *t) {
    fc_activate_gradient_args *a = &t->args.activate_gradient;
    a->count = draw(t, 1, 150);
    a->activation = (int)(t->timed ? FC_ACT_RELU : random_below(FC_ACT_COUNT));
    if (a->activation > FC_ACT_RELU6 && a->activation != FC_ACT_LEAKY_RELU) {
        t->relative = t->dtype == FC_F64 ? 1e-12 : 2e-5;
        t->absolute = t->dtype == FC_F64 ? 1e-14 : 1e-6;
    }
    a->alpha = a->activation == FC_ACT_LEAKY_RELU ? 0.25 : 1.5, a->beta = 4;
    void *saved = operand(t, a->count);
    for (int64_t i = 0; i < a->count; i++) put(saved, i, t->dtype, 1.5 * get(saved, i, t->dtype));
    if (random_below(2)) sprinkle(t, saved, a->count);
    a->saved = saved;
    const bool in_place = !t->timed && random_below(4) == 0;
    a->grad = in_place ? result_begun(t, a->count) : operand(t, a->count);
    a->dst = in_place ? t->dst.data : result(t, a->count);
}

static void prepare_channel_rows(trial *t) {
    fc_channel_rows_args *a = &t->args.channel_rows;
    a->rows = draw(t, 1, 20), a->count = draw(t, 1, 60), a->first = draw(t, 0, 5);
    a->by_column = t->timed ? 0 : (int)random_below(2);
    a->channels = a->by_column ? a->count : draw(t, 1, 7);
    a->kind = (int)(t->timed ? FC_CHANNELWISE_NORM : 1 + random_below(2));
    a->mean = operand(t, a->channels), a->scale = operand(t, a->channels);
    a->bias = operand(t, a->channels);
    if (a->kind == FC_CHANNELWISE_NORM) a->activation = fused_activation(t);
    a->src = operand(t, a->rows * a->count);
    a->dst = result(t, a->rows * a->count);
}

static void prepare_channel_moments(trial *t) {
    fc_channel_moments_args *a = &t->args.channel_moments;
    const bool run = t->timed || random_below(2);
    a->kind = (int)(t->timed ? FC_MOMENTS_SPREAD : 1 + random_below(3));
    a->length = draw(t, 1, run ? 400 : 20);
    a->width = run ? 1 : draw(t, 2, 40), a->stride = run ? 1 : a->width + draw(t, 0, 3);
    a->dst_plane = a->width + draw(t, 0, 3);
    const int64_t count = (a->length - 1) * a->stride + a->width;
    a->src = operand(t, count);
    a->grad = a->kind == FC_MOMENTS_SPREAD ? NULL : operand(t, count);
    a->mean = a->kind == FC_MOMENTS_NORM ? operand(t, a->width) : NULL;
    a->dst = result(t, 2 * a->dst_plane + a->width);
    if (a->kind == FC_MOMENTS_SPREAD) { /* the mean is rounded, and so is what is left */
        t->relative = t->dtype == FC_F64 ? 1e-13 : 1e-5;
        t->absolute = t->dtype == FC_F64 ? 1e-11 : 1e-3;
    }
}

static void prepare_channel_gradient(trial *t) {
    fc_channel_gradient_args *a = &t->args.channel_gradient;
    a->rows = draw(t, 1, 20), a->count = draw(t, 1, 60), a->first = draw(t, 0, 5);
    a->by_column = t->timed ? 0 : (int)random_below(2);
    a->channels = a->by_column ? a->count : draw(t, 1, 7);
    a->kind = (int)(t->timed ? FC_GRADIENT_NORM : 1 + random_below(3));
    a->mean = operand(t, a->channels), a->scale = operand(t, a->channels);
    a->slope = operand(t, a->channels), a->bias = operand(t, a->channels);
    a->src = operand(t, a->rows * a->count), a->grad = operand(t, a->rows * a->count);
    a->dst = result(t, a->rows * a->count);
}

static void prepare_lrn(trial *t) {
    fc_lrn_args *a = &t->args.lrn;
    const double betas[] = {0.75, 0.5, 1, 0.6};
    a->channels = draw(t, 1, 12), a->width = draw(t, 1, 40), a->stride = a->width + draw(t, 0, 3);
    a->size = draw(t, 1, 5), a->before = t->timed ? 2 : random_below(a->size);
    a->k = (double)draw(t, 1, 2), a->factor = 0.25, a->beta = betas[t->timed ? 0 : random_below(4)];
    const int64_t count = (a->channels - 1) * a->stride + a->width;
    a->src = operand(t, count);
    a->dst = result(t, count);
    t->relative = t->dtype == FC_F64 ? 1e-14 : 1e-6; /* several roundings, one of them of a power */
}

static void prepare_lrn_gradient(trial *t) {
    fc_lrn_gradient_args *a = &t->args.lrn_gradient;
    const double betas[] = {0.75, 0.5, 1, 0.6};
    a->channels = draw(t, 1, 12), a->width = draw(t, 1, 40), a->stride = a->width + draw(t, 0, 3);
    a->size = draw(t, 1, 5), a->before = t->timed ? 2 : random_below(a->size);
    a->k = (double)draw(t, 1, 2), a->factor = 0.25, a->beta = betas[t->timed ? 0 : random_below(4)];
    const int64_t count = (a->channels - 1) * a->stride + a->width;
    a->src = operand(t, count), a->grad = operand(t, count);
    a->scratch = operand(t, a->channels * a->width);
    a->dst = result(t, count);
    t->relative = t->dtype == FC_F64 ? 1e-14 : 4e-6;
    t->absolute = t->dtype == FC_F64 ? 1e-13 : 4e-5; /* the two terms may cancel */
}

static void prepare_softmax(trial *t) {
    fc_softmax_args *a = &t->args.softmax;
    a->length = draw(t, 1, 60);
    a->width = random_below(2) || t->timed ? 1 : draw(t, 1, 40);
    a->stride = a->width == 1 ? 1 : a->width + draw(t, 0, 3);
    a->logarithm = (int)(t->timed ? 0 : random_below(2));
    const int64_t count = (a->length - 1) * a->stride + a->width;
    a->scratch = operand(t, 2 * a->width);
    if (!t->timed && random_below(4) == 0)
        a->src = a->dst = result_begun(t, count);
    else {
        void *src = operand(t, count);
        if (!t->timed && random_below(4) == 0) sprinkle(t, src, 1 + count / 4);
        a->src = src;
        a->dst = result(t, count);
    }
    /* some ulp of each term, and of their sum in another order */
    t->relative = t->dtype == FC_F64 ? 1e-14 : 4e-6;
    t->absolute = a->logarithm ? t->relative : 0;
}

static void prepare_softmax_gradient(trial *t) {
    fc_softmax_gradient_args *a = &t->args.softmax_gradient;
    a->length = draw(t, 1, 60);
    a->width = random_below(2) || t->timed ? 1 : draw(t, 1, 40);
    a->stride = a->width == 1 ? 1 : a->width + draw(t, 0, 3);
    a->logarithm = (int)(t->timed ? 0 : random_below(2));
    const int64_t count = (a->length - 1) * a->stride + a->width;
    a->result = operand(t, count), a->grad = operand(t, count);
    a->dst = result(t, count);
    if (a->logarithm) t->relative = t->absolute = t->dtype == FC_F64 ? 1e-13 : 4e-5;
}

static void prepare_log_sum_exp(trial *t) {
    fc_log_sum_exp_args *a = &t->args.log_sum_exp;
    a->length = draw(t, 1, 60);
    a->width = random_below(2) || t->timed ? 1 : draw(t, 1, 40);
    a->stride = a->width == 1 ? 1 : a->width + draw(t, 0, 3);
    a->dst_plane = a->width + draw(t, 0, 3);
    const int64_t count = (a->length - 1) * a->stride + a->width;
    void *src = operand(t, count);
    if (!t->timed && random_below(4) == 0) /* which of them is the largest is the formula's affair */
        put(src, random_below(count), t->dtype, -(double)INFINITY);
    a->src = src;
    a->weights = perhaps(t, a->length);
    a->dst = result(t, 2 * a->dst_plane + a->width);
    t->relative = t->dtype == FC_F64 ? 1e-14 : 4e-6;
    t->absolute = t->relative;
}

static void prepare_exp_scaled(trial *t) {
    fc_exp_scaled_args *a = &t->args.exp_scaled;
    a->length = draw(t, 1, 60);
    a->width = random_below(2) || t->timed ? 1 : draw(t, 1, 40);
    a->stride = a->width == 1 ? 1 : a->width + draw(t, 0, 3);
    const int64_t count = (a->length - 1) * a->stride + a->width;
    a->src = operand(t, count), a->most = operand(t, a->width), a->log_sum = operand(t, a->width);
    a->scale = operand(t, a->width), a->spread = operand(t, a->width);
    a->weights = perhaps(t, a->length);
    a->dst = result(t, count);
    t->relative = t->dtype == FC_F64 ? 1e-14 : 4e-6;
    t->absolute = 20 * t->relative; /* what is taken off may cancel */
}

static void prepare_add_strided(trial *t) {
    fc_add_strided_args *a = &t->args.add_strided;
    a->count = draw(t, 1, 150), a->step = t->timed ? 1 : draw(t, 1, 3);
    a->src = operand(t, a->count);
    a->dst = result_begun(t, (a->count - 1) * a->step + 1);
}

static void prepare_add_scaled(trial *t) {
    fc_add_scaled_args *a = &t->args.add_scaled;
    a->count = draw(t, 1, 150), a->weight = (double)draw(t, -2, 4) / 4, a->fresh = (int)draw(t, 0, 1);
    a->src = operand(t, a->count);
    a->dst = a->fresh ? result(t, a->count) : result_begun(t, a->count);
}

static void prepare_spread_row(trial *t) {
    fc_spread_row_args *a = &t->args.spread_row;
    const int64_t way = draw(t, 0, 3); /* side by side, step 1, any, spans */
    a->count = draw(t, 1, 70), a->taps = draw(t, 1, 5);
    a->step = way == 0 ? a->taps : way == 1 ? 1 : draw(t, 1, 6);
    a->pad = way == 0 ? 0 : draw(t, 0, a->taps / 2);
    a->pixels = (a->count - 1) * a->step + a->taps - a->pad - draw(t, 0, a->taps > a->pad + 1);
    if (a->pixels < 1) a->pixels = 1;
    a->pixels += draw(t, 0, 20);
    if (way == 3) {
        ptrdiff_t *span[2];
        for (int i = 0; i < 2; i++)
            span[i] = (ptrdiff_t *)(void *)keep(
                t, guarded_new((size_t)a->count * sizeof **span, true))->data;
        for (int64_t i = 0; i < a->count; i++) {
            span[0][i] = random_below(a->pixels);
            span[1][i] = span[0][i] + random_below(a->pixels - span[0][i] + 1);
        }
        a->begin = span[0], a->end = span[1];
    }
    a->src = operand(t, a->count);
    a->row_divisor = 2;
    if (draw(t, 0, 1)) {
        void *divisor = operand(t, a->count);
        for (int64_t i = 0; i < a->count; i++)
            put(divisor, i, t->dtype, (double)(INT64_C(1) << random_below(3)));
        a->divisor = divisor;
    }
    a->line = operand(t, a->count);
    a->dst = result(t, a->pixels);
}

static void prepare_bilinear_row(trial *t) {
    fc_bilinear_row_args *a = &t->args.bilinear_row;
    a->width = draw(t, 1, 60), a->pixels = draw(t, 1, 90);
    for (int side = 0; side < 2; side++) {
        a->row[side] = operand(t, a->width);
        a->row_weight[side] = (double)draw(t, 0, 4) / 4;
        ptrdiff_t *column = (ptrdiff_t *)(void *)keep(
            t, guarded_new((size_t)a->pixels * sizeof *column, true))->data;
        for (int64_t i = 0; i < a->pixels; i++) column[i] = random_below(a->width);
        a->column[side] = column;
        void *weight = operand(t, a->pixels);
        for (int64_t i = 0; i < a->pixels; i++)
            put(weight, i, t->dtype, (double)random_below(5) / 4);
        a->weight[side] = weight;
    }
    a->line = operand(t, a->width);
    a->dst = result(t, a->pixels);
}

PLAIN(activate)
PLAIN(activate_gradient)
PLAIN(channel_rows)
PLAIN(channel_moments)
PLAIN(channel_gradient)
PLAIN(lrn)
PLAIN(lrn_gradient)
PLAIN(softmax)
PLAIN(softmax_gradient)
PLAIN(log_sum_exp)
PLAIN(exp_scaled)
PLAIN(add_strided)
PLAIN(add_scaled)
PLAIN(spread_row)
PLAIN(bilinear_row)

#endif
