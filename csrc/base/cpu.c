/* cpu.c: instruction sets and cache sizes. */
#include "cpu.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#ifndef _WIN32
#include <unistd.h>
#endif

#if defined(__x86_64__)

#include <cpuid.h>

static const fc_isa tiers[] = {FC_ISA_SCALAR, FC_ISA_SSE2, FC_ISA_AVX2, FC_ISA_AVX512};

enum {
    LEAF1_ECX_FMA = 1 << 12,
    LEAF1_ECX_OSXSAVE = 1 << 27,
    LEAF1_ECX_AVX = 1 << 28,
    LEAF7_EBX_AVX2 = 1 << 5,
    LEAF7_EBX_AVX512F = 1 << 16,
    LEAF7_EBX_AVX512DQ = 1 << 17,
    LEAF7_EBX_AVX512BW = 1 << 30,
    XCR0_YMM = 0x06, /* xmm and upper halves of ymm */
    XCR0_ZMM = 0xe6  /* these, opmask, upper halves of zmm0-15, zmm16-31 */
};
#define LEAF7_EBX_AVX512VL (1u << 31)

static bool has_all(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

/* The register state that the operating system saves on a context switch. CPUID alone says what
 * the silicon can do: under a kernel (or hypervisor) that saves no zmm, using them is a fault.
 * As asm because the intrinsic wants -mxsave for the whole file. */
static uint32_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static fc_isa detect(void) {
    uint32_t a, b, c, d, ecx1;
    if (!__get_cpuid(1, &a, &b, &ecx1, &d)) return FC_ISA_SSE2; /* the x86-64 baseline */
    if (!has_all(ecx1, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX | LEAF1_ECX_FMA)) return FC_ISA_SSE2;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return FC_ISA_SSE2;
    uint32_t xcr0 = read_xcr0();
    if (!has_all(b, LEAF7_EBX_AVX2) || !has_all(xcr0, XCR0_YMM)) return FC_ISA_SSE2;
    if (!has_all(b, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW |
                        LEAF7_EBX_AVX512VL) ||
        !has_all(xcr0, XCR0_ZMM))
        return FC_ISA_AVX2;
    return FC_ISA_AVX512;
}

#elif defined(__aarch64__)

static const fc_isa tiers[] = {FC_ISA_SCALAR, FC_ISA_NEON};

/* Advanced SIMD is part of the architecture's baseline (and of its procedure call standard). */
static fc_isa detect(void) { return FC_ISA_NEON; }

#else

static const fc_isa tiers[] = {FC_ISA_SCALAR};

static fc_isa detect(void) { return FC_ISA_SCALAR; }

#endif

fc_isa fc_cpu_detect(void) {
    /* CPUID traps under a hypervisor, at microseconds a time. Threads that race here store the
     * same value. */
    static _Atomic int cached = -1;
    int isa = atomic_load_explicit(&cached, memory_order_relaxed);
    if (isa < 0) {
        isa = (int)detect();
        atomic_store_explicit(&cached, isa, memory_order_relaxed);
    }
    return (fc_isa)isa;
}

bool fc_isa_parse(const char *name, fc_isa *isa) {
    for (size_t i = 0; name && i < sizeof tiers / sizeof *tiers; i++)
        if (!strcmp(name, fc_isa_name(tiers[i]))) {
            *isa = tiers[i];
            return true;
        }
    return false;
}

/* ---- caches --------------------------------------------------------------------------------- */

static fc_caches caches;

#ifdef __linux__

static bool read_cache_file(int index, const char *name, char text[32]) {
    char path[80];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool found = fgets(text, 32, file) != NULL;
    fclose(file);
    return found;
}

/* The C library answers 0 on most aarch64 machines, and musl does not know the question. */
static void read_sysfs(void) {
    for (int index = 0; index < 8; index++) {
        char level[32], type[32], size[32], unit = 0;
        unsigned long amount = 0;
        if (!read_cache_file(index, "level", level) || !read_cache_file(index, "type", type) ||
            !read_cache_file(index, "size", size) || sscanf(size, "%lu%c", &amount, &unit) < 1 ||
            type[0] == 'I')
            continue;
        size_t bytes = (size_t)amount << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
        if (level[0] == '1') caches.l1d = bytes;
        if (level[0] == '2') caches.l2 = bytes;
        if (level[0] == '3') caches.l3 = bytes;
    }
}

#endif

#ifdef _SC_LEVEL1_DCACHE_SIZE

/* A sandbox may hide /sys; glibc on x86 asks CPUID. */
static void ask_sysconf(int name, size_t *size) {
    long bytes = *size ? 0 : sysconf(name);
    if (bytes > 0) *size = (size_t)bytes;
}

#endif

static void find_caches(void) {
#ifdef __linux__
    read_sysfs();
#endif
#ifdef _SC_LEVEL1_DCACHE_SIZE
    ask_sysconf(_SC_LEVEL1_DCACHE_SIZE, &caches.l1d);
    ask_sysconf(_SC_LEVEL2_CACHE_SIZE, &caches.l2);
    ask_sysconf(_SC_LEVEL3_CACHE_SIZE, &caches.l3);
#endif
    if (!caches.l1d) caches.l1d = (size_t)32 << 10;
    if (!caches.l2) caches.l2 = (size_t)1 << 20;
    if (!caches.l3) caches.l3 = (size_t)16 << 20;
}

const fc_caches *fc_cpu_caches(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_caches);
    return &caches;
}
