/* dense_weights.h: the packed form of drivers that read weights as they lie: none when they are dense,
 * else a dense copy. */
#ifndef FC_DENSE_WEIGHTS_H
#define FC_DENSE_WEIGHTS_H

#include "driver.h"

size_t fc_dense_weights_bytes(const fc_conv_problem *problem);
void fc_dense_weights_pack(const fc_conv_problem *problem, const void *weights, void *packed,
                           int threads);
uint64_t fc_dense_weights_packing(const fc_conv_problem *problem);

#endif
