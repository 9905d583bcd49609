/* feed.h: what the fuzzed operations share. */
#ifndef FC_FUZZ_FEED_H
#define FC_FUZZ_FEED_H

#include "../driver/driver.h"

#include <stdbool.h>

#define MOST_BYTES (1 << 20) /* of an operand that is executed */

/* Of each operation, how many descriptors. */
extern uint64_t accepted[FC_OP_COUNT], executed[FC_OP_COUNT], refused[FC_OP_COUNT];

typedef struct feed {
    const uint8_t *at, *end;
} feed;

/* The next byte; 0 beyond the end. */
uint8_t take(feed *b);

/* Mostly from `low` to `high`; sometimes anything. */
int64_t number(feed *b, int64_t low, int64_t high);
int32_t small(feed *b, int32_t low, int32_t high);

/* Strides of `rank` axes: dense, channels last, or with gaps and backwards. */
void strides(feed *b, const int64_t *size, int rank, bool backwards, int64_t *stride);

/* The elements that strides reach: how many from the lowest, and where the origin is among them.
 * False where that is too much to be tried. */
bool reach(const int64_t *size, const int64_t *stride, int rank, int64_t *span, int64_t *origin);

/* Whether no two elements meet, for sure: those that do (a stride drawn at random) may be written in any
 * order. Strides that reach() is content with. */
bool apart(const int64_t *size, const int64_t *stride, int rank);

typedef struct operand {
    char *block; /* to free */
    char *at;    /* the origin */
} operand;

/* `count` small whole numbers. */
operand numbers(int32_t dtype, int64_t count, int64_t origin);

/* Runs an accepted plan in every way; dst_span elements, of which the origin is dst. What is written
 * for each channel, if anything is, lies one behind the other from channel_dst[0] on. */
void run(fc_plan *plan, fc_args *args, int64_t dst_span, int64_t dst_origin, bool indices,
         fc_status expected);

/* A gradient, whose operands are dense: if it was made, it is run, and destroyed. */
void run_gradient(fc_plan *plan, fc_status status, fc_op op, int32_t dtype);

/* One descriptor of an operation of each family, with what belongs to it. */
void fuzz_conv(feed *b, bool transpose);
void fuzz_weight_gradient(feed *b);
void fuzz_channel_sums(feed *b);
void fuzz_pool(feed *b);
void fuzz_unpool(feed *b);
void fuzz_pad(feed *b);
void fuzz_unfold(feed *b, bool fold);
void fuzz_interpolate(feed *b);
void fuzz_dense(feed *b, fc_op op);
void fuzz_rows(feed *b, fc_op op);
void fuzz_cross_entropy(feed *b);

#endif
