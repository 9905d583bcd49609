/* index_rows.h: the way of pool_indices for whole lines of windows. */
#ifndef FC_DRIVER_INDEX_ROWS_H
#define FC_DRIVER_INDEX_ROWS_H

#include "driver.h"

/* Whether it can take these windows, and is worth it. */
bool fc_index_rows_fit(const fc_pool_problem *problem);
size_t fc_index_rows_scratch_bytes(const fc_pool_problem *problem, int threads);
void fc_index_rows_execute(const fc_pool_problem *problem, const fc_args *args, void *scratch,
                           int threads);

#endif
