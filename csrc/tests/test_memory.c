/* test_memory.c: the pool of results and scratch, and plain engine memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/limits.h"
#include "../base/memory.h"
#include "check.h"

#define MIB ((size_t)1 << 20)

static fc_memory_info query(void) {
    fc_memory_info info = {.struct_size = sizeof info};
    fc_memory_query(&info);
    return info;
}

static bool aligned(const void *ptr) { return (uintptr_t)ptr % FC_CACHE_LINE == 0; }

static void test_default_limit(void) {
    CHECK(query().limit_bytes == fc_usable_memory() / 4);
    fc_memory_info old = {.struct_size = offsetof(fc_memory_info, peak_bytes), .peak_bytes = 77};
    fc_memory_query(&old);
    CHECK(old.peak_bytes == 77); /* beyond the caller's struct: untouched */
}

static void test_blocks(void) {
    size_t before = query().in_use_bytes;
    for (size_t bytes = 0; bytes < 70 * MIB; bytes += bytes / 37 + 1) {
        unsigned char *block = fc_pool_acquire(bytes);
        if (!CHECK(block != NULL)) return;
        CHECK(aligned(block));
        if (bytes) block[0] = block[bytes - 1] = 1;
        /* The promise: an eighth, or one line where an eighth is less. The header is a line. */
        size_t taken = query().in_use_bytes - before, least = bytes + FC_CACHE_LINE;
        CHECK_AT(taken >= least && (taken < least + 64 || taken <= least + least / 8),
                 "%zu for %zu", taken, bytes);
        fc_pool_release(block);
    }
    CHECK(query().in_use_bytes == before);
    fc_pool_release(NULL);

    void *empty = fc_pool_acquire(0), *other = fc_pool_acquire(0);
    CHECK(empty && other && empty != other && aligned(empty) && aligned(other));
    fc_pool_release(empty);
    fc_pool_release(other);

    const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, (size_t)1 << 62,
                             ((size_t)1 << 47) - 63, ((size_t)1 << 47) - 64};
    for (int i = 0; i < 6; i++) CHECK_AT(!fc_pool_acquire(absurd[i]), "%zu", absurd[i]);
    CHECK(query().in_use_bytes == before);
}

static void test_reuse(void) {
    fc_pool_trim();
    fc_memory_info start = query();
    CHECK(start.cached_bytes == 0);
    char *a = fc_pool_acquire(100000), *b = fc_pool_acquire(100000);
    CHECK(a != b && query().misses == start.misses + 2);
    CHECK(query().peak_bytes >= query().in_use_bytes);
    fc_pool_release(a);
    fc_pool_release(b);
    CHECK(query().cached_bytes >= 200000);
    CHECK(fc_pool_acquire(100000 - 500) == b); /* last released, first reused */
    CHECK(fc_pool_acquire(100000) == a);
    CHECK(query().hits == start.hits + 2);
    fc_pool_release(a);
    /* A cached block much larger than the request stays where it is. */
    char *small = fc_pool_acquire(80000);
    CHECK(small && small != a);
    /* Scratch takes it, whole, unless it is small or there is one of its own class. */
    const uint64_t misses = query().misses, in_use = query().in_use_bytes, cached = query().cached_bytes;
    char *scratch = fc_pool_acquire_scratch(70000), *again = fc_pool_acquire_scratch(70000);
    CHECK(scratch == a && query().misses == misses + 1 && again != a);
    memset(scratch, 1, 70000);
    fc_pool_release(scratch);
    fc_pool_release(again);
    CHECK(query().in_use_bytes == in_use && query().cached_bytes > cached);
    CHECK(fc_pool_acquire_scratch(70000) == again);
    CHECK(fc_pool_acquire_scratch(99000) == a);
    fc_pool_release(again);
    fc_pool_release(a);
    fc_pool_trim();
    a = fc_pool_acquire(2 * MIB);
    fc_pool_release(a);
    CHECK((scratch = fc_pool_acquire_scratch((1 << 16) - 1)) != a); /* small */
    CHECK((again = fc_pool_acquire_scratch(2 * MIB / 17)) != a);    /* too large a block */
    fc_pool_release(scratch), fc_pool_release(again);
    fc_pool_release(small);
    fc_pool_release(b);
    fc_pool_trim();
    CHECK(query().cached_bytes == 0 && query().in_use_bytes == start.in_use_bytes);
}

static long page_faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

static void test_no_page_faults(void) {
    const size_t sizes[] = {64 << 10, MIB, 3 * MIB, 8 * MIB, 33 * MIB};
    enum { ROUNDS = 40 };
    for (int i = 0; i < 5; i++) {
        long before = 0;
        for (int round = -1; round < ROUNDS; round++) {
            if (round == 0) before = page_faults();
            char *block = fc_pool_acquire(sizes[i]);
            if (!CHECK(block != NULL)) return;
            memset(block, round, sizes[i]);
            fc_pool_release(block);
        }
        /* None is the rule; an emulator or a sanitizer has a few of its own. */
        CHECK_AT(page_faults() - before < ROUNDS / 4, "%zu bytes: %ld faults", sizes[i],
                 page_faults() - before);
    }
    fc_pool_trim();
}

static void test_cap(void) {
    uint64_t usual = query().limit_bytes;
    fc_pool_trim();
    fc_pool_set_limit(10 * MIB);
    CHECK(query().limit_bytes == 10 * MIB);

    /* However many sizes pass through, the cache stays within its limit. */
    for (size_t bytes = 1000; bytes < 12 * MIB; bytes += bytes / 11) {
        fc_pool_release(fc_pool_acquire(bytes));
        CHECK(query().cached_bytes <= 10 * MIB);
    }
    fc_pool_trim();

    /* The oldest leaves first, so that what a program repeats stays. */
    void *old = fc_pool_acquire(3 * MIB), *middle = fc_pool_acquire(4 * MIB);
    void *fresh = fc_pool_acquire(5 * MIB);
    fc_pool_release(old);
    fc_pool_release(middle);
    fc_pool_release(fresh); /* 12 MiB and more: the first must go */
    uint64_t misses = query().misses;
    CHECK(fc_pool_acquire(4 * MIB) == middle && fc_pool_acquire(5 * MIB) == fresh);
    CHECK(query().misses == misses && query().cached_bytes == 0);
    fc_pool_release(middle);
    fc_pool_release(fresh);

    /* A block above the limit goes straight back and takes nobody along. */
    uint64_t cached = query().cached_bytes;
    fc_pool_release(fc_pool_acquire(11 * MIB));
    CHECK(query().cached_bytes == cached);

    fc_pool_set_limit(5 * MIB);
    CHECK(query().cached_bytes <= 5 * MIB);
    fc_pool_set_limit(0);
    fc_pool_release(fc_pool_acquire(100));
    CHECK(query().cached_bytes == 0);
    fc_pool_set_limit(usual);
}

static void test_failing(void) {
    fc_memory_info before = query();
    fc_test_fail_allocation(1);
    CHECK(!fc_pool_acquire(64));
    CHECK(query().in_use_bytes == before.in_use_bytes && query().misses == before.misses);
    fc_pool_release(fc_pool_acquire(64)); /* disarmed by having fired */
    fc_test_fail_allocation(3);
    void *hit = fc_pool_acquire(64), *plain = fc_alloc_zero(100);
    CHECK(hit && plain && !fc_alloc_zero(100));
    fc_test_fail_allocation(1);
    CHECK(!fc_alloc_zero(0));
    fc_test_fail_allocation(2);
    fc_test_fail_allocation(0);
    for (int i = 0; i < 3; i++) fc_free(fc_alloc_zero(1));
    fc_test_fail_allocation(-5);
    void *fine = fc_alloc_zero(1);
    CHECK(fine != NULL);
    fc_free(fine);
    fc_free(plain);
    fc_pool_release(hit);
}

static void test_plain(void) {
    for (size_t bytes = 0; bytes < 300000; bytes += bytes / 3 + 1) {
        unsigned char *ptr = fc_alloc_zero(bytes);
        if (!CHECK(ptr && aligned(ptr))) return;
        bool zero = true;
        for (size_t i = 0; i < bytes; i++) zero = zero && ptr[i] == 0;
        CHECK(zero);
        memset(ptr, 0xff, bytes); /* the next one must be cleared again */
        fc_free(ptr);
    }
    fc_free(NULL);
    CHECK(!fc_alloc_zero(SIZE_MAX) && !fc_alloc_zero(PTRDIFF_MAX));
}

/* ---- many threads --------------------------------------------------------------------------- */

enum { HAMMERS = 8, HELD = 12 };

/* Blocks that travel: released by another thread than the one that acquired them. */
static pthread_mutex_t travel_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t *travelling;
static atomic_int rounds_each;

static void fill(uint64_t *block, size_t words, uint64_t mark) {
    block[0] = words;
    for (size_t i = 1; i < words; i++) block[i] = mark + i;
}

static bool intact(const uint64_t *block) {
    for (size_t i = 2; i < block[0]; i++)
        if (block[i] != block[i - 1] + 1) return false;
    return true;
}

static void *hammer(void *argument) {
    unsigned seed = 1 + (unsigned)(uintptr_t)argument;
    uint64_t *held[HELD] = {0};
    for (int round = 0; round < atomic_load(&rounds_each); round++) {
        int slot = rand_r(&seed) % HELD;
        if (held[slot]) {
            CHECK(intact(held[slot]));
            pthread_mutex_lock(&travel_lock);
            uint64_t *swap = travelling;
            travelling = held[slot];
            held[slot] = swap;
            pthread_mutex_unlock(&travel_lock);
            if (held[slot]) CHECK(intact(held[slot]));
            fc_pool_release(held[slot]);
        }
        size_t words = 2 + (size_t)rand_r(&seed) % (round % 64 ? 2000 : 200000);
        held[slot] = fc_pool_acquire(words * 8);
        if (!CHECK(held[slot] != NULL)) return NULL;
        fill(held[slot], words, (uint64_t)rand_r(&seed) << 32);
        if (round % 500 == 0) fc_pool_trim();
    }
    for (int i = 0; i < HELD; i++) fc_pool_release(held[i]);
    return NULL;
}

static void start(pthread_t *threads, int rounds) {
    atomic_store(&rounds_each, rounds);
    for (uintptr_t i = 0; i < HAMMERS; i++)
        CHECK(!pthread_create(&threads[i], NULL, hammer, (void *)i));
}

static void finish(pthread_t *threads) {
    for (int i = 0; i < HAMMERS; i++) pthread_join(threads[i], NULL);
    fc_pool_release(travelling);
    travelling = NULL;
}

static void test_threads(void) {
    uint64_t usual = query().limit_bytes, in_use = query().in_use_bytes;
    fc_pool_set_limit(MIB); /* low, so that eviction takes part */
    pthread_t threads[HAMMERS];
    start(threads, 4000);
    finish(threads);
    CHECK(query().in_use_bytes == in_use && query().cached_bytes <= MIB);
    fc_pool_set_limit(usual);
    fc_pool_trim();
}

/* A child must find the pool unlocked and whole, whatever other threads were doing. AddressSanitizer's
 * own allocator does not survive a fork beside threads that allocate, so there the fork is alone. */
#ifdef __SANITIZE_ADDRESS__
enum { FORK_ROUNDS = 0 };
#else
enum { FORK_ROUNDS = INT32_MAX };
#endif

static void test_fork(void) {
    pthread_t threads[HAMMERS];
    uint64_t *inherited = fc_pool_acquire(8000);
    fill(inherited, 1000, 42);
    start(threads, FORK_ROUNDS); /* until the last child is gone */
    for (int i = 0; i < 40; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            bool good = intact(inherited);
            fc_pool_release(inherited);
            for (size_t bytes = 1; bytes < 4 * MIB; bytes *= 3) {
                uint64_t *block = fc_pool_acquire(bytes * 16);
                fill(block, bytes * 2, 7);
                good = good && intact(block);
                fc_pool_release(block);
            }
            fc_pool_trim();
            good = good && query().cached_bytes == 0;
            _exit(good ? 0 : 1);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK_AT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %x", i, status);
    }
    atomic_store(&rounds_each, 0);
    finish(threads);
    CHECK(intact(inherited));
    fc_pool_release(inherited);
}

/* A double release must stop the program, not corrupt it. */
static void test_double_release(void) {
    pid_t child = fork();
    if (child == 0) {
        void *block = fc_pool_acquire(100);
        fclose(stderr);
        fc_pool_release(block);
        fc_pool_release(block);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
    test_default_limit();
    test_blocks();
    test_reuse();
    test_no_page_faults();
    test_cap();
    test_failing();
    test_plain();
    test_threads();
    test_fork();
    test_double_release();
    fc_pool_trim();
    CHECK(query().in_use_bytes == 0 && query().cached_bytes == 0);
    return check_summary("memory");
}
