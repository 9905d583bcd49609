/* memory.h: every allocation of the engine. The public part (the pool) is in fastconv.h. */
#ifndef FC_BASE_MEMORY_H
#define FC_BASE_MEMORY_H

#include "status.h"

/* Plain aligned memory for plans and the like: zeroed, honours the test hook. 0 bytes give a valid
 * pointer; NULL when memory is out or the size overflows. */
void *fc_alloc_zero(size_t bytes);
void fc_free(void *ptr);

/* For the pool alone: memory straight from the system, 64-byte aligned, `bytes` a multiple of 64.
 * From FC_MAPPED_BYTES up it is a mapping of its own, in huge pages where the system has them. */
#define FC_MAPPED_BYTES ((size_t)1 << 20)
void *fc_system_acquire(size_t bytes);
void fc_system_release(void *ptr, size_t bytes);

/* From the pool, for as long as one call: of 64 KiB and more, a block that lies there may be up to sixteen
 * times larger. */
void *fc_pool_acquire_scratch(size_t bytes);

/* Counts one allocation for fc_test_fail_allocation; true: this is the one that must fail. */
bool fc_allocation_must_fail(void);

#endif
