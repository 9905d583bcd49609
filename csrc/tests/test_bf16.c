/* test_bf16.c: linear layers whose weights are rounded to bfloat16. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <math.h>

#include "../driver/driver.h"
#include "check.h"
#include "integers.h"

static fc_linear_desc layer(int64_t rows, int64_t in, int64_t out, int32_t bf16) {
    return (fc_linear_desc){.struct_size = sizeof(fc_linear_desc), .dtype = FC_F32,
                            .activation = FC_ACT_RELU, .has_bias = 1, .weights_bf16 = bf16,
                            .rows = rows, .in_features = in, .out_features = out,
                            .src_row_stride = in + 3};
}

static fc_plan *plan_of(fc_linear_desc desc) {
    fc_plan *plan = NULL;
    CHECK(fc_linear_create(&desc, &plan) == FC_OK);
    return plan;
}

static guarded packed_by(const fc_plan *plan, const void *weights, int threads) {
    guarded g = guarded_new(fc_plan_packed_bytes(plan), true);
    CHECK(fc_plan_pack(plan, weights, g.data, threads) == FC_OK);
    return g;
}

/* Weights from 128 to 256, where neighbours of bfloat16 are 1 apart: a quarter, a half and three quarters
 * between them. All sums are exact. */
static void test_exact(int64_t rows, int64_t in, int64_t out, int threads) {
    const bool at_end = random_below(2);
    const fc_linear_desc d = layer(rows, in, out, 1);
    guarded src = integers((rows - 1) * d.src_row_stride + in, FC_F32, at_end);
    guarded weights = guarded_new((size_t)(in * out) * sizeof(float), at_end);
    guarded bias = integers(out, FC_F32, at_end);
    guarded dst = guarded_new((size_t)(rows * out) * sizeof(float), at_end);
    for (int64_t i = 0; i < in * out; i++) {
        const double size = 128 + (double)random_below(128) + (double)random_below(4) / 4;
        put(weights.data, i, FC_F32, random_below(2) ? size : -size);
    }
    fc_plan *plan = plan_of(d);
    guarded packed = packed_by(plan, weights.data, threads);
    fc_args args = {.struct_size = sizeof args, .src = src.data, .packed = packed.data,
                    .bias = bias.data, .dst = dst.data};
    CHECK(fc_execute(plan, &args, threads) == FC_OK);
    int64_t wrong = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < out; o++) {
            double sum = get(bias.data, o, FC_F32);
            for (int64_t k = 0; k < in; k++)
                sum += get(src.data, r * d.src_row_stride + k, FC_F32) *
                       rint(get(weights.data, o * in + k, FC_F32)); /* ties to even */
            wrong += !(get(dst.data, r * out + o, FC_F32) == (sum > 0 ? sum : 0));
        }
    CHECK_AT(wrong == 0, "%lldx%lld -> %lld threads %d", (long long)rows, (long long)in, (long long)out,
             threads);
    CHECK(guarded_intact(&dst) && guarded_intact(&packed));
    fc_plan_destroy(plan);
    guarded_free(&src), guarded_free(&weights), guarded_free(&bias), guarded_free(&dst);
    guarded_free(&packed);
}

/* Deep layers give the bits that float32 weights of the rounded values give, and any part of the rows
 * the same. */
static void test_bits(int64_t rows, int64_t in, int64_t out) {
    guarded src = guarded_new((size_t)(rows * (in + 3)) * sizeof(float), true);
    guarded weights = guarded_new((size_t)(in * out) * sizeof(float), true);
    guarded bias = integers(out, FC_F32, true);
    guarded dst[3];
    for (int64_t i = 0; i < rows * (in + 3); i++) put(src.data, i, FC_F32, (double)random_below(999) / 700);
    for (int64_t i = 0; i < in * out; i++) {
        const uint32_t bits = 0x3f000000u | (uint32_t)random_below(2) << 31 |
                              (uint32_t)random_below(256) << 16; /* is of bfloat16 */
        memcpy(weights.data + (size_t)i * sizeof bits, &bits, sizeof bits);
    }
    for (int way = 0; way < 3; way++) {
        dst[way] = guarded_new((size_t)(rows * out) * sizeof(float), true);
        fc_plan *plan = plan_of(layer(way == 2 ? 1 : rows, in, out, way > 0));
        fc_args args = {.struct_size = sizeof args, .src = src.data, .weights = weights.data,
                        .bias = bias.data, .dst = dst[way].data};
        guarded packed = way ? packed_by(plan, weights.data, 2) : guarded_new(1, true);
        if (way) args.packed = packed.data;
        for (int64_t r = 0; r < (way == 2 ? rows : 1); r++) {
            CHECK(fc_execute(plan, &args, 1 + way) == FC_OK);
            args.src = (const float *)args.src + in + 3, args.dst = (float *)args.dst + out;
        }
        CHECK_AT(memcmp(dst[0].data, dst[way].data, dst[way].bytes) == 0, "%lldx%lld -> %lld way %d",
                 (long long)rows, (long long)in, (long long)out, way);
        fc_plan_destroy(plan);
        guarded_free(&packed);
    }
    guarded_free(&src), guarded_free(&weights), guarded_free(&bias);
    for (int way = 0; way < 3; way++) guarded_free(&dst[way]);
}

static void test_rounding(void) {
    static const struct {
        uint32_t bits;
        uint16_t rounded;
    } values[] = {
        {0x3f800000, 0x3f80}, {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
        {0x3f818000, 0x3f82}, {0xbf818000, 0xbf82}, {0x80000000, 0x8000}, {0x00008001, 0x0001},
        {0x007fffff, 0x0080}, {0x7f7f7fff, 0x7f7f}, {0x7f7fffff, 0x7f80}, {0xff800000, 0xff80},
        {0x7f800001, 0x7fc0}, {0xffffffff, 0xffff}, {0x7fbfffff, 0x7fff}, {0x40490fdb, 0x4049},
        {0xc2f6e979, 0xc2f7}, {0x00000000, 0x0000}, {0x33d6bf95, 0x33d7},
    };
    enum { COUNT = sizeof values / sizeof *values };
    float weights[2 * COUNT];
    for (int i = 0; i < 2 * COUNT; i++)
        memcpy(&weights[i], &values[i % COUNT].bits, sizeof weights[i]);
    fc_plan *plan = plan_of(layer(1, COUNT, 2, 1));
    uint32_t panel[FC_BF16_PANEL * FC_BF16_RUN / 2];
    CHECK(fc_plan_packed_bytes(plan) == sizeof panel);
    CHECK(fc_plan_pack(plan, weights, panel, 1) == FC_OK);
    for (int i = 0; i < FC_BF16_PANEL * FC_BF16_RUN; i++) {
        const int output = i / FC_BF16_RUN, feature = i % FC_BF16_RUN;
        const uint16_t expected = output < 2 && feature < COUNT ? values[feature].rounded : 0;
        const uint32_t word = panel[output * FC_BF16_RUN / 2 + feature % (FC_BF16_RUN / 2)];
        CHECK_AT((feature < FC_BF16_RUN / 2 ? word & 0xffff : word >> 16) == expected,
                 "output %d feature %d", output, feature);
    }
    fc_plan_destroy(plan);
}

static void test_refusals(void) {
    fc_linear_desc d = layer(1, 5, 3, 1);
    fc_plan *plan = plan_of(d);
    const float src[5] = {0}, weights[15] = {0}, bias[3] = {0};
    float dst[3] = {7, 7, 7};
    const fc_args args = {.struct_size = sizeof args, .src = src, .weights = weights, .bias = bias,
                          .dst = dst};
    CHECK(fc_execute(plan, &args, 1) == FC_ERR_INVALID_ARGUMENT && dst[0] == 7);
    fc_plan_info info = {.struct_size = sizeof info};
    fc_plan_query(plan, &info);
    CHECK(info.weight_bytes == fc_plan_packed_bytes(plan) && info.packing);
    fc_plan_destroy(plan);
    d.dtype = FC_F64;
    CHECK(fc_linear_create(&d, &plan) == FC_ERR_UNSUPPORTED && !plan);
    d.dtype = FC_F32, d.weights_bf16 = 2;
    CHECK(fc_linear_create(&d, &plan) == FC_ERR_INVALID_ARGUMENT && !plan);
    d.weights_bf16 = 1, d.reserved = 1;
    CHECK(fc_linear_create(&d, &plan) == FC_ERR_INVALID_ARGUMENT && !plan);
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("bf16");
    fc_test_all_threads = true;
    static const int64_t sizes[] = {1, 2, 3, 5, 8, 14, 17, 33}, depths[] = {1, 15, 16, 95, 1023, 1041, 2053};
    for (int i = 0; i < 150; i++)
        test_exact(pick(sizes, 8), pick(depths, 7), pick(sizes, 8), 1 + (int)random_below(3));
    for (int i = 0; i < 60; i++) test_bits(pick(sizes, 8), 96 + random_below(2100), pick(sizes, 8));
    test_rounding();
    test_refusals();
    return check_summary("bf16");
}
