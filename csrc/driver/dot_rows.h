/* dot_rows.h: rows of a source against rows of weights by dot_tile, both read where they lie: linear
 * layers, and convolutions whose window is the whole map.
 *
 *   dst[r][g*outputs + o] = act( bias[g*outputs + o] + residual[r][g*outputs + o] +
 *       sum over k < features of src[r][g*features + k] * weights[g*outputs + o][k] )
 *
 * One row or a few take each weight once, at the speed of memory. With many rows a block of outputs,
 * whose piece of the depth stays in the second-level cache, passes by every tile of rows, whose piece
 * stays in the first-level one:
 *
 *      for each block of outputs, each piece of the depth, each tile of rows: dot_tile
 *
 * Threads share out outputs, and rows where outputs are too few. Neither changes a bit (ukr.h). */
#ifndef FC_DOT_ROWS_H
#define FC_DOT_ROWS_H

#include "driver.h"

typedef struct fc_dot_rows {
    const fc_kernels *kernels;
    fc_dtype dtype;
    int activation;
    int64_t rows, groups, features, outputs; /* features and outputs of one group */
    int64_t src_row, dst_row;                /* elements from row to row; all else is dense */
    bool bf16; /* weights are dot_tile's panels of bfloat16; one group */
    const void *src, *weights;
    const void *bias, *residual; /* or NULL */
    void *dst;
} fc_dot_rows;

void fc_dot_rows_execute(const fc_dot_rows *rows, int threads);

#endif
