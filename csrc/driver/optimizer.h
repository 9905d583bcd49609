/* optimizer.h: updates of parameters and what is done to lists of gradients, cut up for the threads. */
#ifndef FC_OPTIMIZER_H
#define FC_OPTIMIZER_H

#include "driver.h"

/* All arguments are checked; `total` is fc_elements_padded of the parameters. */
void fc_optimizer_run(const fc_optimizer_desc *desc, const fc_kernels *kernels,
                      const fc_parameter *parameters, int64_t count, int64_t total, int threads);

/* `partial`: fc_gradient_pieces(total) numbers of scratch. */
double fc_gradient_norm_run(fc_dtype dtype, fc_gradient_norm_kind kind, const fc_kernels *kernels,
                            const fc_parameter *parameters, int64_t count, int64_t total, int threads,
                            double *partial);
int64_t fc_gradient_pieces(int64_t total);

void fc_gradient_limit_run(fc_dtype dtype, fc_gradient_limit_kind kind, double value,
                           const fc_kernels *kernels, const fc_parameter *parameters, int64_t count,
                           int64_t total, int threads);

/* The elements of all parameters, each rounded up to whole grains: what pieces are cut from. False
 * where a number is negative or their sum too large. */
bool fc_elements_padded(const fc_parameter *parameters, int64_t count, int64_t *total);

#endif
