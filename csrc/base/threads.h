/* threads.h: the one primitive behind which the threading runtime sits. */
#ifndef FC_BASE_THREADS_H
#define FC_BASE_THREADS_H

#include "status.h"

/* One worker's body: `worker` in [0, workers). Bodies must not assume workers == the number asked
 * for: a runtime may give fewer, a forked child runs one. */
typedef void (*fc_worker_fn)(void *context, int worker, int workers);

/* More are not started: the runtime ends the process when the system refuses it a thread. */
#define FC_MAX_THREADS 1024

/* Runs `fn` on up to `threads` threads and returns when all are done. threads <= 1 runs on the
 * caller without entering the runtime, and so does a call from inside a region or in a forked
 * child. On every worker, the caller included, the floating-point state inside is: round to
 * nearest, no traps, and for float32 subnormals flushed; it is restored exactly (sticky flags
 * included) on the way out. */
void fc_parallel(int threads, fc_dtype dtype, fc_worker_fn fn, void *context);

/* One task's body: each task runs exactly once. The tasks are dealt in equal runs, in order, one to
 * each worker, and whoever is free takes from the runs of others; `worker` indexes thread-private
 * scratch. */
typedef void (*fc_task_fn)(void *context, int64_t task, int worker);

void fc_parallel_tasks(int threads, fc_dtype dtype, int64_t tasks, fc_task_fn fn, void *context);

/* True in a child of fork. The child runs serially: OpenMP's workers do not survive fork. */
bool fc_in_forked_child(void);

#endif
