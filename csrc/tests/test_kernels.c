/* test_kernels.c: each micro-kernel of the tier in use against its scalar version, and its time
 * beside that one's.
 *
 * ukr_list.inc makes the table below: a kernel without prepare_<kernel> and call_<kernel> does not
 * compile. prepare_<kernel> draws a case and lays it out for one tier's table of kernels; drawn from
 * the same seed it is the same case for another. Numbers are small integers, so that sums are exact
 * and results must be equal, but for the functions that a case gives a tolerance. Operands lie
 * between pages that may not be touched, and what a kernel must leave alone is NaN before and after.
 *
 * A last case, in which every number drawn is the largest, is timed. */
#include "kernel_elementwise.h"
#include "kernel_planes.h"
#include "kernel_tiles.h"
#include "kernel_updates.h"
#include "kernel_winograd.h"

#include <time.h>

#include "../plan/registry.h"

/* ---- the peak -------------------------------------------------------------------------------------- */

static void prepare_fma_peak(trial *t) {
    t->args.fma_peak.count =
        t->timed ? 1000 * t->shape->peak_flops / t->table->peak_flops : draw(t, 1, 15);
    t->args.fma_peak.dst = result(t, 1);
}

/* Each accumulator ends at 2 - 2^(1 - count), from about 50 rounds on at 2; how many there are is the
 * tier's. */
static void call_fma_peak(trial *t) {
    t->table->fma_peak(&t->args.fma_peak);
    put(t->dst.data, 0, t->dtype, get(t->dst.data, 0, t->dtype) / (2 * t->table->tile_pixels));
}

/* ---- all of them ----------------------------------------------------------------------------------- */

typedef struct kernel {
    const char *name;
    void (*prepare)(trial *t);
    void (*call)(trial *t);
} kernel;

static const kernel kernels[] = {
#define FC_UKR(name, args) {#name, prepare_##name, call_##name},
#include "../ukr/ukr_list.inc"
#undef FC_UKR
};

static trial begin(const kernel *k, const fc_kernels *shape, const fc_kernels *table, int number) {
    trial t = {.shape = shape, .table = table, .timed = number == CASES};
    t.dtype = shape->element_bytes == sizeof(double) ? FC_F64 : FC_F32;
    random_state = (uint64_t)number * 1000003u + 17;
    k->prepare(&t);
    return t;
}

static bool intact(const trial *t) {
    bool good = guarded_intact(&t->dst);
    for (int i = 0; i < t->operands; i++) good = good && guarded_intact(&t->operand[i]);
    return good;
}

static void end(trial *t) {
    for (int i = 0; i < t->operands; i++) guarded_free(&t->operand[i]);
    guarded_free(&t->dst);
    free(t->rows);
}

static bool agree(const trial *t, double a, double b) {
    if (a != a || b != b) return a != a && b != b;
    return a == b || fabs(a - b) <= t->absolute + t->relative * fabs(b);
}

static void compare(const kernel *k, const fc_kernels *tier, const fc_kernels *scalar, int number) {
    trial is = begin(k, tier, tier, number), wanted = begin(k, tier, scalar, number);
    k->call(&is);
    k->call(&wanted);
    for (int64_t i = 0; i < wanted.dst_count; i++) {
        const double a = get(is.dst.data, i, is.dtype), b = get(wanted.dst.data, i, is.dtype);
        if (!CHECK_AT(agree(&wanted, a, b), "%s f%d, case %d: element %d is %.9g, not %.9g", k->name,
                      is.dtype == FC_F64 ? 64 : 32, number, (int)i, a, b))
            break;
    }
    CHECK_AT(intact(&is), "%s, case %d: written outside", k->name, number);
    end(&is);
    end(&wanted);
}

static double nanoseconds(const kernel *k, trial *t, int calls) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < calls; i++) k->call(t);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / calls;
}

static double median(double *values, int count) {
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && values[j] < values[j - 1]; j--) {
            const double moved = values[j];
            values[j] = values[j - 1], values[j - 1] = moved;
        }
    return values[count / 2];
}

/* The two take turns, so that a busy moment of the machine meets both. */
static void measure(const kernel *k, const fc_kernels *tier, const fc_kernels *scalar) {
    trial is = begin(k, tier, tier, CASES), plain = begin(k, tier, scalar, CASES);
    double times[2][TIMED_ROUNDS];
    const double once = nanoseconds(k, &is, 1) + nanoseconds(k, &plain, 1);
    const int calls = once > 20000 ? 1 : (int)(20000 / (once + 1)) + 1;
    for (int i = 0; i < TIMED_ROUNDS; i++) {
        times[0][i] = nanoseconds(k, &is, calls);
        times[1][i] = nanoseconds(k, &plain, calls);
    }
    const double own = median(times[0], TIMED_ROUNDS), reference = median(times[1], TIMED_ROUNDS);
    printf("%-14s f%d %-7s %9.0f ns   scalar %9.0f ns   %5.1f x\n", k->name,
           is.dtype == FC_F64 ? 64 : 32, fc_isa_name(tier->isa), own, reference, reference / own);
    end(&is);
    end(&plain);
}

int main(void) {
    if (fc_init() != FC_OK) return 2;
    fc_runtime_info info = {.struct_size = sizeof info};
    fc_runtime_query(&info);
    for (int dtype = FC_F32; dtype <= FC_F64; dtype++) {
        const fc_kernels tier = *fc_registry_kernels((fc_dtype)dtype);
        fc_registry_fill(FC_ISA_SCALAR);
        const fc_kernels scalar = *fc_registry_kernels((fc_dtype)dtype);
        fc_registry_fill((fc_isa)info.isa_used);
        CHECK(scalar.isa == FC_ISA_SCALAR && tier.isa == (fc_isa)info.isa_used);
        for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
            for (int number = 0; number <= CASES; number++)
                if (number == CASES || check_share(number)) compare(&kernels[i], &tier, &scalar, number);
            measure(&kernels[i], &tier, &scalar);
        }
    }
    return check_summary("test_kernels");
}
