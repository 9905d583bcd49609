/* fuzz_plan.c: any bytes as a descriptor of any operation. `create` must give a status and never
 * crash; what it accepts, if it is small, is executed on buffers of exactly the size it needs, with
 * one thread, with three, and with packed weights: the same bits each time, and nothing written when
 * the status is an error. AddressSanitizer and UBSan watch (make -C csrc fuzz).
 *
 * LLVMFuzzerTestOneInput is what libFuzzer and AFL++ call; main() below, which needs neither, draws
 * seeded bytes. A mismatch prints the operation and aborts. */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool ready;
    if (!ready && fc_init() != FC_OK) abort();
    ready = fc_test_all_threads = true;
    feed b = {data, data + size};
    const fc_op op = (fc_op)(1 + take(&b) % (FC_OP_COUNT - 1));
    switch (op) { /* no default: a new operation must be given its own bytes */
    case FC_OP_CONV2D: fuzz_conv(&b, false); break;
    case FC_OP_CONV_TRANSPOSE2D: fuzz_conv(&b, true); break;
    case FC_OP_CONV2D_WEIGHT_GRADIENT: fuzz_weight_gradient(&b); break;
    case FC_OP_CHANNEL_SUMS: fuzz_channel_sums(&b); break;
    case FC_OP_POOL2D:
    case FC_OP_POOL2D_GRADIENT: fuzz_pool(&b); break;
    case FC_OP_PAD:
    case FC_OP_PAD_GRADIENT: fuzz_pad(&b); break;
    case FC_OP_UNFOLD: fuzz_unfold(&b, false); break;
    case FC_OP_FOLD: fuzz_unfold(&b, true); break;
    case FC_OP_INTERPOLATE:
    case FC_OP_INTERPOLATE_GRADIENT: fuzz_interpolate(&b); break;
    case FC_OP_UNPOOL:
    case FC_OP_UNPOOL_GRADIENT:
    case FC_OP_MAX_POOL_GRADIENT: fuzz_unpool(&b); break;
    case FC_OP_LINEAR:
    case FC_OP_UNARY:
    case FC_OP_SOFTMAX:
    case FC_OP_CHANNELWISE:
    case FC_OP_LRN:
    case FC_OP_UNARY_GRADIENT:
    case FC_OP_CHANNEL_GRADIENT:
    case FC_OP_LRN_GRADIENT:
    case FC_OP_SOFTMAX_GRADIENT: fuzz_dense(&b, op); break;
    case FC_OP_ADD:
    case FC_OP_SCALE: fuzz_rows(&b, op); break;
    case FC_OP_CROSS_ENTROPY: fuzz_cross_entropy(&b); break;
    case FC_OP_COUNT: break;
    }
    return 0;
}

#ifndef FC_LIBFUZZER
int main(int argc, char **argv) {
    const long runs = argc > 1 ? atol(argv[1]) : 10000;
    uint64_t state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (long i = 0; i < runs; i++) {
        uint8_t data[160];
        for (size_t k = 0; k < sizeof data; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            data[k] = (uint8_t)(state >> 56);
        }
        LLVMFuzzerTestOneInput(data, sizeof data);
    }
    static const char *const names[] = {"",        "conv2d",         "pool2d",      "linear",
                                        "unary",   "softmax",        "transposed",  "channelwise",
                                        "lrn",     "unpool",         "pad",         "unfold",
                                        "fold",    "interpolate",    "weight'",     "sums",
                                        "pool2d'", "max_pool'",      "unpool'",     "pad'",
                                        "interpolate'", "unary'",    "channels'",   "lrn'",
                                        "softmax'", "cross_entropy",  "add",         "scale"};
    for (int op = 1; op < FC_OP_COUNT; op++)
        printf("%-13s %8llu refused %8llu accepted %8llu executed\n", names[op],
               (unsigned long long)refused[op], (unsigned long long)accepted[op],
               (unsigned long long)executed[op]);
    fc_pool_trim();
    return 0;
}
#endif
