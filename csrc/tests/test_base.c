/* test_base.c: status words, work splitting, CPU detection, the limits of the process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cpu.h"
#include "../base/limits.h"
#include "check.h"

static void check_distinct(const char *const *names, int count) {
    for (int i = 0; i < count; i++) {
        CHECK(names[i] && *names[i]);
        for (int j = 0; j < i; j++)
            CHECK_AT(strcmp(names[i], names[j]), "%s twice", names[i]);
    }
}

static void test_names(void) {
    const fc_status codes[] = {FC_OK, FC_ERR_INVALID_ARGUMENT, FC_ERR_INVALID_SHAPE,
                               FC_ERR_OVERFLOW, FC_ERR_VERSION, FC_ERR_UNSUPPORTED,
                               FC_ERR_OUT_OF_MEMORY, FC_ERR_UNKNOWN_ISA, (fc_status)9999};
    enum { CODES = sizeof codes / sizeof *codes };
    const char *names[CODES + FC_ALGO_COUNT];
    for (int i = 0; i < CODES; i++) names[i] = fc_status_str(codes[i]);
    check_distinct(names, CODES);

    for (int i = 0; i <= FC_ALGO_COUNT; i++) names[i] = fc_algorithm_name((fc_algorithm)i);
    check_distinct(names, FC_ALGO_COUNT + 1); /* the last is "unknown" */
    CHECK(!strcmp(fc_algorithm_name(FC_ALGO_1X1), "1x1"));
    CHECK(!strcmp(fc_algorithm_name(FC_ALGO_POOL_INDICES), "pool_indices"));
    CHECK(!strcmp(fc_isa_name((fc_isa)77), "unknown"));
}

static void test_split(void) {
    const int64_t totals[] = {0, 1, 2, 7, 13, 64, 255, 256, 257, 1000003, INT64_MAX};
    for (size_t t = 0; t < sizeof totals / sizeof *totals; t++)
        for (int64_t parts = 1; parts <= 256; parts++) {
            int64_t total = totals[t], reached = 0, smallest = INT64_MAX, largest = 0;
            bool joined = true;
            for (int64_t i = 0; i < parts; i++) {
                int64_t begin, end;
                fc_split(total, parts, i, &begin, &end);
                joined = joined && begin == reached && end >= begin;
                smallest = fc_min64(smallest, end - begin);
                largest = fc_max64(largest, end - begin);
                reached = end;
            }
            CHECK_AT(joined && reached == total, "%lld in %lld", (long long)total,
                     (long long)parts);
            CHECK_AT(largest - smallest <= 1, "%lld in %lld", (long long)total, (long long)parts);
        }
}

static void test_cpu(void) {
    fc_isa isa = fc_cpu_detect(), parsed = FC_ISA_SCALAR;
    CHECK(fc_isa_parse(fc_isa_name(isa), &parsed) && parsed == isa);
    CHECK(fc_isa_parse("scalar", &parsed) && parsed == FC_ISA_SCALAR);
    parsed = FC_ISA_AVX2;
    const char *unknown[] = {"", "AVX2", "avx", "avx5120", " avx2", "sve", "unknown", NULL};
    for (int i = 0; i < 8; i++) CHECK(!fc_isa_parse(unknown[i], &parsed) && parsed == FC_ISA_AVX2);
#ifdef __x86_64__
    CHECK(isa >= FC_ISA_SSE2 && isa <= FC_ISA_AVX512);
    CHECK(fc_isa_parse("avx512", &parsed) && parsed == FC_ISA_AVX512);
    CHECK(!fc_isa_parse("neon", &parsed));
    /* The compiler's own detection looks at XCR0 too. */
    __builtin_cpu_init();
    CHECK((isa >= FC_ISA_AVX2) ==
          (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
    CHECK((isa == FC_ISA_AVX512) ==
          (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")));
#endif
#ifdef __aarch64__
    CHECK(isa == FC_ISA_NEON);
    CHECK(!fc_isa_parse("avx2", &parsed));
#endif
    const fc_caches *caches = fc_cpu_caches();
    CHECK(caches == fc_cpu_caches());
    CHECK(caches->l1d >= 4096 && caches->l1d <= caches->l2 && caches->l2 <= caches->l3);
}

/* ---- limits, on made-up control files ------------------------------------------------------- */

static char sandbox[256];

/* printf into a path below the sandbox, kept until the next call but three. */
static const char *below(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", sandbox, name);
    return path;
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(below(name), "w");
    if (!CHECK_AT(file != NULL, "%s", name)) return;
    fputs(text, file);
    fclose(file);
}

static void make_directories(const char *const *names) {
    for (; *names; names++) CHECK(!mkdir(below(*names), 0700));
}

static fc_limits read_limits(const char *cgroup, const char *mountinfo_format) {
    char mounts[2048];
    write_file("cgroup", cgroup);
    char *out = mounts;
    for (const char *in = mountinfo_format; *in; in++)
        out += *in == '@' ? sprintf(out, "%s", sandbox) : sprintf(out, "%c", *in);
    write_file("mountinfo", mounts);
    return fc_limits_read(below("cgroup"), below("mountinfo"));
}

static void test_limits(void) {
    const char *directory = getenv("TMPDIR");
    snprintf(sandbox, sizeof sandbox, "%s/fastconv-XXXXXX", directory ? directory : P_tmpdir);
    if (!CHECK(mkdtemp(sandbox) != NULL)) return;
    make_directories(
        (const char *[]){"v2", "v2/a", "v2/a/b", "cpu", "cpu/c", "mem", "mem/m", NULL});

    fc_limits limits = fc_limits_read(below("absent"), below("absent"));
    CHECK(limits.cores == INT32_MAX && limits.memory == UINT64_MAX);

    /* Version 2: the tightest level counts, whichever it is; quotas round up. */
    write_file("v2/a/cpu.max", "150000 100000\n");
    write_file("v2/a/b/cpu.max", "max 100000\n");
    write_file("v2/a/memory.max", "max\n");
    write_file("v2/a/b/memory.max", "1073741824\n");
    const char *unified = "30 23 0:26 / @/v2 rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    limits = read_limits("0::/a/b\n", unified);
    CHECK_AT(limits.cores == 2, "%d", limits.cores);
    CHECK(limits.memory == 1073741824);
    limits = read_limits("0::/a\n", unified);
    CHECK(limits.cores == 2 && limits.memory == UINT64_MAX);
    limits = read_limits("0::/\n", unified);
    CHECK(limits.cores == INT32_MAX && limits.memory == UINT64_MAX);

    /* A container without a cgroup namespace sees its own group as the mount's root; one with a
     * namespace may be outside of it. */
    limits = read_limits("0::/docker/x/b\n", "30 23 0:26 /docker/x @/v2/a rw - cgroup2 none rw\n");
    CHECK(limits.cores == 2 && limits.memory == 1073741824);
    limits = read_limits("0::/docker/xb\n", "30 23 0:26 /docker/x @/v2/a rw - cgroup2 none rw\n");
    CHECK(limits.cores == 2 && limits.memory == UINT64_MAX);
    limits = read_limits("0::/../b\n", "30 23 0:26 / @/v2/a rw - cgroup2 none rw\n");
    CHECK(limits.cores == 2 && limits.memory == UINT64_MAX);

    /* Version 1: one hierarchy a controller, beside an empty unified one. */
    write_file("cpu/cpu.cfs_quota_us", "-1\n");
    write_file("cpu/cpu.cfs_period_us", "100000\n");
    write_file("cpu/c/cpu.cfs_quota_us", "300000\n");
    write_file("cpu/c/cpu.cfs_period_us", "100000\n");
    write_file("mem/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("mem/m/memory.limit_in_bytes", "536870912\n");
    const char *hybrid = "31 30 0:27 / @/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                         "a line that makes no sense\n"
                         "32 30 0:28 / @/mem rw - cgroup cgroup rw,memory\n"
                         "33 30 0:29 / @/v2 rw - cgroup2 cgroup2 rw\n";
    limits = read_limits("5:memory:/m\n4:cpuset:/x\n3:cpuacct,cpu:/c\n0::/\n", hybrid);
    CHECK_AT(limits.cores == 3, "%d", limits.cores);
    CHECK(limits.memory == 536870912);
    limits = read_limits("5:memory:/\n4:cpuset:/c\n3:cpuacct,cpu:/\n0::/\n", hybrid);
    CHECK(limits.cores == INT32_MAX && limits.memory == 9223372036854771712u);

    char command[512];
    snprintf(command, sizeof command, "rm -r '%s'", sandbox);
    CHECK(!system(command));
}

static void test_cores(void) {
    CHECK(fc_cores() >= 1);
    CHECK(fc_usable_memory() >= 1 << 20);
#ifdef __linux__
    cpu_set_t before, one;
    if (!CHECK(!sched_getaffinity(0, sizeof before, &before))) return;
    CHECK(fc_cores() <= CPU_COUNT(&before));
    int first = 0;
    while (!CPU_ISSET(first, &before)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK(!sched_setaffinity(0, sizeof one, &one));
    CHECK(fc_cores() == 1);
    CHECK(!sched_setaffinity(0, sizeof before, &before));
#endif
}

int main(void) {
    test_names();
    test_split();
    test_cpu();
    test_limits();
    test_cores();
    return check_summary("base");
}
