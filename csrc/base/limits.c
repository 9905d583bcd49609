/* limits.c: cores and memory that this process may use. A container is given a slice of a machine
 * by its cgroups; an engine that looks at the hardware alone starts 64 threads on a quota of two
 * cores, or caches itself into the out-of-memory killer. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* CPU_ALLOC, sched_getaffinity */
#endif
#include "limits.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

#ifdef __linux__

/* First line of `directory`/`name` into `text`; false when there is none. */
static bool read_line(const char *directory, const char *name, char *text, int size) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || length >= (int)sizeof path) return false;
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool found = fgets(text, size, file) != NULL;
    fclose(file);
    return found;
}

/* Rounded up: a quota of 1.5 cores runs two threads 1.5 times as fast as one. */
static void lower_cores(fc_limits *limits, long long quota, long long period) {
    if (quota <= 0 || period <= 0) return; /* -1: no quota */
    int64_t cores = fc_div_up(quota, period);
    if (cores < limits->cores) limits->cores = (int)cores;
}

static void lower_memory(fc_limits *limits, const char *text) {
    unsigned long long bytes;
    /* "max" does not parse; version 1 says "none" by a number above any machine's memory. */
    if (sscanf(text, "%llu", &bytes) == 1 && bytes < limits->memory) limits->memory = bytes;
}

/* Reads whichever control files one group has: a name exists in one cgroup version only. */
static void read_group(const char *directory, fc_limits *limits) {
    char text[128], more[128];
    long long quota, period;
    if (read_line(directory, "cpu.max", text, sizeof text) &&
        sscanf(text, "%lld %lld", &quota, &period) == 2)
        lower_cores(limits, quota, period);
    if (read_line(directory, "cpu.cfs_quota_us", text, sizeof text) &&
        read_line(directory, "cpu.cfs_period_us", more, sizeof more) &&
        sscanf(text, "%lld", &quota) == 1 && sscanf(more, "%lld", &period) == 1)
        lower_cores(limits, quota, period);
    if (read_line(directory, "memory.max", text, sizeof text)) lower_memory(limits, text);
    if (read_line(directory, "memory.limit_in_bytes", text, sizeof text))
        lower_memory(limits, text);
}

/* Whether the comma-separated `list` holds `word`. */
static bool list_has(const char *list, const char *word) {
    size_t length = strlen(word);
    while (list) {
        if (!strncmp(list, word, length) && (list[length] == ',' || !list[length])) return true;
        list = strchr(list, ',');
        if (list) list++;
    }
    return false;
}

/* Our group in the hierarchy that carries `controller` ("" for version 2), from lines of the form
 * "id:controllers:path". */
static bool find_group(const char *cgroup_file, const char *controller, char *group, int size) {
    FILE *file = fopen(cgroup_file, "re");
    if (!file) return false;
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (!found && getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        controllers++;
        if (*controller ? list_has(controllers, controller) : !*controllers)
            found = snprintf(group, (size_t)size, "%s", path) < size;
    }
    free(line);
    fclose(file);
    return found;
}

/* Walks from our group up to where its hierarchy is mounted: a limit binds at any level. */
static void walk_up(const char *mount, const char *root, const char *group, fc_limits *limits) {
    /* In a container `root` is the part of the hierarchy that the mount shows. A group outside it
     * ("/../x" under a cgroup namespace) is invisible: only the mount itself can be asked. */
    size_t skip = strcmp(root, "/") ? strlen(root) : 0;
    bool inside = !strncmp(group, root, skip) && (group[skip] == '/' || !group[skip]) &&
                  strncmp(group, "/..", 3);
    char directory[PATH_MAX];
    int length =
        snprintf(directory, sizeof directory, "%s%s", mount, inside ? group + skip : "");
    if (length < 0 || length >= (int)sizeof directory) return;
    size_t mount_length = strlen(mount);
    for (;;) {
        read_group(directory, limits);
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < mount_length) return;
        *slash = 0;
    }
}

fc_limits fc_limits_read(const char *cgroup_file, const char *mountinfo_file) {
    fc_limits limits = {.cores = INT32_MAX, .memory = UINT64_MAX};
    FILE *file = fopen(mountinfo_file, "re");
    if (!file) return limits;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0) {
        /* id parent major:minor root mount options [optional…] - type source super-options */
        char root[PATH_MAX], mount[PATH_MAX], type[16], super[256], group[PATH_MAX];
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(tail, " - %15s %*s %255s", type, super) != 2) continue;
        if (strncmp(type, "cgroup", 6)) continue;
        if (strlen(line) >= PATH_MAX || sscanf(line, "%*s %*s %*s %s %s", root, mount) != 2)
            continue;
        const char *controllers[] = {"cpu", "memory"};
        if (!strcmp(type, "cgroup2")) {
            if (find_group(cgroup_file, "", group, sizeof group))
                walk_up(mount, root, group, &limits);
            continue;
        }
        for (int i = 0; i < 2; i++)
            if (list_has(super, controllers[i]) &&
                find_group(cgroup_file, controllers[i], group, sizeof group))
                walk_up(mount, root, group, &limits);
    }
    free(line);
    fclose(file);
    return limits;
}

/* CPUs in the calling thread's affinity mask, 0 when the system does not say. */
static int affinity_cores(void) {
    /* The kernel refuses a mask shorter than its own, whose length it does not tell. */
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
        cpu_set_t *mask = CPU_ALLOC((size_t)cpus);
        if (!mask) return 0;
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        bool known = !sched_getaffinity(0, bytes, mask);
        int count = known ? CPU_COUNT_S(bytes, mask) : 0;
        CPU_FREE(mask);
        if (known) return count;
    }
    return 0;
}

#else

fc_limits fc_limits_read(const char *cgroup_file, const char *mountinfo_file) {
    (void)cgroup_file, (void)mountinfo_file; /* cgroups are Linux's */
    return (fc_limits){.cores = INT32_MAX, .memory = UINT64_MAX};
}

static int affinity_cores(void) { return 0; }

#endif

static int online_cores(void) {
#ifdef _WIN32
    return (int)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
#else
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
}

static uint64_t physical_memory(void) {
#ifdef _WIN32
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    return GlobalMemoryStatusEx(&memory) ? memory.ullTotalPhys : UINT64_MAX;
#else
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
#endif
}

static fc_limits process_limits(void) {
    return fc_limits_read("/proc/self/cgroup", "/proc/self/mountinfo");
}

uint64_t fc_usable_memory(void) {
    uint64_t physical = physical_memory(), limit = process_limits().memory;
    return physical < limit ? physical : limit;
}

static int quota_cores;

static void read_quota(void) { quota_cores = process_limits().cores; }

int fc_cores(void) {
    /* Every operation may ask. The affinity mask is one system call and changes in practice
     * (taskset, a pool that pins its workers); the quota is a dozen files and does not. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_quota);
    int cores = affinity_cores();
    if (cores <= 0) cores = online_cores();
    if (cores > quota_cores) cores = quota_cores;
    return cores > 0 ? cores : 1;
}
