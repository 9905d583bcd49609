/* kernel_trial.h: what a case of test_kernels.c is made of, and how it is drawn. */
#ifndef FC_TESTS_KERNEL_TRIAL_H
#define FC_TESTS_KERNEL_TRIAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <math.h>
#include <time.h>

#include "../plan/registry.h"
#include "check.h"
#include "integers.h"

enum { CASES = 300, MOST_OPERANDS = 12, TIMED_ROUNDS = 15 };

typedef union any_args {
#define FC_UKR(name, args) args name;
#include "../ukr/ukr_list.inc"
#undef FC_UKR
} any_args;

typedef struct trial {
    const fc_kernels *shape; /* the tier under test, whose sizes the case keeps to */
    const fc_kernels *table; /* the tier that the case is laid out for */
    fc_dtype dtype;
    bool timed;
    any_args args;
    guarded operand[MOST_OPERANDS];
    int operands;
    guarded dst;
    int64_t dst_count;
    double relative, absolute; /* 0: results are equal */
    int64_t lanes, depth;      /* columns and rows of a panel of weights */
    void *column;              /* one column of such a panel */
    const void **rows;
    int64_t lane_src, lane_weights, dst_pixels; /* of conv_lanes: elements of one lane */
    int64_t pieces;                             /* of pixel_tile: calls that a sum takes */
} trial;

/* ---- drawing a case ------------------------------------------------------------------------------ */

static int64_t draw(const trial *t, int64_t low, int64_t high) {
    const int64_t drawn = low + random_below(high - low + 1);
    return t->timed ? high : drawn;
}

static guarded *keep(trial *t, guarded g) {
    CHECK(t->operands < MOST_OPERANDS);
    t->operand[t->operands] = g;
    return &t->operand[t->operands++];
}

/* Not before a guard page when timed: a masked access that reaches into one takes 200 ns. */
static bool at_end(const trial *t) { return random_below(2) && !t->timed; }

static void *operand(trial *t, int64_t count) {
    return keep(t, integers(count, t->dtype, at_end(t)))->data;
}

/* An operand or nothing. */
static void *perhaps(trial *t, int64_t count) {
    return draw(t, 0, 1) ? operand(t, count) : NULL;
}

static void *result(trial *t, int64_t count) {
    t->dst_count = count;
    t->dst = guarded_new((size_t)count * fc_dtype_bytes(t->dtype), at_end(t));
    return t->dst.data;
}

/* A result that is read first. */
static void *result_begun(trial *t, int64_t count) {
    void *dst = result(t, count);
    for (int64_t i = 0; i < count; i++) put(dst, i, t->dtype, (double)(random_below(9) - 4));
    return dst;
}

static void *at(const trial *t, const void *p, int64_t element) {
    return (char *)p + element * (int64_t)fc_dtype_bytes(t->dtype);
}

/* NaN and the infinities into some elements. */
static void sprinkle(const trial *t, void *p, int64_t count) {
    const double special[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (int64_t i = 0; i < count / 8 + 1; i++)
        put(p, random_below(count), t->dtype, special[random_below(3)]);
}

static int fused_activation(trial *t) {
    const int activation = t->timed ? FC_ACT_RELU : (int)random_below(FC_ACT_FUSED_COUNT);
    if (activation > FC_ACT_RELU6) {
        t->relative = t->dtype == FC_F64 ? 1e-12 : 2e-5;
        t->absolute = t->dtype == FC_F64 ? 1e-15 : 1e-7;
    }
    return activation;
}

/* Called as it is, whatever the tier. */
#define PLAIN(name) \
    static void call_##name(trial *t) { t->table->name(&t->args.name); }

#endif
