/* indexed.c: values that go where indices say, and the check that these lie inside. Contracts in
 * ukr_elements.h. */
#include <assert.h>

#include "../simd/vec.h"
#include "ukr.h"

/* As many int64_t as the tier's vectors have room for; gcc's own vectors add, subtract and combine. */
#if FC_TIER == FC_TAG_scalar
typedef uint64_t numbers;
#else
typedef uint64_t numbers __attribute__((vector_size(sizeof(vec)), may_alias));
#endif
#define NUMBERS ((ptrdiff_t)(sizeof(numbers) / sizeof(uint64_t)))

/* Of i - least and limit - 1 - i one is negative where i lies outside, also where it wraps: i - least
 * wraps for no i inside, and to a negative number from the greatest one. */
void FC_NAME(check_indices)(const fc_check_indices_args *a);
void FC_NAME(check_indices)(const fc_check_indices_args *a) {
    assert((a->least == 0 || a->least == -1) && a->limit >= 0);
    const uint64_t least = (uint64_t)a->least, last = (uint64_t)(a->limit - 1 - a->least);
    numbers wrong[2];
    memset(wrong, 0, sizeof wrong);
    uint64_t any = 0;
    ptrdiff_t i = 0;
    for (; i + 2 * NUMBERS <= a->count; i += 2 * NUMBERS)
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            numbers x;
            memcpy(&x, a->indices + i + k * NUMBERS, sizeof x);
            x -= least;
            wrong[k] |= x | (last - x);
        }
    for (; i < a->count; i++) {
        const uint64_t x = (uint64_t)a->indices[i] - least;
        any |= x | (last - x);
    }
    uint64_t lane[2 * NUMBERS];
    memcpy(lane, wrong, sizeof wrong);
    for (i = 0; i < 2 * NUMBERS; i++) any |= lane[i];
    *a->outside = (int)(any >> 63);
}

void FC_NAME(add_indexed)(const fc_add_indexed_args *a);
void FC_NAME(add_indexed)(const fc_add_indexed_args *a) {
    const real *src = a->src;
    real *dst = a->dst;
    ptrdiff_t i = 0;
    for (; i + 4 <= a->count; i += 4)
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            const int64_t at = a->indices[i + k];
            if (at >= 0) dst[at] += src[i + k];
        }
    for (; i < a->count; i++)
        if (a->indices[i] >= 0) dst[a->indices[i]] += src[i];
}
