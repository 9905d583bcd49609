/* program.c: plans one after another over one arena.
 *
 * All that fc_execute checks in each call is checked when a program is made; what is left of a step is to
 * add up addresses and to call its operation. Arena and scratch are one block: a call asks the pool once.
 *
 *   arena | a worker's memory | scratch of a step on all threads                 in order
 *   arena | a worker's memory | scratch of a step on one | the next worker's ... repeats side by side
 *
 * Threads that run a repeat each wait for each other once a section and not once a layer, and find in
 * their own cache what they wrote. (Zen 3, two cores, 16 images, 2026-11-30, benchmarks/side_by_side.py:
 * MobileNetV2, ResNet-18, GoogLeNet and SqueezeNet 1.1 take 0.79 to 0.85 of the time in order in the last of
 * seven runs; in others on this shared machine 0.75 to 1.03, once 1.23, and below 0.5 under load.) */
#include "program.h"

#include "../base/cpu.h"
#include "../base/memory.h"

#include <time.h>

enum { TABLED_THREADS = 8 }; /* up to here what depends on the threads of a call is looked up */

typedef struct step {
    const fc_plan *plan;
    fc_operand src, residual, dst;
    fc_args args; /* all but the addresses of these three */
    uint8_t threads[TABLED_THREADS];
} step;

struct fc_program {
    step *steps;
    fc_section *sections;
    fc_argument *arguments;
    size_t *alignment; /* of arguments */
    int64_t section_count, argument_count, step_count;
    size_t arena_bytes, worker_bytes; /* whole cache lines */
    size_t lane_bytes;                /* a worker's memory, and scratch on one thread */
    int64_t most_beside;              /* repeats of a section that may run side by side */
    size_t scratch_bytes[TABLED_THREADS];
};

static int step_threads(const step *s, int threads) {
    return threads <= TABLED_THREADS ? s->threads[threads - 1] : fc_plan_threads(s->plan, threads);
}

/* How many repeats run side by side, where a section has as many: one for each thread, or 1. */
static int lanes(const fc_program *p, int threads) {
    return threads <= p->most_beside && (size_t)threads * p->lane_bytes <= fc_cpu_caches()->l3 ? threads
                                                                                                : 1;
}

static size_t most_scratch(const fc_program *p, int threads) {
    size_t most = 0;
    for (int64_t i = 0; i < p->step_count; i++) {
        const step *s = &p->steps[i];
        const size_t bytes = fc_plan_scratch_bytes(s->plan, threads, s->args.packed != NULL);
        if (bytes > most) most = bytes;
    }
    return most;
}

/* Behind the arena. */
static size_t scratch_bytes(const fc_program *p, int threads) {
    const size_t one = threads <= TABLED_THREADS ? p->scratch_bytes[threads - 1] : most_scratch(p, threads);
    const size_t in_order = p->worker_bytes + one, beside = (size_t)lanes(p, threads) * p->lane_bytes;
    return in_order > beside ? in_order : beside;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void note_alignment(fc_program *p, const fc_operand *o, fc_dtype dtype) {
    if (o->place == FC_PLACE_ARGUMENT && p->alignment[o->argument] < fc_dtype_bytes(dtype))
        p->alignment[o->argument] = fc_dtype_bytes(dtype);
}

static void take_step(fc_program *p, step *to, const fc_step *from) {
    to->plan = from->plan;
    to->src = from->src;
    to->residual = from->residual;
    to->dst = from->dst;
    to->args = (fc_args){
        .struct_size = sizeof to->args,
        .weights = from->weights,
        .packed = from->packed,
        .bias = from->bias,
        .mean = from->mean,
        .variance = from->variance,
    };
    for (int t = 1; t <= TABLED_THREADS; t++)
        to->threads[t - 1] = (uint8_t)fc_plan_threads(from->plan, t);
    note_alignment(p, &from->src, from->plan->dtype);
    note_alignment(p, &from->residual, from->plan->dtype);
    note_alignment(p, &from->dst, from->plan->dtype);
}

fc_status fc_program_create(const fc_program_desc *desc, fc_program **out, int64_t *step_at_fault) {
    int64_t fault = -1;
    if (step_at_fault) *step_at_fault = -1;
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (desc->struct_size != sizeof *desc) return FC_ERR_VERSION;
    fc_status status = fc_program_check(desc, &fault);
    if (step_at_fault) *step_at_fault = fault;
    if (status != FC_OK) return status;
    const size_t steps = (size_t)desc->step_count, sections = (size_t)desc->section_count;
    const size_t arguments = (size_t)desc->argument_count;
    fc_program *p = fc_alloc_zero(sizeof *p + steps * sizeof *p->steps + sections * sizeof *p->sections +
                                  arguments * (sizeof *p->arguments + sizeof *p->alignment));
    if (!p) return FC_ERR_OUT_OF_MEMORY;
    p->steps = (step *)(p + 1);
    p->sections = (fc_section *)(p->steps + steps);
    p->arguments = (fc_argument *)(p->sections + sections);
    p->alignment = (size_t *)(p->arguments + arguments);
    p->step_count = desc->step_count;
    p->section_count = desc->section_count;
    p->argument_count = desc->argument_count;
    p->arena_bytes = (size_t)fc_round_up(desc->arena_bytes, FC_CACHE_LINE);
    memcpy(p->sections, desc->sections, sections * sizeof *p->sections);
    if (arguments) memcpy(p->arguments, desc->arguments, arguments * sizeof *p->arguments);
    for (size_t i = 0; i < arguments; i++) p->alignment[i] = 1;
    for (size_t i = 0; i < steps; i++) take_step(p, &p->steps[i], &desc->steps[i]);
    for (int t = 1; t <= TABLED_THREADS; t++) p->scratch_bytes[t - 1] = most_scratch(p, t);
    for (size_t i = 0; i < sections; i++)
        if (p->sections[i].beside) p->most_beside = fc_max64(p->most_beside, p->sections[i].repeats);
    p->worker_bytes = (size_t)fc_round_up(desc->worker_bytes, FC_CACHE_LINE);
    p->lane_bytes = p->worker_bytes + (size_t)fc_round_up((int64_t)p->scratch_bytes[0], FC_CACHE_LINE);
    *out = p;
    return FC_OK;
}

void fc_program_destroy(fc_program *program) { fc_free(program); }

size_t fc_program_arena_bytes(const fc_program *p, int threads) {
    return p->arena_bytes + scratch_bytes(p, threads < 1 ? 1 : threads);
}

/* ---- execution ----------------------------------------------------------------------------------- */

static bool arguments_valid(const fc_program *p, void *const *arguments) {
    for (int64_t i = 0; i < p->argument_count; i++) {
        const uintptr_t begin = (uintptr_t)arguments[i], end = begin + (uintptr_t)p->arguments[i].bytes;
        if (!begin || begin % p->alignment[i]) return false;
        for (int64_t j = 0; j < i; j++) {
            const uintptr_t other = (uintptr_t)arguments[j];
            if ((p->arguments[i].written || p->arguments[j].written) &&
                begin < other + (uintptr_t)p->arguments[j].bytes && other < end)
                return false;
        }
    }
    return true;
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A call, and the section that it is at. */
typedef struct call {
    const fc_program *program;
    const fc_section *section;
    char *arena, *scratch;
    void *const *arguments;
    uint64_t *nanoseconds; /* of each step, or NULL */
} call;

static char *address(const call *c, const fc_operand *o, char *own, int64_t repeat) {
    if (o->place == FC_PLACE_NONE) return NULL;
    char *const base = o->place == FC_PLACE_ARENA    ? c->arena
                       : o->place == FC_PLACE_WORKER ? own
                                                     : c->arguments[o->argument];
    return base + o->offset_bytes + repeat * o->advance_bytes;
}

/* The steps of one repeat; `own`: the worker's memory, and scratch behind it. */
static void run_repeat(const call *c, int64_t repeat, char *own, int threads) {
    const fc_program *p = c->program;
    const int64_t end = c->section->first_step + c->section->steps;
    for (int64_t k = c->section->first_step; k < end; k++) {
        const step *s = &p->steps[k];
        fc_args args = s->args;
        args.src = address(c, &s->src, own, repeat);
        args.residual = address(c, &s->residual, own, repeat);
        args.dst = address(c, &s->dst, own, repeat);
        const uint64_t start = c->nanoseconds ? nanoseconds() : 0;
        s->plan->operation->execute(s->plan, &args, own + p->worker_bytes, step_threads(s, threads));
        if (c->nanoseconds)
            __atomic_fetch_add(&c->nanoseconds[k], nanoseconds() - start, __ATOMIC_RELAXED);
    }
}

static void run_beside(void *context, int64_t repeat, int worker) {
    const call *c = context;
    run_repeat(c, repeat, c->scratch + (size_t)worker * c->program->lane_bytes, 1);
}

/* What threads took side by side becomes shares of the time that went by. */
static void share_time(const call *c, uint64_t whole) {
    uint64_t *each = c->nanoseconds + c->section->first_step;
    double sum = 0;
    for (int64_t k = 0; k < c->section->steps; k++) sum += (double)each[k];
    for (int64_t k = 0; k < c->section->steps && sum > 0; k++)
        each[k] = (uint64_t)((double)each[k] * (double)whole / sum);
}

static void run_section(call *c, int threads) {
    const fc_section *section = c->section;
    const int many = lanes(c->program, threads);
    int64_t repeat = 0;
    if (section->beside && many > 1) {
        repeat = section->repeats / many * many;
        const uint64_t start = c->nanoseconds ? nanoseconds() : 0;
        const fc_dtype dtype = c->program->steps[section->first_step].plan->dtype;
        fc_parallel_tasks(many, dtype, repeat, run_beside, c);
        if (c->nanoseconds) share_time(c, nanoseconds() - start);
    }
    for (; repeat < section->repeats; repeat++) run_repeat(c, repeat, c->scratch, threads);
}

fc_status fc_program_execute(const fc_program *p, void *const *arguments, int threads,
                             uint64_t *step_nanoseconds) {
    if (!p || (p->argument_count && !arguments) || !arguments_valid(p, arguments))
        return FC_ERR_INVALID_ARGUMENT;
    if (threads < 1) threads = 1;
    const size_t bytes = p->arena_bytes + scratch_bytes(p, threads);
    char none; /* drivers add 0 to the address of scratch that they do not need */
    char *arena = bytes ? fc_pool_acquire(bytes) : &none;
    if (!arena) return FC_ERR_OUT_OF_MEMORY;
    if (step_nanoseconds)
        memset(step_nanoseconds, 0, (size_t)p->step_count * sizeof *step_nanoseconds);
    call c = {.program = p, .arena = arena, .scratch = arena + p->arena_bytes, .arguments = arguments,
              .nanoseconds = step_nanoseconds};
    for (int64_t i = 0; i < p->section_count; i++) {
        c.section = &p->sections[i];
        run_section(&c, threads);
    }
    if (bytes) fc_pool_release(arena);
    return FC_OK;
}
