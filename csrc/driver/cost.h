/* cost.h: what an algorithm will take, estimated from the shape of one image: how `select` chooses.
 *
 * Each driver adds up its work in its own file. The unit is one vector operation, half a cycle: the
 * tiles issue two multiply-adds a cycle, and everything else is expressed in theirs. The numbers below
 * were fitted to 2,600 drawn shapes (1 to 512 channels, kernels 1 to 7, strides and dilations 1 to 3,
 * groups, maps up to 224 wide), each computed by every algorithm on one thread, stateless calls:
 * AVX-512 in float32 and float64, AVX2 and SSE2 (Zen 5, gcc 12, 2026-11-25). One set serves them all: a
 * tier's vector length and tile are arguments. benchmarks/selection.py draws other shapes and prints how
 * often the choice is within 1.15 of the best, and the worst. */
#ifndef FC_COST_H
#define FC_COST_H

#include "driver.h"

enum {
    FC_COST_LATENCY = 7,       /* of a step with too few sums to hide a multiply-add's latency */
    FC_COST_CALL = 1100,       /* of a driver: scratch, cutting, first touches */
    FC_COST_STRIP_ROW = 85     /* to begin a row of a strip, channel last */
};

/* Results of `cols` columns and `rows` rows by conv_tile, `depth` products each, `ocg` output channels,
 * from the register to memory. */
double fc_cost_tiles(const fc_conv_problem *problem, int64_t rows, int64_t cols, int64_t depth);

/* `pixels` of `channels` channels, `step` apart, made to lie channel last. */
double fc_cost_pack_pixels(const fc_conv_problem *problem, int64_t channels, int64_t pixels,
                           int64_t step);

/* The results of one group back into planes. */
double fc_cost_unpack_pixels(const fc_conv_problem *problem);

/* The weights of one group, `depth` for each output channel, into panels; nothing where they are
 * prepared. */
double fc_cost_pack_weights(const fc_conv_problem *problem, int64_t depth);

#endif
