/* kernel_winograd.h: cases of Winograd's transforms, for test_kernels.c. Their factors are no integers,
 * and only some tiers fuse: what may be off is a few roundings of the largest sums. */
#ifndef FC_TESTS_KERNEL_WINOGRAD_H
#define FC_TESTS_KERNEL_WINOGRAD_H

#include "kernel_trial.h"

static void allow_roundings(trial *t, double greatest_sum) {
    t->absolute = 8 * greatest_sum * GREATEST * (t->dtype == FC_F64 ? 0x1p-53 : 0x1p-24);
}

static const int WINOGRAD_SIZES[5][2] = {{2, 4}, {2, 6}, {4, 6}, {4, 8}, {6, 8}}; /* m, n */

static void prepare_winograd_input(trial *t) {
    fc_winograd_input_args *a = &t->args.winograd_input;
    const int size = (int)draw(t, 0, 4);
    a->m = WINOGRAD_SIZES[size][0], a->n = WINOGRAD_SIZES[size][1];
    a->rows = draw(t, 1, a->m);
    a->cols = draw(t, 1, 9 * a->m);
    a->channels = draw(t, 1, 40);
    a->src_pixel = a->channels + draw(t, 0, 3);
    const int64_t tiles = fc_div_up(a->cols, a->m), before = (tiles - 1) * a->m;
    const int64_t cols = before + fc_winograd_used(a->n, a->m, a->cols - before);
    const int high = fc_winograd_used(a->n, a->m, a->rows);
    a->before = draw(t, 0, fc_min64(cols - 1, 7));
    a->pixels = draw(t, 1, cols - a->before + 2);
    const int64_t row = (a->pixels - 1) * a->src_pixel + a->channels;
    const void *src = operand(t, high * row);
    for (int i = 0; i < high; i++) a->src[i] = at(t, (void *)src, (high - 1 - i) * row);
    a->dst_tile = a->channels + draw(t, 0, 3);
    a->dst_last = (tiles - 1 + draw(t, 0, 2)) * a->dst_tile;
    const int64_t span = a->dst_last + a->channels;
    a->dst_plane = span + draw(t, 0, 3);
    a->dst = result(t, (a->n * a->n - 1) * a->dst_plane + span);
    allow_roundings(t, 12.5 * 12.5);
}

static void prepare_winograd_output(trial *t) {
    fc_winograd_output_args *a = &t->args.winograd_output;
    const int size = (int)draw(t, 0, 4);
    a->m = WINOGRAD_SIZES[size][0], a->n = WINOGRAD_SIZES[size][1];
    a->rows = draw(t, 1, a->m);
    a->cols = draw(t, 1, 3 * a->m);
    a->channels = t->shape->vlen * draw(t, 1, 2);
    const int64_t tiles = fc_div_up(a->cols, a->m);
    a->src_tile = a->channels + draw(t, 0, 3);
    a->src_last = (tiles - 1 + draw(t, 0, 2)) * a->src_tile;
    const int64_t span = a->src_last + a->channels;
    a->src_plane = span + draw(t, 0, 3);
    a->src = operand(t, (a->n * a->n - 1) * a->src_plane + span);
    a->dst_pixel = a->channels + draw(t, 0, 3);
    const int64_t row = (a->cols - 1) * a->dst_pixel + a->channels;
    a->dst_row = row + draw(t, 0, 3);
    a->dst = result(t, (a->rows - 1) * a->dst_row + row);
    a->bias = perhaps(t, a->channels);
    a->residual = perhaps(t, t->dst_count);
    a->activation = (int)draw(t, FC_ACT_NONE, FC_ACT_RELU);
    allow_roundings(t, 67.0 * 67);
}

static void prepare_winograd_weights(trial *t) {
    static const int sizes[5][2] = {{3, 4}, {5, 6}, {3, 6}, {5, 8}, {3, 8}};
    fc_winograd_weights_args *a = &t->args.winograd_weights;
    const int size = (int)draw(t, 0, 4);
    a->r = sizes[size][0], a->n = sizes[size][1];
    a->count = t->shape->vlen * draw(t, 1, 3);
    a->dst_plane = a->count + draw(t, 0, 3);
    const int64_t taps = a->r * a->r, planes = a->n * a->n;
    if (random_below(2)) { /* the taps in the last planes of the result */
        a->dst = result_begun(t, (planes - 1) * a->dst_plane + a->count);
        a->src = at(t, a->dst, (planes - taps) * a->dst_plane);
        a->src_tap = a->dst_plane;
    } else {
        a->src_tap = a->count + draw(t, 0, 3);
        a->src = operand(t, (taps - 1) * a->src_tap + a->count);
        a->dst = result(t, (planes - 1) * a->dst_plane + a->count);
    }
    allow_roundings(t, 1);
}

static void prepare_winograd_diff(trial *t) {
    fc_winograd_diff_args *a = &t->args.winograd_diff;
    a->m = 4, a->n = (int)(6 + 2 * draw(t, 0, 1));
    a->rows = draw(t, 1, a->m);
    a->cols = draw(t, 1, 5 * a->m);
    a->channels = draw(t, 1, 40);
    a->src_pixel = a->channels + draw(t, 0, 3);
    const int64_t row = (a->cols - 1) * a->src_pixel + a->channels;
    const void *src = operand(t, a->rows * row);
    for (int i = 0; i < a->rows; i++) a->src[i] = at(t, (void *)src, (a->rows - 1 - i) * row);
    const int64_t tiles = fc_div_up(a->cols, a->m);
    a->dst_tile = a->channels + draw(t, 0, 3);
    a->dst_last = (tiles - 1 + draw(t, 0, 2)) * a->dst_tile;
    const int64_t span = a->dst_last + a->channels;
    a->dst_plane = span + draw(t, 0, 3);
    a->dst = result(t, (a->n * a->n - 1) * a->dst_plane + span);
    allow_roundings(t, 15.0 * 15);
}

static void prepare_winograd_sums(trial *t) {
    fc_winograd_sums_args *a = &t->args.winograd_sums;
    a->r = (int)(3 + 2 * draw(t, 0, 1)), a->n = a->r + 3;
    a->lines = draw(t, 1, 4);
    a->count = t->shape->vlen * draw(t, 1, 2);
    a->src_plane = a->lines * a->count + draw(t, 0, 3);
    a->src = operand(t, (a->n * a->n - 1) * a->src_plane + a->lines * a->count);
    a->dst = result(t, a->lines * a->r * a->r * a->count);
    allow_roundings(t, 16);
}

PLAIN(winograd_input)
PLAIN(winograd_output)
PLAIN(winograd_weights)
PLAIN(winograd_diff)
PLAIN(winograd_sums)

#endif
