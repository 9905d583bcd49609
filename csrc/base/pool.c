/* pool.c: the engine's one pool of results and scratch.
 *
 * Fresh memory from the system costs a page fault and a clearing for every page, which for a
 * memory-bound operation is more than the operation. So a released block is kept and handed to the
 * next request of its size class.
 *
 *     block:  | header, 64 bytes | the caller's bytes (64-byte aligned) | slack |
 *             '------------------- bytes of the size class ---------------------'
 *
 * - Size classes: multiples of 64 bytes up to 512, then 8 for each power of two. A result's block is of its
 *   own class, so at most an eighth of it (or 64 bytes) is slack, for cached blocks too. Scratch, which comes
 *   back at once, takes the next larger block that is cached: else each layer of a network kept its own.
 * - The cached bytes never exceed the limit. What goes first is what was released longest ago: a
 *   program that repeats itself keeps the blocks of its last round, the left-overs of sizes it has
 *   moved on from leave. (Largest first would throw out the hot result of the biggest layer again
 *   and again.) A block above the limit is never kept.
 * - Within a class the last released block is the first reused: its lines are likely in cache.
 * - The lock is held for a few pointer writes; the system is called outside it. */
#include "memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

#ifdef __SANITIZE_ADDRESS__ /* gcc's way to say it; the other is clang's */
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#define ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define ADDRESS_SANITIZER 0
#endif

/* The sanitizer takes a block for one live allocation unless told which bytes nobody may touch:
 * slack, header, and all of a cached block. */
#if ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define FORBID(start, bytes) ASAN_POISON_MEMORY_REGION(start, bytes)
#define ALLOW(start, bytes) ASAN_UNPOISON_MEMORY_REGION(start, bytes)
#else
#define FORBID(start, bytes) ((void)0)
#define ALLOW(start, bytes) ((void)0)
#endif

enum block_state { BLOCK_IN_USE = 0x5e5e1234, BLOCK_CACHED = 0x3c3c4321 };

typedef struct block {
    struct block *newer, *older; /* all cached blocks, by the time of their release */
    struct block *above, *below; /* the cached blocks of one class, a stack */
    size_t bytes;                /* header and slack included */
    uint32_t size_class;
    enum block_state state;
} block;

#define HEADER FC_CACHE_LINE
_Static_assert(sizeof(block) <= HEADER, "the header must not reach the caller's bytes");

#define LARGEST ((size_t)1 << 47) /* the user half of a 48-bit address space */
#define CLASSES (8 * (47 - 8))    /* class_of(LARGEST) + 1 */

static struct {
    pthread_mutex_t mutex;
    block *top[CLASSES];
    block *newest, *oldest;
    uint64_t in_use, cached, peak, limit; /* bytes of whole blocks */
    uint64_t hits, misses;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- size classes --------------------------------------------------------------------------- */

/* `bytes` in [1, LARGEST]. Classes 0 to 7 are 64, 128, … 512 bytes; the eight that follow divide
 * (512, 1024], the next eight (1024, 2048], and so on. */
static uint32_t class_of(size_t bytes) {
    if (bytes <= 512) return (uint32_t)((bytes - 1) / 64);
    uint32_t power = 63 - (uint32_t)__builtin_clzll(bytes - 1);
    return 8 * (power - 8) + (((bytes - 1) >> (power - 3)) & 7);
}

static size_t class_bytes(uint32_t size_class) {
    if (size_class < 8) return 64 * ((size_t)size_class + 1);
    uint32_t power = size_class / 8 + 8;
    return ((size_t)size_class % 8 + 9) << (power - 3);
}

/* ---- the lists; the lock is held ------------------------------------------------------------ */

static void push(block *b) {
    b->state = BLOCK_CACHED;
    b->older = pool.newest;
    b->newer = NULL;
    if (pool.newest) pool.newest->newer = b;
    else pool.oldest = b;
    pool.newest = b;

    block **top = &pool.top[b->size_class];
    b->below = *top;
    b->above = NULL;
    if (*top) (*top)->above = b;
    *top = b;
    pool.cached += b->bytes;
}

static void take(block *b) {
    if (b->newer) b->newer->older = b->older;
    else pool.newest = b->older;
    if (b->older) b->older->newer = b->newer;
    else pool.oldest = b->newer;

    if (b->above) b->above->below = b->below;
    else pool.top[b->size_class] = b->below;
    if (b->below) b->below->above = b->above;
    pool.cached -= b->bytes;
}

static void count_in_use(size_t bytes) {
    pool.in_use += bytes;
    if (pool.in_use > pool.peak) pool.peak = pool.in_use;
}

/* Takes the oldest blocks off the lists until `limit` holds; chained by `below` for give_back. */
static block *evict(uint64_t limit) {
    block *victims = NULL;
    while (pool.cached > limit) {
        block *b = pool.oldest;
        take(b);
        b->below = victims;
        victims = b;
    }
    return victims;
}

/* Without the lock. */
static void give_back(block *victims) {
    while (victims) {
        block *next = victims->below;
        ALLOW(victims, victims->bytes);
        fc_system_release(victims, victims->bytes);
        victims = next;
    }
}

/* ---- fork and start-up ---------------------------------------------------------------------- */

#ifndef _WIN32

static void lock_pool(void) { pthread_mutex_lock(&pool.mutex); }
static void unlock_pool(void) { pthread_mutex_unlock(&pool.mutex); }

/* Another thread may be inside the pool when one forks; the child would inherit a lock that nobody
 * opens and lists half-written. At load, because the first fork may come before the first call. */
__attribute__((constructor)) static void guard_fork(void) {
    pthread_atfork(lock_pool, unlock_pool, unlock_pool);
}

#endif

static void set_default_limit(void) { pool.limit = fc_usable_memory() / 4; }

/* Not at load: it reads files, which an import that computes nothing need not pay. */
static void ensure_limit(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_default_limit);
}

/* ---- public --------------------------------------------------------------------------------- */

/* A block of the class of so many bytes, or a cached one of up to `larger` classes above. */
static void *acquire(size_t bytes, uint32_t larger) {
    if (fc_allocation_must_fail() || bytes > LARGEST - HEADER) return NULL;
    uint32_t size_class = class_of(bytes + HEADER);
    size_t whole = class_bytes(size_class);

    pthread_mutex_lock(&pool.mutex);
    const uint32_t last = size_class + larger < CLASSES ? size_class + larger : CLASSES - 1;
    block *b = pool.top[size_class];
    for (uint32_t c = size_class; !b && c < last;) b = pool.top[++c];
    if (b) {
        take(b);
        whole = b->bytes;
        count_in_use(whole);
        pool.hits++;
    } else {
        pool.misses++;
    }
    pthread_mutex_unlock(&pool.mutex);

    if (!b) {
        b = fc_system_acquire(whole);
        if (!b) {
            fc_pool_trim(); /* what lies in the cache may be what is missing */
            b = fc_system_acquire(whole);
        }
        if (!b) return NULL;
        b->bytes = whole;
        b->size_class = size_class;
        pthread_mutex_lock(&pool.mutex);
        count_in_use(whole);
        pthread_mutex_unlock(&pool.mutex);
    }
    b->state = BLOCK_IN_USE;
    char *start = (char *)b + HEADER;
    ALLOW(start, bytes);
    FORBID(start + bytes, whole - HEADER - bytes);
    FORBID(b, HEADER);
    return start;
}

void *fc_pool_acquire(size_t bytes) { return acquire(bytes, 0); }

void *fc_pool_acquire_scratch(size_t bytes) {
    enum { SMALL = 1 << 16, LARGER = 32 }; /* sixteen times */
    return acquire(bytes, bytes < SMALL ? 0 : LARGER);
}

void fc_pool_release(void *start) {
    if (!start) return;
    block *b = (block *)((char *)start - HEADER);
    ALLOW(b, HEADER);
    /* A block released twice would soon belong to two arrays: stop while the culprit is on the
     * stack, as free() does. */
    if (b->state != BLOCK_IN_USE) abort();
    FORBID(start, b->bytes - HEADER);
    ensure_limit();

    block *victims = NULL;
    pthread_mutex_lock(&pool.mutex);
    pool.in_use -= b->bytes;
    if (b->bytes <= pool.limit) {
        push(b);
        victims = evict(pool.limit);
    } else {
        b->below = NULL;
        victims = b;
    }
    pthread_mutex_unlock(&pool.mutex);
    give_back(victims);
}

void fc_pool_trim(void) {
    pthread_mutex_lock(&pool.mutex);
    block *victims = evict(0);
    pthread_mutex_unlock(&pool.mutex);
    give_back(victims);
}

void fc_pool_set_limit(uint64_t bytes) {
    ensure_limit(); /* or the default would overwrite it later */
    pthread_mutex_lock(&pool.mutex);
    pool.limit = bytes;
    block *victims = evict(bytes);
    pthread_mutex_unlock(&pool.mutex);
    give_back(victims);
}

void fc_memory_query(fc_memory_info *info) {
    ensure_limit();
    pthread_mutex_lock(&pool.mutex);
    fc_memory_info now = {
        .struct_size = info->struct_size,
        .in_use_bytes = pool.in_use,
        .cached_bytes = pool.cached,
        .peak_bytes = pool.peak,
        .limit_bytes = pool.limit,
        .hits = pool.hits,
        .misses = pool.misses,
    };
    pthread_mutex_unlock(&pool.mutex);
    fc_copy_info(info, &now, info->struct_size, sizeof now);
}
