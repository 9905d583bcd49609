/* depthwise_channels.h: depthwise convolution of channels side by side, for depthwise_lanes.c. */
#ifndef FC_DEPTHWISE_CHANNELS_H
#define FC_DEPTHWISE_CHANNELS_H

#include "driver.h"

/* Whether source and result lie channels last, with as many as a vector of any tier has lanes or more. */
bool fc_depthwise_channels_fit(const fc_conv2d_desc *desc);

/* What one image takes, in the unit of cost.h, but for packing weights. */
double fc_depthwise_channels_cost(const fc_conv_problem *problem);
size_t fc_depthwise_channels_scratch_bytes(const fc_conv_problem *problem, int threads);
void fc_depthwise_channels_execute(const fc_conv_problem *problem, const fc_args *args, void *scratch,
                                   int threads);

#endif
