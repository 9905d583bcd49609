#include "cut.h"

int64_t fc_cut_strips(int64_t images, int64_t rows, int64_t most, int threads, fc_strip_cost cost) {
    const int64_t least = fc_div_up(rows, fc_max64(1, most));
    /* Two strips a thread, so that one can help another that was held up; more of them only convert
     * more (3x3, 64 channels at 56x56, two threads: 88 % of peak with two strips each, 78 % with four). */
    const int64_t wanted = 2 * (int64_t)threads;
    if (threads <= 1 || images * least >= 4 * wanted) return least;
    const int64_t finest = least + fc_div_up(wanted, images);
    int64_t best = least;
    double shortest = 0;
    for (int64_t strips = least; strips <= fc_min64(rows, finest); strips++) {
        const double strip = cost.row * (double)fc_div_up(rows, strips) + cost.fixed;
        /* the strips of the busiest thread, and a part of one that it waits for another's last */
        const double time = strip * ((double)fc_div_up(images * strips, threads) + 0.15);
        if (strips > least && time >= shortest) continue;
        shortest = time;
        best = strips;
    }
    return best;
}

int64_t fc_cut_parts(int64_t units, int64_t panels, int threads) {
    if (threads <= 1 || units >= 2 * (int64_t)threads) return 1;
    const int64_t finest = fc_min64(panels, 2 * (int64_t)threads);
    int64_t best = 1, shortest = INT64_MAX;
    for (int64_t parts = 1; parts <= finest; parts++) {
        const int64_t busiest = fc_div_up(units * parts, threads) * fc_div_up(panels, parts);
        if (busiest >= shortest) continue;
        shortest = busiest;
        best = parts;
    }
    return best;
}
