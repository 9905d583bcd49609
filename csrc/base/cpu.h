/* cpu.h: what the machine offers, asked once. */
#ifndef FC_BASE_CPU_H
#define FC_BASE_CPU_H

#include "status.h"

/* Highest tier that both the CPU (CPUID, HWCAP) and the operating system (XCR0) support. */
fc_isa fc_cpu_detect(void);

/* Parses a tier's name for this architecture ("scalar", "sse2", "avx2", "avx512" on x86-64;
 * "scalar", "neon" on aarch64). false: unknown here. */
bool fc_isa_parse(const char *name, fc_isa *isa);

typedef struct fc_caches {
    size_t l1d, l2, l3; /* bytes; sensible defaults where the system does not say */
} fc_caches;

const fc_caches *fc_cpu_caches(void);

#endif
