/* gradient_windows.h: weight gradients of depthwise convolution and of few channels, 3x3, 5x5 and 7x7. */
#ifndef FC_DRIVER_GRADIENT_WINDOWS_H
#define FC_DRIVER_GRADIENT_WINDOWS_H

#include "driver.h"

/* Whether window_dots can do it, and takes less time than register tiles. */
bool fc_gradient_windows_pay(const fc_weight_gradient_problem *problem);
size_t fc_gradient_windows_scratch_bytes(const fc_weight_gradient_problem *problem, int threads);
void fc_gradient_windows_execute(const fc_weight_gradient_problem *problem, const fc_args *args,
                                 void *scratch, int threads);

#endif
