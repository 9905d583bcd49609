/* integers.h: seeded small integers in guarded memory, on which every float sum is exact, and random
 * layouts for them. */
#ifndef FC_TESTS_INTEGERS_H
#define FC_TESTS_INTEGERS_H

#include "../base/status.h"
#include "guarded.h"

enum { GREATEST = 4 };
static uint64_t random_state = 7;

static inline int64_t random_below(int64_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((random_state >> 33) % (uint64_t)n);
}

static inline double get(const void *p, int64_t i, fc_dtype dtype) {
    return dtype == FC_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static inline void put(void *p, int64_t i, fc_dtype dtype, double value) {
    if (dtype == FC_F64)
        ((double *)p)[i] = value;
    else
        ((float *)p)[i] = (float)value;
}

static inline guarded integers(int64_t count, fc_dtype dtype, bool at_end) {
    guarded g = guarded_new((size_t)count * fc_dtype_bytes(dtype), at_end);
    for (int64_t i = 0; i < count; i++) put(g.data, i, dtype, (double)(random_below(2 * GREATEST + 1) - GREATEST));
    return g;
}

static inline int64_t pick(const int64_t *from, int64_t count) { return from[random_below(count)]; }

/* Strides of a tensor of `size` whose axes lie in memory in a random order, innermost elements
 * sometimes apart; axes marked in `flip` run backwards. Returns where its origin is, and how many
 * elements it spans. */
static inline int64_t random_layout(const int64_t *size, int rank, unsigned flip, int64_t *stride,
                                    int64_t *span) {
    int64_t step = random_below(4) ? 1 : 2, origin = 0, last = 0;
    unsigned done = 0;
    for (int round = 0; round < rank; round++) {
        int axis = (int)random_below(rank);
        while (done >> axis & 1) axis = (axis + 1) % rank;
        done |= 1u << axis;
        stride[axis] = step;
        last += (size[axis] - 1) * step;
        step *= size[axis];
        if (flip >> axis & 1) {
            origin += (size[axis] - 1) * stride[axis];
            stride[axis] = -stride[axis];
        }
    }
    *span = last + 1;
    return origin;
}

#endif
