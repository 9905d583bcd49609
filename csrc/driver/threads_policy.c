/* threads_policy.c: how many threads are worth waking.
 *
 * Entering and leaving a region costs 0.5 to 3 microseconds when the workers still spin. A thread
 * that joins must bring several times that: 1 Mflop is 4 to 20 microseconds of arithmetic on the
 * machines this was written on, 256 KiB about as long of memory traffic. (Zen 5, 1x1, 48 -> 192 channels
 * at 13 x 13, 3 Mflop: 14 microseconds on one thread, 8 on two. Below 2 Mflop there is little to gain.) */
#include "driver.h"

bool fc_test_all_threads = false;

static int threads_for(int requested, double work, double least) {
    if (fc_test_all_threads) return requested;
    double worth = work / least;
    if (worth < 2) return 1;
    return worth < requested ? (int)worth : requested;
}

int fc_threads_for_flops(int requested, double flops) { return threads_for(requested, flops, 1e6); }

int fc_threads_for_bytes(int requested, double bytes) {
    return threads_for(requested, bytes, 256.0 * 1024);
}
