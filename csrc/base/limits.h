/* limits.h: what this process may use of the machine: cores and memory. */
#ifndef FC_BASE_LIMITS_H
#define FC_BASE_LIMITS_H

#include "status.h"

typedef struct fc_limits {
    int cores;       /* cgroup CPU quota rounded up; INT32_MAX: none */
    uint64_t memory; /* cgroup memory limit in bytes; UINT64_MAX: none */
} fc_limits;

/* The tightest cgroup v1 and v2 limits on the way from this process's groups to the root, as told
 * by files in the formats of /proc/self/cgroup and /proc/self/mountinfo (arguments so that tests
 * can bring their own). A file that is missing or unreadable sets no limit. */
fc_limits fc_limits_read(const char *cgroup_file, const char *mountinfo_file);

/* min(physical memory, cgroup limit) in bytes; read on each call. */
uint64_t fc_usable_memory(void);

#endif
