/* test_program_bounds.c: what fc_program_create refuses: a step is moved by one element, or has one thing
 * wrong with it. */
#include "../driver/driver.h"
#include "check.h"

#include <string.h>

enum { IC = 3, OC = 4, WIDE = 6, H = 5, W = 7, P = H * W, N = 2, REPEATS = 3, E = sizeof(float) };

static float weights[OC * IC * 9], bias[OC];

typedef struct trial {
    fc_step step;
    fc_section section;
    fc_argument argument;
    fc_program_desc desc;
} trial;

static fc_status create(trial *t, int64_t *step) {
    fc_program *program = (fc_program *)t; /* neither NULL nor a program */
    t->desc.steps = &t->step, t->desc.sections = &t->section, t->desc.arguments = &t->argument;
    const fc_status status = fc_program_create(&t->desc, &program, step);
    CHECK((status == FC_OK) == (program != NULL));
    fc_program_destroy(program);
    return status;
}

/* Accepted, or refused with this status and blame: 0, the only step, or -1. */
static void expect(trial t, fc_status wanted, int64_t blame, int line) {
    int64_t step = 9;
    const fc_status status = create(&t, &step);
    CHECK_AT(status == wanted && step == blame, "line %d: %s, step %lld", line, fc_status_str(status),
             (long long)step);
}

#define ACCEPTED(t) expect((t), FC_OK, -1, __LINE__)
#define REFUSED(t, change, status, blame)              \
    do {                                               \
        trial changed = (t);                           \
        trial *const x = &changed;                     \
        change;                                        \
        expect(changed, (status), (blame), __LINE__);  \
    } while (0)
#define WRONG(t, change) REFUSED(t, change, FC_ERR_INVALID_ARGUMENT, 0)

static fc_plan *conv(int64_t n, bool residual, int64_t src_image, int64_t dst_image, bool backwards) {
    fc_conv2d_desc d = {.struct_size = sizeof d, .direction = FC_FORWARD, .dtype = FC_F32,
                        .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED, .has_bias = 1,
                        .has_residual = residual, .n = n, .ic = IC, .ih = H, .iw = W, .oc = OC, .kh = 3,
                        .kw = 3, .groups = 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1,
                        .dilation_w = 1, .pad_top = 1, .pad_bottom = 1, .pad_left = 1, .pad_right = 1,
                        .src_stride = {src_image, P, W, 1}, .dst_stride = {dst_image, P, W, 1}};
    if (backwards) d.src_stride[2] = -W, d.src_stride[3] = -1;
    fc_plan *plan = NULL;
    CHECK(fc_conv2d_create(&d, &plan) == FC_OK);
    return plan;
}

static fc_operand arena(int64_t offset, int64_t advance) {
    return (fc_operand){FC_PLACE_ARENA, 0, offset * E, advance * E};
}

static trial trial_of(fc_plan *plan, fc_operand src, fc_operand residual, fc_operand dst, int64_t elements) {
    trial t = {.step = {.plan = plan, .src = src, .residual = residual, .dst = dst, .weights = weights,
                        .bias = bias},
               .section = {0, 1, 1, 0},
               .desc = {.struct_size = sizeof t.desc, .step_count = 1, .section_count = 1,
                        .argument_count = 1, .arena_bytes = elements * E}};
    return t;
}

/* Images from an argument, part by part, into channels of a wider buffer, each part behind the last; the
 * residual lies before them. All of it fits exactly. */
static trial parts(fc_plan *plan) {
    const int64_t residual = N * OC * P, part = N * WIDE * P;
    const int64_t end = residual + (REPEATS - 1) * part + (N - 1) * WIDE * P + OC * P;
    trial t = trial_of(plan, (fc_operand){FC_PLACE_ARGUMENT, 0, 0, N * IC * P * E}, arena(0, 0),
                       arena(residual, part), end);
    t.section.repeats = REPEATS;
    t.argument.bytes = REPEATS * N * IC * P * E;
    return t;
}

static void test_places(void) {
    fc_plan *plan = conv(N, true, IC * P, WIDE * P, false);
    const trial t = parts(plan);
    ACCEPTED(t);
    WRONG(t, x->argument.bytes -= E);
    WRONG(t, x->step.src.offset_bytes += E);
    WRONG(t, x->step.src.offset_bytes -= E);
    WRONG(t, x->step.src.advance_bytes += E);
    WRONG(t, x->step.src.advance_bytes *= -1);
    WRONG(t, x->section.repeats++);
    WRONG(t, x->desc.arena_bytes -= E);
    WRONG(t, x->step.dst.offset_bytes += E);
    WRONG(t, x->step.dst.offset_bytes -= E); /* onto the residual */
    WRONG(t, (x->step.dst.offset_bytes -= E, x->section.repeats = 1));
    WRONG(t, x->step.dst.advance_bytes += E);
    WRONG(t, x->step.residual.offset_bytes -= E);
    WRONG(t, x->step.residual.offset_bytes += E);
    WRONG(t, (x->argument.bytes += E, x->step.src.offset_bytes += E / 2));
    WRONG(t, (x->argument.bytes += 8 * E, x->step.src.advance_bytes += E / 2));
    WRONG(t, x->step.src.place = 4);
    WRONG(t, x->step.src.place = FC_PLACE_WORKER);
    WRONG(t, x->step.src.place = FC_PLACE_NONE);
    WRONG(t, x->step.src.argument = 1);
    WRONG(t, x->step.src.argument = -1);
    WRONG(t, x->step.dst.argument = 1);
    WRONG(t, x->step.residual.place = FC_PLACE_NONE);
    WRONG(t, x->step.plan = NULL);
    WRONG(t, x->step.weights = NULL);
    WRONG(t, x->step.weights = (char *)weights + 1);
    WRONG(t, x->step.bias = NULL);
    WRONG(t, x->step.packed = (char *)weights + 4);
    REFUSED(t, x->step.src.offset_bytes = INT64_MAX - E + 1, FC_ERR_OVERFLOW, 0);
    REFUSED(t, x->step.src.offset_bytes = INT64_MIN, FC_ERR_OVERFLOW, 0);
    REFUSED(t, x->step.dst.advance_bytes = INT64_MIN, FC_ERR_OVERFLOW, 0);
    REFUSED(t, x->section.repeats = INT64_MAX, FC_ERR_OVERFLOW, 0);
    fc_plan_destroy(plan);

    plan = conv(N, false, IC * P, OC * P, false);
    trial out = parts(plan);
    out.section.repeats = 1, out.step.src = arena(0, 0), out.step.residual = (fc_operand){0};
    out.desc.arena_bytes = N * IC * P * E;
    out.step.dst = (fc_operand){FC_PLACE_ARGUMENT, 0, 0, 0};
    out.argument = (fc_argument){.bytes = N * OC * P * E, .written = 1};
    ACCEPTED(out);
    WRONG(out, x->argument.written = 0);
    WRONG(out, x->argument.bytes -= E);
    WRONG(out, x->step.residual = arena(0, 0)); /* which the plan does not read */

    trial own = out; /* into a worker's memory, in every repeat the same */
    own.section.repeats = REPEATS, own.section.beside = 1;
    own.step.dst = (fc_operand){FC_PLACE_WORKER, 0, 0, 0};
    own.desc.worker_bytes = N * OC * P * E;
    ACCEPTED(own);
    WRONG(own, x->desc.worker_bytes -= E);
    WRONG(own, x->step.dst.offset_bytes -= E);
    WRONG(own, x->step.dst.argument = 1);
    own.step.dst = (fc_operand){FC_PLACE_ARGUMENT, 0, 0, N * OC * P * E};
    own.argument.bytes *= REPEATS;
    ACCEPTED(own);
    WRONG(own, x->step.dst.advance_bytes -= E);
    WRONG(own, x->step.dst.advance_bytes = 0);
    own.section.beside = 0, own.step.dst.advance_bytes = 0;
    ACCEPTED(own);
    fc_plan_destroy(plan);

    plan = conv(N, false, IC * P, OC * P, true); /* the origin of a plane is its last pixel */
    trial back = out;
    back.step.plan = plan;
    WRONG(back, (void)x);
    WRONG(back, x->step.src.offset_bytes = (P - 2) * E);
    WRONG(back, x->step.src.offset_bytes = P * E);
    back.step.src.offset_bytes = (P - 1) * E;
    ACCEPTED(back);
    fc_plan_destroy(plan);
}

static void test_lists(void) {
    fc_plan *plan = conv(N, true, IC * P, WIDE * P, false);
    const trial t = parts(plan);
    const fc_status invalid = FC_ERR_INVALID_ARGUMENT;
    REFUSED(t, x->desc.struct_size--, FC_ERR_VERSION, -1);
    REFUSED(t, x->desc.reserved = 1, invalid, -1);
    REFUSED(t, x->desc.step_count = 0, invalid, -1);
    REFUSED(t, x->desc.section_count = 0, invalid, -1);
    REFUSED(t, x->desc.argument_count = -1, invalid, -1);
    REFUSED(t, x->desc.arena_bytes = -1, invalid, -1);
    REFUSED(t, x->desc.arena_bytes = INT64_MAX, FC_ERR_OVERFLOW, -1);
    REFUSED(t, x->desc.worker_bytes = -1, invalid, -1);
    REFUSED(t, x->desc.worker_bytes = INT64_MAX, FC_ERR_OVERFLOW, -1);
    REFUSED(t, x->desc.step_count = INT64_MAX, FC_ERR_OVERFLOW, -1);
    REFUSED(t, x->argument.bytes = -1, invalid, -1);
    REFUSED(t, x->argument.written = 2, invalid, -1);
    REFUSED(t, x->argument.reserved = 1, invalid, -1);
    REFUSED(t, x->section.first_step = 1, invalid, -1);
    REFUSED(t, x->section.steps = 0, invalid, -1);
    REFUSED(t, x->section.steps = 2, invalid, -1);
    REFUSED(t, x->section.repeats = 0, invalid, -1);
    REFUSED(t, x->section.beside = 2, invalid, -1);
    REFUSED(t, x->desc.step_count = 2, invalid, -1); /* the second in no section */
    REFUSED(t, x->desc.argument_count = 0, invalid, 0);
    fc_program *program = NULL;
    CHECK(fc_program_create(NULL, &program, NULL) == invalid);
    CHECK(fc_program_create(&t.desc, NULL, NULL) == invalid);
    fc_plan_destroy(plan);
}

/* Channels of one buffer read while others are written, image by image. */
static void test_interleaved(void) {
    enum { BOTH = IC + OC };
    fc_plan *plan = conv(3, false, BOTH * P, BOTH * P, false);
    const trial t = trial_of(plan, arena(0, 0), (fc_operand){0}, arena(IC * P, 0), 4 * BOTH * P);
    ACCEPTED(t);
    WRONG(t, x->step.dst.offset_bytes -= E);
    WRONG(t, x->step.dst.offset_bytes += E); /* into the next image */
    trial before = t;
    before.step.src.offset_bytes = OC * P * E, before.step.dst.offset_bytes = 0;
    ACCEPTED(before);
    trial ahead = t; /* by whole images */
    ahead.step.dst.offset_bytes = (BOTH + IC) * P * E;
    ACCEPTED(ahead);
    trial moving = t;
    moving.section.repeats = 2, moving.desc.arena_bytes *= 2;
    ACCEPTED(moving);
    moving.step.dst.advance_bytes = BOTH * P * E; /* what one repeat reads another has written */
    WRONG(moving, (void)x);
    fc_plan_destroy(plan);
    plan = conv(3, false, BOTH * P, (BOTH + 1) * P, false);
    WRONG(t, x->step.plan = plan);
    fc_plan_destroy(plan);
}

static void test_in_place(void) {
    fc_plan *plan = conv(1, false, IC * P, OC * P, false);
    WRONG(trial_of(plan, arena(0, 0), (fc_operand){0}, arena(0, 0), 9 * P), (void)x);
    fc_plan_destroy(plan);

    const fc_unary_desc unary = {.struct_size = sizeof unary, .dtype = FC_F32, .count = 50};
    CHECK(fc_unary_create(&unary, &plan) == FC_OK);
    const trial u = trial_of(plan, arena(1, 0), (fc_operand){0}, arena(1, 0), 101);
    ACCEPTED(u);
    WRONG(u, x->step.dst.offset_bytes += E);
    WRONG(u, x->step.dst.offset_bytes -= E);
    WRONG(u, (x->step.dst.advance_bytes = E, x->section.repeats = 2));
    trial next = u;
    next.step.dst.offset_bytes += 50 * E;
    ACCEPTED(next);
    WRONG(next, x->step.dst.offset_bytes -= E);
    fc_plan_destroy(plan);

    fc_add_desc add = {.struct_size = sizeof add, .dtype = FC_F32, .has_residual = 1, .rows = 3,
                       .length = 4, .src_row_stride = 6, .residual_row_stride = 6, .dst_row_stride = 6};
    CHECK(fc_add_create(&add, &plan) == FC_OK);
    trial sum = trial_of(plan, arena(0, 0), arena(40, 0), arena(0, 0), 60);
    ACCEPTED(sum);
    sum.step.residual = sum.step.dst;
    ACCEPTED(sum);
    sum.step.src = arena(40, 0);
    ACCEPTED(sum);
    WRONG(sum, x->step.residual.offset_bytes += E);
    fc_plan_destroy(plan);
    add.residual_row_stride = 5;
    CHECK(fc_add_create(&add, &plan) == FC_OK);
    sum.step.plan = plan;
    WRONG(sum, (void)x);
    fc_plan_destroy(plan);

    const fc_scale_desc scale = {.struct_size = sizeof scale, .dtype = FC_F32, .rows = 2, .channels = 5,
                                 .inner = 1, .src_row_stride = 5, .dst_row_stride = 5};
    CHECK(fc_scale_create(&scale, &plan) == FC_OK);
    const trial s = trial_of(plan, arena(0, 0), arena(10, 0), arena(0, 0), 20);
    ACCEPTED(s);
    WRONG(s, x->step.residual = arena(0, 0));
    fc_plan_destroy(plan);
}

static void test_operations(void) {
    fc_plan *plan = NULL;
    const fc_unary_desc empty = {.struct_size = sizeof empty, .dtype = FC_F32};
    CHECK(fc_unary_create(&empty, &plan) == FC_OK);
    REFUSED(trial_of(plan, arena(0, 0), (fc_operand){0}, arena(0, 0), 9), (void)x, FC_ERR_INVALID_SHAPE, 0);
    fc_plan_destroy(plan);
    const fc_unpool_desc unpool = {.struct_size = sizeof unpool, .dtype = FC_F32, .planes = 1,
                                   .src_plane = 2, .dst_plane = 4};
    CHECK(fc_unpool_create(&unpool, &plan) == FC_OK);
    REFUSED(trial_of(plan, arena(0, 0), (fc_operand){0}, arena(4, 0), 9), (void)x, FC_ERR_UNSUPPORTED, 0);
    fc_plan_destroy(plan);
    const fc_pool2d_desc pool = {.struct_size = sizeof pool, .direction = FC_FORWARD, .dtype = FC_F32,
                                 .src_layout = FC_LAYOUT_STRIDED, .dst_layout = FC_LAYOUT_STRIDED,
                                 .kind = FC_POOL_MAX, .n = 1, .c = 1, .ih = 4, .iw = 4, .kh = 2, .kw = 2,
                                 .stride_h = 2, .stride_w = 2, .dilation_h = 1, .dilation_w = 1,
                                 .with_indices = 1, .src_stride = {16, 16, 4, 1}};
    CHECK(fc_pool2d_create(&pool, &plan) == FC_OK);
    WRONG(trial_of(plan, arena(0, 0), (fc_operand){0}, arena(16, 0), 20), (void)x);
    fc_plan_destroy(plan);
    const fc_linear_desc linear = {.struct_size = sizeof linear, .dtype = FC_F32, .rows = 2,
                                   .in_features = 100, .out_features = 1, .src_row_stride = 100};
    CHECK(fc_linear_create(&linear, &plan) == FC_OK); /* reads its weights as they lie */
    trial dots = trial_of(plan, arena(0, 0), (fc_operand){0}, arena(200, 0), 202);
    ACCEPTED(dots);
    _Alignas(FC_CACHE_LINE) static const float packed[100];
    WRONG(dots, (x->step.packed = packed, x->step.weights = NULL));
    WRONG(dots, x->desc.arena_bytes -= E);
    fc_plan_destroy(plan);
}

int main(void) {
    if (fc_init() != FC_OK) return 2;
    test_places();
    test_lists();
    test_interleaved();
    test_in_place();
    test_operations();
    return check_summary("test_program_bounds");
}
