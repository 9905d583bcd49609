/* threads.c: parallel regions on OpenMP (or on the caller alone, built without it), with the
 * floating-point state that the kernels expect. */
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- floating-point state ------------------------------------------------------------------- */

/* Subnormals cost a microcode assist of some 150 cycles each on many CPUs; float32 networks meet
 * them in decaying activations. In float64 they are out of reach of real data and users expect
 * IEEE arithmetic, so there they stay. */

#if defined(__x86_64__)

#include <xmmintrin.h>

enum {
    MXCSR_DEFAULT = 0x1f80, /* all exceptions masked, round to nearest, no sticky flag */
    MXCSR_FTZ = 0x8000,     /* subnormal results become 0 */
    MXCSR_DAZ = 0x0040      /* subnormal operands count as 0 */
};

typedef uint32_t fp_state;

static fp_state fp_enter(fc_dtype dtype) {
    fp_state old = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT | (dtype == FC_F32 ? MXCSR_FTZ | MXCSR_DAZ : 0));
    return old;
}

static void fp_leave(fp_state old) { _mm_setcsr(old); }

uint64_t fc_test_fp_control(void) { return _mm_getcsr(); }

#elif defined(__aarch64__)

#define FPCR_FZ ((uint64_t)1 << 24) /* subnormal operands and results become 0 */

typedef struct fp_state {
    uint64_t control, status;
} fp_state;

static fp_state fp_enter(fc_dtype dtype) {
    fp_state old;
    uint64_t control = dtype == FC_F32 ? FPCR_FZ : 0; /* 0: to nearest, no traps */
    __asm__ volatile("mrs %0, fpcr" : "=r"(old.control)::"memory");
    __asm__ volatile("mrs %0, fpsr" : "=r"(old.status)::"memory");
    __asm__ volatile("msr fpcr, %0" ::"r"(control) : "memory");
    return old;
}

static void fp_leave(fp_state old) {
    __asm__ volatile("msr fpcr, %0" ::"r"(old.control) : "memory");
    __asm__ volatile("msr fpsr, %0" ::"r"(old.status) : "memory");
}

uint64_t fc_test_fp_control(void) {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control)::"memory");
    return control;
}

#else /* C's own means: everything but the flushing */

#include <fenv.h>

typedef fenv_t fp_state;

static fp_state fp_enter(fc_dtype dtype) {
    (void)dtype;
    fp_state old;
    fegetenv(&old);
    fesetenv(FE_DFL_ENV);
    return old;
}

static void fp_leave(fp_state old) { fesetenv(&old); }

uint64_t fc_test_fp_control(void) { return (uint64_t)fegetround(); }

#endif

/* ---- fork ----------------------------------------------------------------------------------- */

static atomic_bool forked_child;

bool fc_in_forked_child(void) {
    return atomic_load_explicit(&forked_child, memory_order_relaxed);
}

#ifndef _WIN32

static void note_child(void) { atomic_store(&forked_child, true); }

/* At load: the fork to know about may come before the first region. */
__attribute__((constructor)) static void watch_fork(void) {
    pthread_atfork(NULL, NULL, note_child);
}

#endif

#ifdef _OPENMP

static void tell_child_runs_serially(void) {
    static atomic_bool told;
    static const char text[] = "fastconv: running on one thread in a forked process; use the "
                               "'spawn' start method for parallel children\n";
    if (atomic_exchange(&told, true)) return;
    /* Not stdio: its buffers are the parent's, and it allocates. A closed stderr is no error. */
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
}

#endif

/* ---- regions -------------------------------------------------------------------------------- */

static void run_worker(fc_dtype dtype, fc_worker_fn fn, void *context, int worker, int workers) {
    fp_state old = fp_enter(dtype);
    fn(context, worker, workers);
    fp_leave(old);
}

void fc_parallel(int threads, fc_dtype dtype, fc_worker_fn fn, void *context) {
#ifdef _OPENMP
    if (threads > FC_MAX_THREADS) threads = FC_MAX_THREADS;
    /* Inside a region (ours or the caller's) the cores are already at work. */
    if (threads > 1 && !omp_in_parallel()) {
        if (!fc_in_forked_child()) {
#pragma omp parallel num_threads(threads)
            run_worker(dtype, fn, context, omp_get_thread_num(), omp_get_num_threads());
            return;
        }
        /* libgomp would wait for workers that exist only in the parent. */
        tell_child_runs_serially();
    }
#else
    (void)threads;
#endif
    run_worker(dtype, fn, context, 0, 1);
}

/* Each worker has a run of tasks of its own, and helps with the runs of others when it is through.
 * A repeated call then finds in a core's cache what this core touched the last time (handing tasks
 * out from one counter, a 3x3 layer of 64 channels at 56x56 took 1.14 times as long on two threads),
 * and a core that is slow or busy elsewhere is relieved all the same. */
enum { MOST_RUNS = 64 };

typedef struct run {
    _Alignas(FC_CACHE_LINE) _Atomic int64_t next; /* a line of its own: its worker writes it */
    int64_t end;
} run;

typedef struct tasks {
    run runs[MOST_RUNS];
    int count; /* of runs */
    fc_task_fn fn;
    void *context;
} tasks;

static void run_tasks(void *context, int worker, int workers) {
    (void)workers;
    tasks *t = context;
    for (int i = 0; i < t->count; i++) {
        run *r = &t->runs[(worker + i) % t->count];
        while (atomic_load_explicit(&r->next, memory_order_relaxed) < r->end) {
            int64_t task = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
            if (task < r->end) t->fn(t->context, task, worker);
        }
    }
}

void fc_parallel_tasks(int threads, fc_dtype dtype, int64_t count, fc_task_fn fn, void *context) {
    if (count <= 0) return;
    threads = (int)fc_max64(1, fc_min64(threads, count));
    tasks t;
    t.count = threads < MOST_RUNS ? threads : MOST_RUNS;
    t.fn = fn;
    t.context = context;
    for (int i = 0; i < t.count; i++) {
        int64_t begin;
        fc_split(count, t.count, i, &begin, &t.runs[i].end);
        atomic_init(&t.runs[i].next, begin);
    }
    fc_parallel(threads, dtype, run_tasks, &t);
}

/* ---- limits set from outside ------------------------------------------------------------------- */

#ifdef _OPENMP

/* What OMP_NUM_THREADS and the cores gave at load. Only a later, lower value is somebody's limit:
 * OMP_NUM_THREADS itself ranks below the engine's own settings. */
static int threads_at_load;

__attribute__((constructor)) static void note_threads(void) {
    threads_at_load = omp_get_max_threads();
}

int fc_thread_limit(void) {
    int now = omp_get_max_threads();
    return now < threads_at_load ? now : 0;
}

#else

int fc_thread_limit(void) { return 0; }

#endif

/* ---- test hook ------------------------------------------------------------------------------ */

static void store_control(void *context, int worker, int workers) {
    (void)workers;
    ((uint64_t *)context)[worker] = fc_test_fp_control();
}

void fc_test_fp_control_inside(fc_dtype dtype, int threads, uint64_t *control) {
    /* Filled first with what one thread sees, for workers that the runtime does not provide. */
    fc_parallel(1, dtype, store_control, control);
    for (int i = 1; i < threads; i++) control[i] = control[0];
    fc_parallel(threads, dtype, store_control, control);
}
