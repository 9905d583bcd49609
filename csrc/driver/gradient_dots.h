/* gradient_dots.h: weight gradients of depthwise convolution and of groups of few output channels. */
#ifndef FC_DRIVER_GRADIENT_DOTS_H
#define FC_DRIVER_GRADIENT_DOTS_H

#include "driver.h"

/* Whether this takes less time than register tiles, and the source under a piece of the result is small
 * enough to be kept near, border included. */
bool fc_gradient_dots_pay(const fc_weight_gradient_problem *problem);
size_t fc_gradient_dots_scratch_bytes(const fc_weight_gradient_problem *problem, int threads);
void fc_gradient_dots_execute(const fc_weight_gradient_problem *problem, const fc_args *args,
                              void *scratch, int threads);

#endif
