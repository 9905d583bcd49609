/* program.c: plans one after another over one arena.
 *
 * All that fc_execute checks in each call is checked when a program is made; what is left of a step is to
 * add up addresses and to call its operation. Arena and scratch are one block: a call asks the pool once. */
#include "program.h"

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
    size_t arena_bytes; /* whole cache lines: scratch begins behind it */
    size_t scratch_bytes[TABLED_THREADS];
};

static int step_threads(const step *s, int threads) {
    return threads <= TABLED_THREADS ? s->threads[threads - 1] : fc_plan_threads(s->plan, threads);
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

static size_t scratch_bytes(const fc_program *p, int threads) {
    return threads <= TABLED_THREADS ? p->scratch_bytes[threads - 1] : most_scratch(p, threads);
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

static char *address(const fc_operand *o, char *arena, void *const *arguments, int64_t repeat) {
    if (o->place == FC_PLACE_NONE) return NULL;
    char *const base = o->place == FC_PLACE_ARENA ? arena : arguments[o->argument];
    return base + o->offset_bytes + repeat * o->advance_bytes;
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
    char *scratch = arena + p->arena_bytes;
    if (step_nanoseconds)
        memset(step_nanoseconds, 0, (size_t)p->step_count * sizeof *step_nanoseconds);
    for (int64_t i = 0; i < p->section_count; i++) {
        const fc_section *section = &p->sections[i];
        const int64_t end = section->first_step + section->steps;
        for (int64_t repeat = 0; repeat < section->repeats; repeat++)
            for (int64_t k = section->first_step; k < end; k++) {
                const step *s = &p->steps[k];
                fc_args args = s->args;
                args.src = address(&s->src, arena, arguments, repeat);
                args.residual = address(&s->residual, arena, arguments, repeat);
                args.dst = address(&s->dst, arena, arguments, repeat);
                const uint64_t start = step_nanoseconds ? nanoseconds() : 0;
                s->plan->operation->execute(s->plan, &args, scratch, step_threads(s, threads));
                if (step_nanoseconds) step_nanoseconds[k] += nanoseconds() - start;
            }
    }
    if (bytes) fc_pool_release(arena);
    return FC_OK;
}
