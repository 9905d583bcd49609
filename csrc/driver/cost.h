/* cost.h: what an algorithm will take, estimated from the shape of one image: how `select` chooses.
 *
 * Each driver adds up its own work, in its own file. The unit is a vector operation, half a cycle: tiles
 * issue two multiply-adds a cycle, and all else is expressed in those. The numbers were fitted to 2,500
 * drawn shapes (1 to 512 channels, kernels 1 to 7, strides and dilations 1 to 3, groups, maps up to 224
 * wide), each computed by every algorithm that takes it, one thread, weights packed in each call:
 * AVX-512 in float32 and float64, AVX2, SSE2 (Zen 5, gcc 12, 2026-11-25). One set of numbers serves them
 * all, since lengths of vectors and sizes of tiles are arguments; what depends on the tier says so where it
 * stands (conv_planar.c, conv_winograd.c: Zen 3, AVX2, 2026-11-30). Those of planar, pointwise, linear and
 * depthwise were then set by hand to newer kernels, those of Winograd's transforms to 34 shapes of 3x3 and
 * 5x5: there the choice took 1.00 times the best with prepared weights on AVX-512, AVX2 and SSE2, and 1.01 to
 * 1.03 per call. On 300 drawn shapes
 * a tier (benchmarks/selection.py) it took 1.03 times the best in geometric mean on AVX-512 and AVX2 (93 and
 * 92 of 100 within 1.15, 3.3 at worst), 1.04 on SSE2 (89; 2.2). Most of the others are planes of one input
 * channel, by depthwise or planar, and stride 3.
 */
#ifndef FC_COST_H
#define FC_COST_H

#include "driver.h"

enum {
    FC_COST_CALL = 1100,      /* of a driver: scratch, cutting, first touches */
    FC_COST_STRIP_ROW = 64,   /* to begin with a row of a channel-last strip */
    FC_COST_LATENCY = 8,      /* of a step with too few sums to hide the latency of a multiply-add */
    FC_COST_SPREAD = 20       /* to spread a vector of sums over rows of a plane, in plane_tile's steps */
};

/* `rows` x `cols` results of `ocg` output channels by conv_tile, `depth` products each. */
double fc_cost_conv_tiles(const fc_conv_problem *problem, int64_t rows, int64_t cols, int64_t depth);

/* `pixels` of `channels` channels, `step` elements apart, to lie channel last, or copied where they do. */
double fc_cost_pack_pixels(const fc_conv_problem *problem, int64_t channels, int64_t pixels,
                           int64_t step);

/* The results of one group, back into planes; channels last, less than the tiles' vectors were counted
 * with. */
double fc_cost_unpack_pixels(const fc_conv_problem *problem);

/* What maps that lie channels last and outgrow the nearer caches take more than planes, whose long runs the
 * hardware foresees (VGG-16, ResNet-18; Zen 3, AVX2, 2026-11-30). */
double fc_cost_far_pixels(const fc_conv_problem *problem, const int64_t *stride, int64_t channels,
                          int64_t pixels);

/* The weights of one group, `depth` to an output channel, into panels. Nothing when prepared. */
double fc_cost_pack_weights(const fc_conv_problem *problem, int64_t depth);

#endif
