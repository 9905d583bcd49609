/* kernel_updates.h: cases of the optimisers' kernels, for test_kernels.c. They change several arrays in
 * place, which are compared behind each other. */
#ifndef FC_TESTS_KERNEL_UPDATES_H
#define FC_TESTS_KERNEL_UPDATES_H

#include "kernel_trial.h"

static void gather(trial *t, const void *const *arrays, int64_t count) {
    int64_t to = 0;
    for (; *arrays; arrays++)
        for (int64_t i = 0; i < count; i++) put(t->dst.data, to++, t->dtype, get(*arrays, i, t->dtype));
}

static void prepare_sgd_update(trial *t) {
    fc_sgd_update_args *a = &t->args.sgd_update;
    a->count = draw(t, 1, 150);
    a->lr = 0.25, a->sign = draw(t, 0, 1) ? 1 : -1, a->weight_decay = (double)draw(t, 0, 1) / 2;
    a->momentum = 0.5, a->gain = (double)draw(t, 1, 2) / 2;
    a->nesterov = (int)draw(t, 0, 1), a->fresh = t->timed ? 0 : (int)random_below(2);
    a->grad = operand(t, a->count), a->weights = operand(t, a->count);
    a->buffer = perhaps(t, a->count);
    if (a->buffer && a->fresh) memset(a->buffer, 0xff, (size_t)a->count * fc_dtype_bytes(t->dtype));
    if (random_below(4) == 0) sprinkle(t, a->weights, a->count);
    result(t, (a->buffer ? 2 : 1) * a->count);
}

static void call_sgd_update(trial *t) {
    const fc_sgd_update_args *a = &t->args.sgd_update;
    t->table->sgd_update(a);
    const void *changed[] = {a->weights, a->buffer, NULL};
    gather(t, changed, a->count);
}

/* Squares of gradients, which are not negative, and what is told by them. */
static void *squares(trial *t, int64_t count) {
    void *data = operand(t, count);
    for (int64_t i = 0; i < count; i++) put(data, i, t->dtype, fabs(get(data, i, t->dtype)));
    return data;
}

static void prepare_adam_update(trial *t) {
    fc_adam_update_args *a = &t->args.adam_update;
    a->count = draw(t, 1, 150);
    a->lr = 0.1, a->sign = draw(t, 0, 1) ? 1 : -1, a->weight_decay = 0.3, a->epsilon = 1e-3;
    a->beta1 = 0.9, a->beta2 = 0.99, a->rate = 0.7, a->root = 0.3;
    a->decay = t->timed ? FC_DECAY_WEIGHTS : (int)random_below(3);
    a->grad = operand(t, a->count), a->weights = operand(t, a->count), a->mean = operand(t, a->count);
    a->square = squares(t, a->count);
    a->greatest = random_below(2) && !t->timed ? squares(t, a->count) : NULL;
    if (random_below(4) == 0) sprinkle(t, a->weights, a->count);
    if (random_below(4) == 0) put(a->square, random_below(a->count), t->dtype, (double)NAN);
    result(t, (a->greatest ? 4 : 3) * a->count);
    t->relative = t->dtype == FC_F64 ? 1e-13 : 1e-5;
    t->absolute = t->dtype == FC_F64 ? 1e-13 : 1e-5;
}

static void call_adam_update(trial *t) {
    const fc_adam_update_args *a = &t->args.adam_update;
    t->table->adam_update(a);
    const void *changed[] = {a->weights, a->mean, a->square, a->greatest, NULL};
    gather(t, changed, a->count);
}

static void prepare_rmsprop_update(trial *t) {
    fc_rmsprop_update_args *a = &t->args.rmsprop_update;
    a->count = draw(t, 1, 150);
    a->lr = 0.1, a->sign = draw(t, 0, 1) ? 1 : -1, a->weight_decay = (double)draw(t, 0, 1) * 0.3;
    a->alpha = 0.75, a->epsilon = 0.25, a->momentum = 0.9;
    a->grad = operand(t, a->count), a->weights = operand(t, a->count), a->square = squares(t, a->count);
    a->mean = perhaps(t, a->count), a->buffer = perhaps(t, a->count);
    /* a variance that is not near 0, where its root is steep, but sometimes below */
    for (int64_t i = 0; a->mean && i < a->count; i++)
        put(a->mean, i, t->dtype, (double)(random_below(3) - 1) * (i % 7 ? 0.5 : 8));
    if (a->mean)
        for (int64_t i = 0; i < a->count; i++)
            put(a->square, i, t->dtype, get(a->square, i, t->dtype) + 3);
    if (random_below(4) == 0) sprinkle(t, a->weights, a->count);
    if (random_below(4) == 0) put(a->square, random_below(a->count), t->dtype, (double)NAN);
    result(t, (2 + (a->mean != NULL) + (a->buffer != NULL)) * a->count);
    t->relative = t->dtype == FC_F64 ? 1e-13 : 1e-5;
    t->absolute = t->dtype == FC_F64 ? 1e-13 : 1e-5;
}

static void call_rmsprop_update(trial *t) {
    const fc_rmsprop_update_args *a = &t->args.rmsprop_update;
    t->table->rmsprop_update(a);
    const void *first = a->mean ? a->mean : a->buffer, *second = a->mean ? a->buffer : NULL;
    const void *changed[] = {a->weights, a->square, first, second, NULL};
    gather(t, changed, a->count);
}

/* The norm is a double whatever the type. */
static void prepare_gradient_norm(trial *t) {
    fc_gradient_norm_args *a = &t->args.gradient_norm;
    a->count = random_below(2) ? draw(t, 0, 150) : draw(t, 900, 3000);
    a->kind = (int)draw(t, 1, 2);
    void *src = operand(t, a->count);
    if (a->count && random_below(4) == 0)
        put(src, random_below(a->count), t->dtype, random_below(2) ? (double)NAN : -(double)INFINITY);
    a->src = src;
    result(t, 1);
}

static void call_gradient_norm(trial *t) {
    double norm = (double)NAN;
    t->args.gradient_norm.dst = &norm;
    t->table->gradient_norm(&t->args.gradient_norm);
    put(t->dst.data, 0, t->dtype, norm);
}

static void prepare_gradient_limit(trial *t) {
    fc_gradient_limit_args *a = &t->args.gradient_limit;
    a->count = draw(t, 1, 150), a->kind = (int)draw(t, 1, 2), a->value = (double)draw(t, 0, 3);
    a->dst = result_begun(t, a->count);
    if (random_below(2)) sprinkle(t, a->dst, a->count);
}

PLAIN(gradient_limit)

#endif
