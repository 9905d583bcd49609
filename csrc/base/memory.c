/* memory.c: memory from the system, and the hook that makes it fail for tests. */
#include "memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <malloc.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

/* ---- the test hook -------------------------------------------------------------------------- */

static _Atomic int64_t failing; /* allocations until the one that fails; 0: disarmed */

void fc_test_fail_allocation(int64_t nth) { atomic_store(&failing, nth > 0 ? nth : 0); }

bool fc_allocation_must_fail(void) {
    int64_t left = atomic_load_explicit(&failing, memory_order_relaxed);
    /* Not a plain decrement: two threads at 1 must not take it to -1, nor fail twice. */
    while (left > 0)
        if (atomic_compare_exchange_weak(&failing, &left, left - 1)) return left == 1;
    return false;
}

/* ---- small and plain memory ----------------------------------------------------------------- */

static void *aligned_acquire(size_t bytes) {
#ifdef _WIN32
    return _aligned_malloc(bytes, FC_CACHE_LINE);
#else
    return aligned_alloc(FC_CACHE_LINE, bytes);
#endif
}

static void aligned_release(void *ptr) {
#ifdef _WIN32
    _aligned_free(ptr);
#else
    free(ptr);
#endif
}

void *fc_alloc_zero(size_t bytes) {
    if (fc_allocation_must_fail() || bytes > PTRDIFF_MAX - FC_CACHE_LINE) return NULL;
    size_t rounded = (bytes + FC_CACHE_LINE - 1) / FC_CACHE_LINE * FC_CACHE_LINE;
    if (!rounded) rounded = FC_CACHE_LINE; /* aligned_alloc(0) may be NULL, which means failure */
    void *ptr = aligned_acquire(rounded);
    return ptr ? memset(ptr, 0, rounded) : NULL;
}

void fc_free(void *ptr) { aligned_release(ptr); }

/* ---- blocks of the pool --------------------------------------------------------------------- */

#ifndef _WIN32

#define HUGE_PAGE ((size_t)2 << 20)

/* A mapping of its own goes back to the system whole and at once, which a heap cannot promise. One
 * that holds a huge page starts on its boundary: first touch then costs one fault for 2 MiB
 * instead of 512, and the kernels walk it with few TLB misses. A tail shorter than a huge page
 * stays in small pages, so rounding costs no memory. */
static void *map_pages(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = bytes >= HUGE_PAGE ? bytes + HUGE_PAGE - page : bytes;
    char *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    if (room == bytes) return start;
    size_t before = (size_t)(-(uintptr_t)start % HUGE_PAGE);
    size_t after = room - bytes - before;
    if (before) munmap(start, before);
    if (after) munmap(start + before + bytes, after);
#ifdef MADV_HUGEPAGE
    madvise(start + before, bytes, MADV_HUGEPAGE); /* advice: a kernel without them says no */
#endif
    return start + before;
}

#endif

void *fc_system_acquire(size_t bytes) {
#ifndef _WIN32
    if (bytes >= FC_MAPPED_BYTES) return map_pages(bytes);
#endif
    return aligned_acquire(bytes);
}

void fc_system_release(void *ptr, size_t bytes) {
#ifndef _WIN32
    if (bytes >= FC_MAPPED_BYTES) {
        munmap(ptr, bytes);
        return;
    }
#endif
    (void)bytes; /* the heap knows */
    aligned_release(ptr);
}
