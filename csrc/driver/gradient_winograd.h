/* gradient_winograd.h: weight gradients of 3x3 and 5x5 convolution of stride 1 by Winograd's F(4, r). */
#ifndef FC_DRIVER_GRADIENT_WINOGRAD_H
#define FC_DRIVER_GRADIENT_WINOGRAD_H

#include "driver.h"

/* Whether it can be done so, is precise enough for the descriptor, and takes less time than other ways. */
bool fc_gradient_winograd_pays(const fc_weight_gradient_problem *problem);
size_t fc_gradient_winograd_scratch_bytes(const fc_weight_gradient_problem *problem, int threads);
void fc_gradient_winograd_execute(const fc_weight_gradient_problem *problem, const fc_args *args,
                                  void *scratch, int threads);

#endif
