/* test_threads.c: parallel regions, their floating-point state, and fork. */
#include <fenv.h>
#include <float.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#include "../base/threads.h"
#include "check.h"

/* ---- coverage ------------------------------------------------------------------------------- */

enum { TASKS = 1000, MOST = 64 };

typedef struct record {
    atomic_int runs[TASKS], bodies[MOST];
    atomic_int workers, busy[MOST];
    int nested_workers;
} record;

static void note_task(void *context, int64_t task, int worker) {
    record *r = context;
    atomic_fetch_add(&r->runs[task], 1);
    /* `worker` indexes thread-private scratch: two tasks must not share it at a time. */
    CHECK(worker >= 0 && worker < MOST && atomic_fetch_add(&r->busy[worker], 1) == 0);
    atomic_fetch_sub(&r->busy[worker], 1);
}

static void note_body(void *context, int worker, int workers) {
    record *r = context;
    atomic_fetch_add(&r->bodies[worker], 1);
    atomic_store(&r->workers, workers);
}

static bool covers(int threads, int64_t tasks) {
    record r;
    memset(&r, 0, sizeof r);
    fc_parallel_tasks(threads, FC_F32, tasks, note_task, &r);
    bool good = true;
    for (int i = 0; i < TASKS; i++) good = good && r.runs[i] == (i < tasks);
    fc_parallel(threads, FC_F64, note_body, &r);
    int workers = r.workers;
    good = good && workers >= 1 && workers <= (threads > 1 ? threads : 1);
    for (int i = 0; i < MOST; i++) good = good && r.bodies[i] == (i < workers);
    return good;
}

static void test_coverage(void) {
    const int threads[] = {-3, 0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 32, MOST};
    const int64_t tasks[] = {0, 1, 2, 3, 17, TASKS};
    for (int i = 0; i < 13; i++)
        for (int j = 0; j < 6; j++)
            CHECK_AT(covers(threads[i], tasks[j]), "%d threads, %d tasks", threads[i],
                     (int)tasks[j]);
    fc_parallel_tasks(4, FC_F32, -1, note_task, NULL);
#ifdef _OPENMP
    record r = {0};
    fc_parallel(4, FC_F32, note_body, &r);
    /* More than the cores of a small machine, and it works. */
    CHECK_AT(r.workers == 4 || getenv("OMP_THREAD_LIMIT"), "%d workers", r.workers);
#endif
}

static void count_workers(void *context, int worker, int workers) {
    (void)worker;
    *(int *)context = workers;
}

static void run_nested(void *context, int worker, int workers) {
    int inside = 0;
    fc_parallel(4, FC_F64, count_workers, &inside);
    if (workers > 1) CHECK(inside == 1);
    ((int *)context)[worker] = inside;
}

static void test_nested(void) {
#ifdef _OPENMP
    omp_set_max_active_levels(4); /* a caller may allow what OpenMP's default would prevent */
#endif
    int inside[4] = {0};
    fc_parallel(4, FC_F32, run_nested, inside);
    CHECK(inside[0] >= 1);
}

/* ---- floating-point state ------------------------------------------------------------------- */

#if defined(__x86_64__)
static const uint64_t expected_f32 = 0x1f80 | 0x8040, expected_f64 = 0x1f80;
#elif defined(__aarch64__)
static const uint64_t expected_f32 = 1 << 24, expected_f64 = 0;
#endif

static void halve(void *context, int worker, int workers) {
    (void)worker, (void)workers;
    if (worker) return;
    volatile float *values = context;
    values[1] = values[0] * 0.5f; /* a subnormal result */
    values[3] = values[2] * 4.0f; /* a subnormal operand */
    volatile float zero = 0;
    values[4] = 1.0f / zero; /* raises a flag */
}

static void check_inside(int threads) {
    uint64_t control[MOST];
    fc_test_fp_control_inside(FC_F32, threads, control);
    for (int i = 0; i < threads; i++) CHECK(control[i] == expected_f32);
    fc_test_fp_control_inside(FC_F64, threads, control);
    for (int i = 0; i < threads; i++) CHECK(control[i] == expected_f64);
}

static void test_arithmetic(int threads) {
    volatile float values[5] = {FLT_MIN, 0, FLT_MIN / 2, 0, 0};
    fc_parallel(threads, FC_F32, halve, (void *)values);
    CHECK(values[1] == 0 && values[3] == 0);
    fc_parallel(threads, FC_F64, halve, (void *)values);
    CHECK(values[1] == FLT_MIN / 2 && values[3] == FLT_MIN * 2);
}

static void test_fp_state(int threads) {
    check_inside(threads);
    test_arithmetic(threads);

    /* A caller with a state of its own: rounding, and a flag it raised and still wants to see; the
     * division by zero inside must not reach it. */
    fesetround(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_UNDERFLOW);
    uint64_t before = fc_test_fp_control();
    check_inside(threads);
    test_arithmetic(threads);
    CHECK(fc_test_fp_control() == before && fegetround() == FE_UPWARD);
    CHECK(fetestexcept(FE_UNDERFLOW) && !fetestexcept(FE_DIVBYZERO));
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);

#ifdef __x86_64__
    /* Odder still: invalid and division by zero trap, flush without DAZ, flags set. */
    unsigned usual = _mm_getcsr(), odd = (0x1f80 & ~0x0280u) | 0x8000 | 0x6000 | 0x0032;
    _mm_setcsr(odd);
    check_inside(threads);
    volatile float values[5] = {FLT_MIN, 0, FLT_MIN / 2, 0, 0};
    fc_parallel(threads, FC_F32, halve, (void *)values); /* divides by zero: no SIGFPE */
    unsigned after = _mm_getcsr();
    _mm_setcsr(usual);
    CHECK_AT(after == odd, "%x, was %x", after, odd);
#endif
}

/* ---- fork ----------------------------------------------------------------------------------- */

static atomic_bool inside_region, leave_region;

static void linger(void *context, int worker, int workers) {
    (void)context, (void)worker, (void)workers;
    atomic_store(&inside_region, true);
    while (!atomic_load(&leave_region)) usleep(1000);
}

static void *stay_in_region(void *unused) {
    (void)unused;
    fc_parallel(3, FC_F32, linger, NULL);
    return NULL;
}

static int in_child(int errors) {
    alarm(20);
    dup2(errors, STDERR_FILENO);
    int inside = 0;
    bool good = fc_in_forked_child() && covers(1, 5) && covers(4, TASKS) && covers(2, 17);
    fc_parallel(4, FC_F32, count_workers, &inside);
    return good && inside == 1 ? 0 : 1;
}

static void fork_once(void) {
    int errors[2];
    if (!CHECK(!pipe(errors))) return;
    pid_t child = fork();
    if (child == 0) _exit(in_child(errors[1]));
    close(errors[1]);
    char said[512] = "";
    ssize_t length = 0, more;
    while ((more = read(errors[0], said + length, sizeof said - 1 - (size_t)length)) > 0)
        length += more;
    close(errors[0]);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_AT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
#ifdef _OPENMP
    const char *once = "fastconv: running on one thread in a forked process; use the 'spawn' "
                       "start method for parallel children\n";
#else
    const char *once = ""; /* nothing is lost */
#endif
    CHECK_AT(!strcmp(said, once), "said '%s'", said);
}

static void test_fork(void) {
    CHECK(!fc_in_forked_child());
    fork_once();
    pthread_t other;
    CHECK(!pthread_create(&other, NULL, stay_in_region, NULL));
    while (!atomic_load(&inside_region)) usleep(1000);
    fork_once();
    atomic_store(&leave_region, true);
    pthread_join(other, NULL);
    CHECK(!fc_in_forked_child() && covers(4, TASKS)); /* the parent carries on in parallel */
}

int main(void) {
    test_coverage();
    test_nested();
    const int threads[] = {1, 2, 5};
    for (int i = 0; i < 3; i++) test_fp_state(threads[i]);
    test_fork();
    return check_summary("threads");
}
