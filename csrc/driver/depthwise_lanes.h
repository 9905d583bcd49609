/* depthwise_lanes.h: depthwise convolution with channels in the lanes of a vector, for conv_depthwise.c. */
#ifndef FC_DEPTHWISE_LANES_H
#define FC_DEPTHWISE_LANES_H

#include "driver.h"

/* For tests: 1 takes lanes wherever they can, -1 nowhere, 0 where they are faster. */
extern int fc_test_depthwise_lanes;

/* What one image takes, in the unit of cost.h; an infinity where lanes do not fit. */
double fc_depthwise_lanes_cost(const fc_conv_problem *problem);

size_t fc_depthwise_lanes_packed_bytes(const fc_conv_problem *problem);
void fc_depthwise_lanes_pack(const fc_conv_problem *problem, const void *weights, void *packed,
                             int threads);
uint64_t fc_depthwise_lanes_packing(const fc_conv_problem *problem);
size_t fc_depthwise_lanes_scratch_bytes(const fc_conv_problem *problem, int threads);
void fc_depthwise_lanes_execute(const fc_conv_problem *problem, const fc_args *args, void *scratch,
                                int threads);

#endif
