/* registry.h: the table of micro-kernels in use. Scalar fills it first; each tier up to the one in
 * use overwrites. */
#ifndef FC_PLAN_REGISTRY_H
#define FC_PLAN_REGISTRY_H

#include "../ukr/ukr.h"

/* Fills the tables for `isa` and the tiers below it. Called once, by fc_init. */
void fc_registry_fill(fc_isa isa);

const fc_kernels *fc_registry_kernels(fc_dtype dtype);

/* Bit 1 << fc_isa for each tier in this binary. */
uint64_t fc_registry_compiled(void);

#endif
