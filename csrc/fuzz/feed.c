/* feed.c: bytes into numbers, strides and operands; how an accepted plan is executed. */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t accepted[FC_OP_COUNT], executed[FC_OP_COUNT], refused[FC_OP_COUNT];

/* ---- bytes into numbers ------------------------------------------------------------------------ */

uint8_t take(feed *b) { return b->at < b->end ? *b->at++ : 0; }

int64_t number(feed *b, int64_t low, int64_t high) {
    static const int64_t nasty[] = {0,         -1,        INT64_MIN, INT64_MAX,
                                    INT32_MAX, INT32_MIN, 1LL << 40, (1LL << 58) + 1,
                                    1LL << 31, 255,       -3,        1LL << 62};
    uint8_t first = take(b);
    if (first == 255) return nasty[take(b) % (sizeof nasty / sizeof *nasty)];
    return low + first % (high - low + 1);
}

int32_t small(feed *b, int32_t low, int32_t high) {
    return (int32_t)number(b, low, high);
}

void strides(feed *b, const int64_t *size, int rank, bool backwards, int64_t *stride) {
    const uint8_t how = take(b);
    int64_t step = how % 5 == 4 ? 2 : 1;
    for (int i = rank - 1; i >= 0; i--) {
        const int axis = how % 3 == 1 && rank == 4 ? (i == 3 ? 1 : i == 0 ? 0 : i + 1) : i;
        stride[axis] = backwards && (how >> (3 + axis) & 1) ? -step : step;
        if (__builtin_mul_overflow(step, size[axis] > 0 ? size[axis] : 1, &step)) step = 1;
    }
    if (how == 254) stride[take(b) % rank] = number(b, -9, 99);
}

/* ---- operands ---------------------------------------------------------------------------------- */

bool reach(const int64_t *size, const int64_t *stride, int rank, int64_t *span, int64_t *origin) {
    int64_t low = 0, high = 0;
    for (int i = 0; i < rank; i++) {
        int64_t far;
        if (size[i] < 1) {
            *span = 1, *origin = 0;
            return true;
        }
        if (__builtin_mul_overflow(size[i] - 1, stride[i], &far) || far > MOST_BYTES ||
            far < -MOST_BYTES)
            return false;
        *(far < 0 ? &low : &high) += far;
    }
    *span = high - low + 1;
    *origin = -low;
    return *span <= MOST_BYTES / 8;
}

bool apart(const int64_t *size, const int64_t *stride, int rank) {
    for (int i = 0; i < rank; i++) {
        if (size[i] > 1 && stride[i] == 0) return false;
        for (int j = 0; j < rank; j++)
            if (i != j && size[i] > 1 && size[j] > 1 && llabs(stride[i]) >= llabs(stride[j]) &&
                llabs(stride[i]) < llabs(stride[j]) * size[j])
                return false;
    }
    return true;
}

static void set(void *p, int64_t i, int32_t dtype, double value) {
    if (dtype == FC_F64)
        ((double *)p)[i] = value;
    else
        ((float *)p)[i] = (float)value;
}

operand numbers(int32_t dtype, int64_t count, int64_t origin) {
    const size_t bytes = dtype == FC_F64 ? 8 : 4;
    operand o = {.block = malloc((size_t)count * bytes)};
    for (int64_t i = 0; i < count; i++) set(o.block, i, dtype, (double)(i * 7 % 9 - 4));
    o.at = o.block + (size_t)origin * bytes;
    return o;
}

static void fail(const char *what, const fc_plan_info *info) {
    fprintf(stderr, "fuzz: %s: op %d %s f%d\n", what, info->op,
            fc_algorithm_name((fc_algorithm)info->algorithm), info->dtype == FC_F64 ? 64 : 32);
    abort();
}

void run(fc_plan *plan, fc_args *args, int64_t dst_span, int64_t dst_origin, bool indices,
         fc_status expected) {
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    const size_t bytes = (size_t)dst_span * (info.dtype == FC_F64 ? 8 : 4);
    char *dst[3];
    int64_t *places[3];
    void *packed = NULL;
    char *const sums = args->channel_dst[0]; /* of three, one behind the other */
    const size_t sums_bytes = sums ? 3 * (size_t)((char *)args->channel_dst[1] - sums) : 0;
    char *const first_sums = malloc(sums_bytes + 1);
    for (int way = 0; way < 3; way++) {
        dst[way] = malloc(bytes);
        memset(dst[way], 0x5a, bytes);
        places[way] = indices ? calloc((size_t)dst_span, sizeof(int64_t)) : NULL;
        args->struct_size = sizeof *args;
        args->dst = dst[way] + (size_t)dst_origin * (info.dtype == FC_F64 ? 8 : 4);
        if (indices) args->indices = places[way];
        if (sums) memset(sums, 0x5a, sums_bytes);
        const size_t form = way == 2 ? fc_plan_packed_bytes(plan) : 0;
        if (form) {
            packed = aligned_alloc(64, (form + 63) / 64 * 64);
            if (fc_plan_pack(plan, args->weights, packed, 2) != FC_OK) fail("pack", &info);
            args->packed = packed;
        }
        fc_status status = fc_execute(plan, args, way == 1 ? 3 : 1);
        if (status != expected) fail(fc_status_str(status), &info);
        if (memcmp(dst[0], dst[way], bytes)) fail(way == 1 ? "threads differ" : "packed differs", &info);
        if (indices && memcmp(places[0], places[way], (size_t)dst_span * sizeof(int64_t)))
            fail("indices differ", &info);
        if (sums && way == 0) memcpy(first_sums, sums, sums_bytes);
        if (sums && memcmp(first_sums, sums, sums_bytes)) fail("channels differ", &info);
    }
    for (size_t i = 0; expected != FC_OK && i < bytes; i++)
        if (dst[0][i] != 0x5a) fail("written in spite of an error", &info);
    for (int way = 0; way < 3; way++) free(dst[way]), free(places[way]);
    free(packed), free(first_sums);
    executed[info.op]++;
}

void run_gradient(fc_plan *plan, fc_status status, fc_op op, int32_t dtype) {
    if (status != FC_OK) {
        refused[op]++;
        return;
    }
    accepted[op]++;
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    if (info.src_bytes < MOST_BYTES && info.dst_bytes < MOST_BYTES && info.flops < 20000000 &&
        fc_plan_scratch_bytes(plan, 3, 0) < 64 * MOST_BYTES) {
        const int64_t item = dtype == FC_F64 ? 8 : 4;
        const int64_t in = (int64_t)info.src_bytes / item, out = (int64_t)info.dst_bytes / item;
        operand x = numbers(dtype, in ? in : 1, 0), input = numbers(dtype, out ? out : 1, 0);
        fc_args args = {.src = x.at, .input = input.at, .result = x.at};
        run(plan, &args, out ? out : 1, 0, false, FC_OK);
        free(x.block), free(input.block);
    }
    fc_plan_destroy(plan);
}
