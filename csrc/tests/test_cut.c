/* test_cut.c: how work is cut, for 1 to 256 threads, without running any of them. */
#include "../base/cpu.h"
#include "../driver/cut.h"
#include "../driver/pointwise_cut.h"
#include "../plan/plan.h"
#include "../plan/registry.h"
#include "check.h"

static const int64_t some_rows[] = {1, 2, 3, 7, 13, 14, 28, 55, 56, 112, 224, 1080};
static const int64_t some_images[] = {1, 2, 3, 8, 32, 100};

/* The most rows that one thread computes when whole strips are dealt out. */
static int64_t busiest(int64_t images, int64_t rows, int64_t strips, int threads) {
    return fc_div_up(images * strips, threads) * fc_div_up(rows, strips);
}

static void test_strips(void) {
    const fc_strip_cost cheap = {.row = 100, .fixed = 2}, dear = {.row = 1, .fixed = 1000};
    for (size_t i = 0; i < sizeof some_images / sizeof *some_images; i++)
        for (size_t r = 0; r < sizeof some_rows / sizeof *some_rows; r++)
            for (int64_t most = 1; most <= some_rows[r]; most += 1 + most / 2)
                for (int threads = 1; threads <= 256; threads++) {
                    const int64_t images = some_images[i], rows = some_rows[r];
                    const int64_t least = fc_div_up(rows, most);
                    const int64_t strips = fc_cut_strips(images, rows, most, threads, cheap);
                    CHECK(strips >= least && strips <= fc_max64(rows, least));
                    /* no strip is higher than the caches allow, and none is empty */
                    int64_t end = 0;
                    for (int64_t s = 0; s < strips; s++) {
                        int64_t begin, before = end;
                        fc_split(rows, strips, s, &begin, &end);
                        CHECK(begin == before && end > begin && end - begin <= most);
                    }
                    CHECK(end == rows);
                    /* one thread converts nothing twice that the caches do not make it */
                    if (threads == 1) CHECK(strips == least);
                    /* where there are rows enough, the busiest thread has at most a third more than
                     * its share */
                    const double share = (double)(images * rows) / threads;
                    if (images == 1 && rows >= 8 * threads)
                        CHECK_AT((double)busiest(images, rows, strips, threads) <= share * 4 / 3,
                                 "%d rows, at most %d: %d strips for %d threads", (int)rows,
                                 (int)most, (int)strips, threads);
                    /* what neighbours share weighs more than the rows: nobody gets a strip more */
                    const int64_t few = fc_cut_strips(images, rows, most, threads, dear);
                    CHECK(fc_div_up(images * few, threads) <= fc_div_up(images * least, threads));
                }
}

static void test_parts(void) {
    for (int64_t units = 1; units <= 40; units++)
        for (int64_t panels = 1; panels <= 64; panels++)
            for (int threads = 1; threads <= 256; threads++) {
                const int64_t parts = fc_cut_parts(units, panels, threads);
                CHECK(parts >= 1 && parts <= panels);
                if (threads == 1 || units >= 2 * threads) CHECK(parts == 1);
                const int64_t work = fc_div_up(units * parts, threads) * fc_div_up(panels, parts);
                /* never worse than undivided, and with panels enough close to the share */
                CHECK(work <= fc_div_up(units, threads) * panels);
                if (units < 2 * threads && panels >= 4 * threads)
                    CHECK_AT((double)work <= 1.5 * (double)(units * panels) / threads,
                             "%d units of %d panels: %d parts for %d threads", (int)units, (int)panels,
                             (int)parts, threads);
                if (units == 1) CHECK(work == fc_div_up(panels, threads));
            }
}

static fc_pointwise_job job_of(int64_t channels, int64_t outputs, int64_t size, int threads) {
    const fc_conv2d_desc d = {
        .struct_size = sizeof d,
        .dtype = FC_F32,
        .direction = FC_FORWARD,
        .src_layout = FC_LAYOUT_STRIDED,
        .dst_layout = FC_LAYOUT_STRIDED,
        .algorithm = FC_ALGO_POINTWISE,
        .n = 1, .ic = channels, .ih = size, .iw = size, .oc = outputs, .groups = 1,
        .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1,
        .weights_prepared = 1,
        .src_stride = {channels * size * size, size * size, size, 1},
        .dst_stride = {outputs * size * size, size * size, size, 1},
    };
    fc_plan *plan = NULL;
    CHECK(fc_conv2d_create(&d, &plan) == FC_OK);
    fc_pointwise_job job = fc_pointwise_cut(&plan->conv, threads);
    fc_plan_destroy(plan);
    job.problem = NULL;
    return job;
}

/* Of low tiles, what a block reads stays in the caches that it is cut for. */
static void test_pointwise_loops(void) {
    const bool low = fc_registry_kernels(FC_F32)->tile_pixels < 12;
    const int64_t l1 = (int64_t)fc_cpu_caches()->l1d, l2 = (int64_t)fc_cpu_caches()->l2;
    for (int64_t channels = 16; channels <= 8192; channels *= 2)
        for (int threads = 1; threads <= 256; threads++) {
            const fc_pointwise_job job = job_of(channels, 512, 14, threads);
            CHECK(job.depth >= 1 && job.depth <= channels && job.block >= 1 && job.block <= job.tiles);
            CHECK((job.depth < channels) == (job.sums_bytes > 0));
            if (!low) {
                CHECK(job.depth == channels && (job.block == 1 || job.block == job.tiles));
                continue;
            }
            CHECK(job.in_place == (channels <= 32));
            CHECK(job.depth * job.width * 4 <= l1);
            CHECK(job.block <= 4 || job.block * channels * job.lanes * 4 <= l2);
            if (channels * job.width * 4 > l1) CHECK(job.depth < channels);
            if (channels * 512 * 4 > l2) CHECK(job.block < job.tiles);
        }
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("cut");
    test_strips();
    test_parts();
    test_pointwise_loops();
    return check_summary("cut");
}
