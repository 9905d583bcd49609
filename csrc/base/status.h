/* status.h: what the base layer shares with everything above it. */
#ifndef FC_BASE_STATUS_H
#define FC_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fastconv.h"

#define FC_CACHE_LINE 64
#define FC_BLOCK 16 /* channels in one block of NCHW16c, every tier and dtype */

static inline size_t fc_dtype_bytes(fc_dtype dtype) { return dtype == FC_F64 ? 8 : 4; }

static inline int64_t fc_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fc_max64(int64_t a, int64_t b) { return a > b ? a : b; }
/* ceil(a / b) for a >= 0, b > 0, however large */
static inline int64_t fc_div_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }
static inline int64_t fc_round_up(int64_t a, int64_t b) { return fc_div_up(a, b) * b; }
static inline int64_t fc_gcd64(int64_t a, int64_t b) {
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* false on overflow of int64, *out then undefined */
static inline bool fc_mul64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool fc_add64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* Fills a caller's info struct: one built against an older header has room for its own fields
 * only. */
static inline void fc_copy_info(void *info, const void *now, uint32_t info_size, size_t now_size) {
    memcpy(info, now, info_size < now_size ? info_size : now_size);
}

/* The share [*begin, *end) of worker `index` when `total` items are dealt as evenly as can be. */
static inline void fc_split(int64_t total, int64_t parts, int64_t index, int64_t *begin,
                            int64_t *end) {
    int64_t base = total / parts, extra = total % parts;
    *begin = index * base + fc_min64(index, extra);
    *end = *begin + base + (index < extra);
}

#endif
