/* running_sums.h: sums of long runs in several vectors at once. */
/* Running sums: an addition's latency would else be the time of a vector. At least sixteen numbers, so that
 * short vectors round as little. */
enum { LINES = VLEN < 4 ? 16 / VLEN : 4 };

FC_INLINE real sum_of_lines(vec *sum) {
    for (int half = LINES / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) sum[k] = vec_add(sum[2 * k], sum[2 * k + 1]);
    real lane[VLEN];
    vec_store(lane, sum[0]);
    for (int half = VLEN / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}
