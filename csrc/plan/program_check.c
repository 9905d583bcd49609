/* program_check.c: what a program promises before it runs once: each operand inside its place in every
 * repeat, aligned, and no result written over what it is computed from. */
#include "program.h"

typedef struct span {
    int64_t low, high; /* bytes from the beginning of the place; high is past the last */
} span;

/* Of one image of an operand, or of all, in the first repeat. Its plan's elements are few enough. */
static span span_of(const fc_operand *o, const fc_extent *e, bool all, int64_t bytes) {
    const int64_t reach = all ? (e->images - 1) * e->stride : 0;
    return (span){o->offset_bytes + (e->low + fc_min64(0, reach)) * bytes,
                  o->offset_bytes + (e->high + fc_max64(0, reach)) * bytes};
}

/* Of all images in all repeats, whose last is `way` bytes on. */
static span span_of_repeats(const fc_operand *o, const fc_extent *e, int64_t bytes, int64_t way) {
    span s = span_of(o, e, true, bytes);
    s.low += fc_min64(0, way);
    s.high += fc_max64(0, way);
    return s;
}

static bool apart(span a, span b) { return a.high <= b.low || b.high <= a.low; }

static int64_t place_bytes(const fc_program_desc *d, const fc_operand *o) {
    return o->place == FC_PLACE_ARENA    ? d->arena_bytes
           : o->place == FC_PLACE_WORKER ? d->worker_bytes
                                         : d->arguments[o->argument].bytes;
}

static bool place_known(const fc_program_desc *d, const fc_operand *o) {
    if (o->place == FC_PLACE_ARENA || o->place == FC_PLACE_WORKER) return o->argument == 0;
    return o->place == FC_PLACE_ARGUMENT && o->argument >= 0 && o->argument < d->argument_count;
}

static fc_status check_operand(const fc_program_desc *d, const fc_operand *o, const fc_extent *e,
                               int64_t bytes, int64_t repeats) {
    if (!place_known(d, o) || o->offset_bytes % bytes || o->advance_bytes % bytes)
        return FC_ERR_INVALID_ARGUMENT;
    /* the origin itself may lie outside, as that of a source whose middle alone is met */
    const int64_t most = FC_MOST_ELEMENTS * 8;
    int64_t way;
    if (o->offset_bytes < -most || o->offset_bytes > most ||
        !fc_mul64(repeats - 1, o->advance_bytes, &way) || way < -most || way > most)
        return FC_ERR_OVERFLOW;
    const span s = span_of_repeats(o, e, bytes, way);
    return s.low >= 0 && s.high <= place_bytes(d, o) ? FC_OK : FC_ERR_INVALID_ARGUMENT;
}

/* Whether what a step writes in one repeat leaves what it writes in another alone. */
static bool repeats_apart(const fc_operand *dst, const fc_extent *to, int64_t bytes) {
    const span s = span_of(dst, to, true, bytes);
    const int64_t way = dst->advance_bytes < 0 ? -dst->advance_bytes : dst->advance_bytes;
    return dst->place == FC_PLACE_WORKER || way >= s.high - s.low;
}

static bool extents_equal(const fc_extent *a, const fc_extent *b) {
    return a->images == b->images && a->stride == b->stride && a->low == b->low && a->high == b->high;
}

/* Whether images of two operands, at equal distances, lie between each other without meeting. */
static bool interleaved(const fc_operand *a, const fc_extent *ea, const fc_operand *b,
                        const fc_extent *eb, int64_t bytes) {
    if (ea->images < 2 || eb->images < 2 || ea->stride != eb->stride || ea->stride == 0) return false;
    const int64_t period = (ea->stride < 0 ? -ea->stride : ea->stride) * bytes;
    const span x = span_of(a, ea, false, bytes), y = span_of(b, eb, false, bytes);
    const int64_t behind = ((y.low - x.low) % period + period) % period;
    return x.high - x.low <= behind && behind + (y.high - y.low) <= period;
}

/* Whether a step's dst leaves one of the operands that it is computed from alone, or may be it. */
static bool writable(const fc_operand *dst, const fc_extent *to, const fc_operand *from,
                     const fc_extent *read, bool in_place, int64_t bytes, int64_t repeats) {
    if (dst->place != from->place || dst->argument != from->argument) return true;
    if (dst->advance_bytes != from->advance_bytes)
        return apart(span_of_repeats(dst, to, bytes, (repeats - 1) * dst->advance_bytes),
                     span_of_repeats(from, read, bytes, (repeats - 1) * from->advance_bytes));
    if (in_place && dst->offset_bytes == from->offset_bytes && extents_equal(to, read)) return true;
    return apart(span_of(dst, to, true, bytes), span_of(from, read, true, bytes)) ||
           interleaved(dst, to, from, read, bytes);
}

static bool aligned(const void *p, size_t bytes) { return (uintptr_t)p % bytes == 0; }

static bool parameters_complete(const fc_step *s) {
    const fc_plan *plan = s->plan;
    const size_t bytes = fc_dtype_bytes(plan->dtype);
    static const char somewhere;
    const fc_args args = {
        .struct_size = sizeof args,
        .src = &somewhere,
        .weights = s->weights,
        .packed = s->packed,
        .bias = s->bias,
        .mean = s->mean,
        .variance = s->variance,
        .residual = s->residual.place == FC_PLACE_NONE ? NULL : &somewhere,
        .dst = (void *)&somewhere,
    };
    if (s->packed && !fc_plan_packed_bytes(plan)) return false;
    if (!aligned(s->weights, bytes) || !aligned(s->packed, FC_CACHE_LINE) || !aligned(s->bias, bytes) ||
        !aligned(s->mean, bytes) || !aligned(s->variance, bytes))
        return false;
    return !plan->operation->args_complete || plan->operation->args_complete(plan, &args);
}

static fc_status check_step(const fc_program_desc *d, const fc_step *s, const fc_section *section) {
    const int64_t repeats = section->repeats;
    if (!s->plan) return FC_ERR_INVALID_ARGUMENT;
    const fc_operation *operation = s->plan->operation;
    if (!operation->extents) return FC_ERR_UNSUPPORTED;
    if (!parameters_complete(s)) return FC_ERR_INVALID_ARGUMENT;
    fc_extents e = {{0}, {0}, {0}};
    operation->extents(s->plan, &e);
    if (!e.src.images || !e.dst.images) return FC_ERR_INVALID_SHAPE;
    const int64_t bytes = (int64_t)fc_dtype_bytes(s->plan->dtype);
    fc_status status = check_operand(d, &s->src, &e.src, bytes, repeats);
    if (status == FC_OK) status = check_operand(d, &s->dst, &e.dst, bytes, repeats);
    if (status == FC_OK && e.residual.images)
        status = check_operand(d, &s->residual, &e.residual, bytes, repeats);
    if (status != FC_OK) return status;
    if (!e.residual.images && s->residual.place != FC_PLACE_NONE) return FC_ERR_INVALID_ARGUMENT;
    if (s->dst.place == FC_PLACE_ARGUMENT && !d->arguments[s->dst.argument].written)
        return FC_ERR_INVALID_ARGUMENT;
    if (section->beside && repeats > 1 && !repeats_apart(&s->dst, &e.dst, bytes))
        return FC_ERR_INVALID_ARGUMENT;
    const bool good =
        writable(&s->dst, &e.dst, &s->src, &e.src, operation->in_place & FC_IN_PLACE_SRC, bytes,
                 repeats) &&
        (!e.residual.images || writable(&s->dst, &e.dst, &s->residual, &e.residual,
                                        operation->in_place & FC_IN_PLACE_RESIDUAL, bytes, repeats));
    return good ? FC_OK : FC_ERR_INVALID_ARGUMENT;
}

static fc_status check_lists(const fc_program_desc *d) {
    if (d->reserved || d->step_count < 1 || d->section_count < 1 || d->argument_count < 0 || !d->steps ||
        !d->sections || (d->argument_count && !d->arguments) || d->arena_bytes < 0 || d->worker_bytes < 0)
        return FC_ERR_INVALID_ARGUMENT;
    const int64_t most = FC_MOST_ELEMENTS / 1024; /* of a list: its bytes fit */
    if (d->step_count > most || d->section_count > most || d->argument_count > most ||
        d->arena_bytes > FC_MOST_ELEMENTS * 8 || d->worker_bytes > FC_MOST_ELEMENTS * 8)
        return FC_ERR_OVERFLOW;
    for (int64_t i = 0; i < d->argument_count; i++) {
        const fc_argument *a = &d->arguments[i];
        if (a->bytes < 0 || (a->written & ~1) || a->reserved) return FC_ERR_INVALID_ARGUMENT;
    }
    return FC_OK;
}

fc_status fc_program_check(const fc_program_desc *d, int64_t *step) {
    *step = -1;
    fc_status status = check_lists(d);
    int64_t next = 0;
    for (int64_t i = 0; i < d->section_count && status == FC_OK; i++) {
        const fc_section *section = &d->sections[i];
        if (section->first_step != next || section->steps < 1 || section->repeats < 1 ||
            section->steps > d->step_count - next || (section->beside & ~1))
            return FC_ERR_INVALID_ARGUMENT;
        for (const int64_t end = next + section->steps; next < end && status == FC_OK; next++) {
            status = check_step(d, &d->steps[next], section);
            if (status != FC_OK) *step = next;
        }
    }
    return status == FC_OK && next != d->step_count ? FC_ERR_INVALID_ARGUMENT : status;
}
