/* runtime.c: start-up, what the machine and this build offer, and the measured roof. */
#include "plan.h"

#include "../base/cpu.h"
#include "registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static fc_status init_status;
static fc_isa detected, used;

/* The highest tier of this binary that is no higher than `cap`. */
static fc_isa highest_compiled(fc_isa cap) {
    uint64_t compiled = fc_registry_compiled();
    for (int isa = cap; isa > FC_ISA_SCALAR; isa--)
        if (compiled >> isa & 1) return (fc_isa)isa;
    return FC_ISA_SCALAR;
}

static void init(void) {
    fc_isa cap = detected = fc_cpu_detect();
    const char *name = getenv("FASTCONV_MAX_ISA");
    if (name && *name) {
        if (!fc_isa_parse(name, &cap)) {
            init_status = FC_ERR_UNKNOWN_ISA;
            return;
        }
        if (cap > detected) cap = detected;
    }
    used = highest_compiled(cap);
    fc_registry_fill(used);
}

fc_status fc_init(void) {
    pthread_once(&once, init);
    return init_status;
}

void fc_runtime_query(fc_runtime_info *info) {
    const fc_caches *caches = fc_cpu_caches();
    fc_runtime_info now = {
        .struct_size = info->struct_size,
        .isa_detected = detected,
        .isa_used = used,
#ifdef _OPENMP
        .openmp = 1,
#endif
        .cores = fc_cores(),
        .forked_child = fc_in_forked_child(),
        .isa_compiled = fc_registry_compiled(),
        .l1d_bytes = caches->l1d,
        .l2_bytes = caches->l2,
        .l3_bytes = caches->l3,
    };
    fc_copy_info(info, &now, info->struct_size, sizeof now);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct peak_job {
    const fc_kernels *kernels;
    ptrdiff_t rounds;
} peak_job;

static void run_peak(void *context, int worker, int workers) {
    (void)worker, (void)workers;
    const peak_job *job = context;
    double sink;
    fc_fma_peak_args args = {.dst = &sink, .count = job->rounds};
    job->kernels->fma_peak(&args);
}

double fc_measure_peak(fc_dtype dtype, int threads) {
    const double least = 1e-3; /* seconds: long against a region's start, short against a slice */
    peak_job job = {fc_registry_kernels(dtype), 1000};
    if (threads < 1 || fc_in_forked_child()) threads = 1;
    for (;; job.rounds *= 4) {
        double start = now();
        fc_parallel(threads, dtype, run_peak, &job);
        double seconds = now() - start;
        if (seconds >= least)
            return (double)threads * (double)job.rounds * job.kernels->peak_flops / seconds;
    }
}
