/* kernel_winograd.h: cases of Winograd's transforms, for test_kernels.c. Their factors are no integers,
 * and only some tiers fuse: what may be off is a few roundings of the largest sums. */
#ifndef FC_TESTS_KERNEL_WINOGRAD_H
#define FC_TESTS_KERNEL_WINOGRAD_H

#include "kernel_trial.h"

static void allow_roundings(trial *t, double greatest_sum) {
    t->absolute = 8 * greatest_sum * GREATEST * (t->dtype == FC_F64 ? 0x1p-53 : 0x1p-24);
}

static void prepare_winograd_input(trial *t) {
    fc_winograd_input_args *a = &t->args.winograd_input;
    a->n = (int)(4 + 2 * draw(t, 0, 2));
    a->step = draw(t, 1, 6);
    a->tiles = draw(t, 1, 4);
    a->channels = draw(t, 1, 40);
    a->src_pixel = a->channels + draw(t, 0, 3);
    const int64_t cols = (a->tiles - 1) * a->step + a->n;
    a->src_row = cols * a->src_pixel + draw(t, 0, 3);
    a->src = operand(t, (a->n - 1) * a->src_row + (cols - 1) * a->src_pixel + a->channels);
    a->dst_tile = a->channels + draw(t, 0, 3);
    const int64_t span = (a->tiles - 1) * a->dst_tile + a->channels;
    a->dst_plane = span + draw(t, 0, 3);
    a->dst = result(t, (a->n * a->n - 1) * a->dst_plane + span);
    allow_roundings(t, 12.5 * 12.5);
}

static void prepare_winograd_output(trial *t) {
    static const int sizes[5][2] = {{2, 4}, {2, 6}, {4, 6}, {4, 8}, {6, 8}};
    fc_winograd_output_args *a = &t->args.winograd_output;
    const int size = (int)draw(t, 0, 4);
    a->m = sizes[size][0], a->n = sizes[size][1];
    a->cols = draw(t, 1, 3 * a->m);
    a->channels = t->shape->vlen * draw(t, 1, 2);
    const int64_t tiles = fc_div_up(a->cols, a->m);
    a->src_tile = a->channels + draw(t, 0, 3);
    const int64_t span = (tiles - 1) * a->src_tile + a->channels;
    a->src_plane = span + draw(t, 0, 3);
    a->src = operand(t, (a->n * a->n - 1) * a->src_plane + span);
    a->dst_pixel = a->channels + draw(t, 0, 3);
    const int64_t row = (a->cols - 1) * a->dst_pixel + a->channels;
    a->dst_row = row + draw(t, 0, 3);
    a->dst = result(t, (a->m - 1) * a->dst_row + row);
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

PLAIN(winograd_input)
PLAIN(winograd_output)
PLAIN(winograd_weights)

#endif
