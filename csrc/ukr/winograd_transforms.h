/* winograd_transforms.h: the one-dimensional transforms of F(m, r), n = m + r - 1 products,
 * and of tiles with fewer outputs, which keep the first of these and the last: winograd_data_n_used
 * and winograd_output_m_n_used; of the gradient by the taps, winograd_diff_m_n, winograd_sums_n_r.
 * Written by tools/winograd.py, which derives and proves them. */
FC_INLINE void winograd_data_4_4(const vec x[4], vec y[4]) {
    y[0] = vec_sub(x[2], x[0]);
    const vec p0_even = x[2];
    const vec p0_odd = x[1];
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    y[3] = vec_sub(x[3], x[1]);
}

FC_INLINE void winograd_data_6_6(const vec x[6], vec y[6]) {
    y[0] = vec_fma(vec_set1((real)-2.5), x[2], vec_add(x[4], x[0]));
    const vec p0_even = vec_fma(vec_set1((real)-2.0), x[2], x[4]);
    const vec p0_odd = vec_fma(vec_set1((real)-2.0), x[1], x[3]);
    y[1] = vec_fma(vec_set1((real)0.7071067811865476), p0_odd, p0_even);
    y[2] = vec_fma(vec_set1((real)-0.7071067811865476), p0_odd, p0_even);
    const vec p1_even = vec_fma(vec_set1((real)-0.5), x[2], x[4]);
    const vec p1_odd = vec_fma(vec_set1((real)-0.5), x[1], x[3]);
    y[3] = vec_fma(vec_set1((real)1.4142135623730951), p1_odd, p1_even);
    y[4] = vec_fma(vec_set1((real)-1.4142135623730951), p1_odd, p1_even);
    y[5] = vec_fma(vec_set1((real)-2.5), x[3], vec_add(x[5], x[1]));
}

FC_INLINE void winograd_data_6_4(const vec x[4], vec y[4]) {
    y[0] = vec_fma(vec_set1((real)-2.0), x[2], x[0]);
    const vec p0_even = vec_mul(vec_set1((real)-1.5), x[2]);
    const vec p0_odd = vec_mul(vec_set1((real)-1.5), x[1]);
    y[1] = vec_fma(vec_set1((real)0.7071067811865476), p0_odd, p0_even);
    y[2] = vec_fma(vec_set1((real)-0.7071067811865476), p0_odd, p0_even);
    y[3] = vec_fma(vec_set1((real)-0.5), x[1], x[3]);
}

FC_INLINE void winograd_data_8_8(const vec x[8], vec y[8]) {
    y[0] = vec_fma(vec_set1((real)5.25), x[2], vec_fma(vec_set1((real)-5.25), x[4], vec_sub(x[6], x[0])));
    const vec p0_even = vec_fma(vec_set1((real)-4.25), x[4], vec_add(x[6], x[2]));
    const vec p0_odd = vec_fma(vec_set1((real)-4.25), x[3], vec_add(x[5], x[1]));
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)4.0), x[2], vec_fma(vec_set1((real)-5.0), x[4], x[6]));
    const vec p1_odd = vec_fma(vec_set1((real)4.0), x[1], vec_fma(vec_set1((real)-5.0), x[3], x[5]));
    y[3] = vec_fma(vec_set1((real)0.5), p1_odd, p1_even);
    y[4] = vec_fma(vec_set1((real)-0.5), p1_odd, p1_even);
    const vec p2_even = vec_fma(vec_set1((real)0.25), x[2], vec_fma(vec_set1((real)-1.25), x[4], x[6]));
    const vec p2_odd = vec_fma(vec_set1((real)0.25), x[1], vec_fma(vec_set1((real)-1.25), x[3], x[5]));
    y[5] = vec_fma(vec_set1((real)2.0), p2_odd, p2_even);
    y[6] = vec_fma(vec_set1((real)-2.0), p2_odd, p2_even);
    y[7] = vec_fma(vec_set1((real)5.25), x[3], vec_fma(vec_set1((real)-5.25), x[5], vec_sub(x[7], x[1])));
}

FC_INLINE void winograd_data_8_6(const vec x[6], vec y[6]) {
    y[0] = vec_fma(vec_set1((real)-1.0), x[0], vec_fma(vec_set1((real)5.0), x[2], vec_mul(vec_set1((real)-4.0), x[4])));
    const vec p0_even = vec_fma(vec_set1((real)0.75), x[2], vec_mul(vec_set1((real)-3.0), x[4]));
    const vec p0_odd = vec_fma(vec_set1((real)0.75), x[1], vec_mul(vec_set1((real)-3.0), x[3]));
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)3.75), x[2], vec_mul(vec_set1((real)-3.75), x[4]));
    const vec p1_odd = vec_fma(vec_set1((real)3.75), x[1], vec_mul(vec_set1((real)-3.75), x[3]));
    y[3] = vec_fma(vec_set1((real)0.5), p1_odd, p1_even);
    y[4] = vec_fma(vec_set1((real)-0.5), p1_odd, p1_even);
    y[5] = vec_fma(vec_set1((real)0.25), x[1], vec_fma(vec_set1((real)-1.25), x[3], x[5]));
}

FC_INLINE void winograd_data_8_4(const vec x[4], vec y[4]) {
    y[0] = vec_sub(x[2], x[0]);
    const vec p0_even = vec_mul(vec_set1((real)-2.25), x[2]);
    const vec p0_odd = vec_mul(vec_set1((real)-2.25), x[1]);
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    y[3] = vec_sub(x[3], x[1]);
}

FC_INLINE void winograd_taps_3_4(const vec x[3], vec y[4]) {
    y[0] = vec_mul(vec_set1((real)-1.0), x[0]);
    const vec p0_even = vec_fma(vec_set1((real)0.5), x[2], vec_mul(vec_set1((real)0.5), x[0]));
    const vec p0_odd = vec_mul(vec_set1((real)0.5), x[1]);
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    y[3] = x[2];
}

FC_INLINE void winograd_taps_3_6(const vec x[3], vec y[6]) {
    y[0] = x[0];
    const vec p0_even = vec_fma(vec_set1((real)-0.3333333333333333), x[2], vec_mul(vec_set1((real)-0.6666666666666666), x[0]));
    const vec p0_odd = vec_mul(vec_set1((real)-0.4714045207910317), x[1]);
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)0.3333333333333333), x[2], vec_mul(vec_set1((real)0.16666666666666666), x[0]));
    const vec p1_odd = vec_mul(vec_set1((real)0.23570226039551584), x[1]);
    y[3] = vec_add(p1_even, p1_odd);
    y[4] = vec_sub(p1_even, p1_odd);
    y[5] = x[2];
}

FC_INLINE void winograd_taps_3_8(const vec x[3], vec y[8]) {
    y[0] = vec_mul(vec_set1((real)-1.0), x[0]);
    const vec p0_even = vec_fma(vec_set1((real)-0.2222222222222222), x[2], vec_mul(vec_set1((real)-0.2222222222222222), x[0]));
    const vec p0_odd = vec_mul(vec_set1((real)-0.2222222222222222), x[1]);
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)0.17777777777777778), x[2], vec_mul(vec_set1((real)0.7111111111111111), x[0]));
    const vec p1_odd = vec_mul(vec_set1((real)0.35555555555555557), x[1]);
    y[3] = vec_add(p1_even, p1_odd);
    y[4] = vec_sub(p1_even, p1_odd);
    const vec p2_even = vec_fma(vec_set1((real)0.044444444444444446), x[2], vec_mul(vec_set1((real)0.011111111111111112), x[0]));
    const vec p2_odd = vec_mul(vec_set1((real)0.022222222222222223), x[1]);
    y[5] = vec_add(p2_even, p2_odd);
    y[6] = vec_sub(p2_even, p2_odd);
    y[7] = x[2];
}

FC_INLINE void winograd_taps_5_6(const vec x[5], vec y[6]) {
    y[0] = x[0];
    const vec p0_even = vec_fma(vec_set1((real)-0.16666666666666666), x[4], vec_fma(vec_set1((real)-0.3333333333333333), x[2], vec_mul(vec_set1((real)-0.6666666666666666), x[0])));
    const vec p0_odd = vec_fma(vec_set1((real)-0.23570226039551584), x[3], vec_mul(vec_set1((real)-0.4714045207910317), x[1]));
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)0.6666666666666666), x[4], vec_fma(vec_set1((real)0.3333333333333333), x[2], vec_mul(vec_set1((real)0.16666666666666666), x[0])));
    const vec p1_odd = vec_fma(vec_set1((real)0.4714045207910317), x[3], vec_mul(vec_set1((real)0.23570226039551584), x[1]));
    y[3] = vec_add(p1_even, p1_odd);
    y[4] = vec_sub(p1_even, p1_odd);
    y[5] = x[4];
}

FC_INLINE void winograd_taps_5_8(const vec x[5], vec y[8]) {
    y[0] = vec_mul(vec_set1((real)-1.0), x[0]);
    const vec p0_even = vec_fma(vec_set1((real)-0.2222222222222222), x[4], vec_fma(vec_set1((real)-0.2222222222222222), x[2], vec_mul(vec_set1((real)-0.2222222222222222), x[0])));
    const vec p0_odd = vec_fma(vec_set1((real)-0.2222222222222222), x[3], vec_mul(vec_set1((real)-0.2222222222222222), x[1]));
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)0.044444444444444446), x[4], vec_fma(vec_set1((real)0.17777777777777778), x[2], vec_mul(vec_set1((real)0.7111111111111111), x[0])));
    const vec p1_odd = vec_fma(vec_set1((real)0.08888888888888889), x[3], vec_mul(vec_set1((real)0.35555555555555557), x[1]));
    y[3] = vec_add(p1_even, p1_odd);
    y[4] = vec_sub(p1_even, p1_odd);
    const vec p2_even = vec_fma(vec_set1((real)0.17777777777777778), x[4], vec_fma(vec_set1((real)0.044444444444444446), x[2], vec_mul(vec_set1((real)0.011111111111111112), x[0])));
    const vec p2_odd = vec_fma(vec_set1((real)0.08888888888888889), x[3], vec_mul(vec_set1((real)0.022222222222222223), x[1]));
    y[5] = vec_add(p2_even, p2_odd);
    y[6] = vec_sub(p2_even, p2_odd);
    y[7] = x[4];
}

FC_INLINE void winograd_output_2_4_4(const vec x[4], vec y[2]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    y[0] = vec_add(x[0], p0_even);
    y[1] = vec_add(p0_odd, x[3]);
}

FC_INLINE void winograd_output_4_6_6(const vec x[6], vec y[4]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    y[0] = vec_add(vec_add(x[0], p0_even), p1_even);
    y[1] = vec_fma(vec_set1((real)1.4142135623730951), p1_odd, vec_mul(vec_set1((real)0.7071067811865476), p0_odd));
    y[2] = vec_fma(vec_set1((real)2.0), p1_even, vec_mul(vec_set1((real)0.5), p0_even));
    y[3] = vec_fma(vec_set1((real)2.8284271247461903), p1_odd, vec_fma(vec_set1((real)0.3535533905932738), p0_odd, x[5]));
}

FC_INLINE void winograd_output_2_6_4(const vec x[4], vec y[2]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    y[0] = vec_add(x[0], p0_even);
    y[1] = vec_fma(vec_set1((real)0.7071067811865476), p0_odd, x[3]);
}

FC_INLINE void winograd_output_6_8_8(const vec x[8], vec y[6]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    const vec p2_even = vec_add(x[5], x[6]);
    const vec p2_odd = vec_sub(x[5], x[6]);
    y[0] = vec_add(vec_add(vec_add(x[0], p0_even), p1_even), p2_even);
    y[1] = vec_fma(vec_set1((real)2.0), p2_odd, vec_fma(vec_set1((real)0.5), p1_odd, p0_odd));
    y[2] = vec_fma(vec_set1((real)4.0), p2_even, vec_fma(vec_set1((real)0.25), p1_even, p0_even));
    y[3] = vec_fma(vec_set1((real)8.0), p2_odd, vec_fma(vec_set1((real)0.125), p1_odd, p0_odd));
    y[4] = vec_fma(vec_set1((real)16.0), p2_even, vec_fma(vec_set1((real)0.0625), p1_even, p0_even));
    y[5] = vec_fma(vec_set1((real)32.0), p2_odd, vec_fma(vec_set1((real)0.03125), p1_odd, vec_add(p0_odd, x[7])));
}

FC_INLINE void winograd_output_4_8_6(const vec x[6], vec y[4]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    y[0] = vec_add(vec_add(x[0], p0_even), p1_even);
    y[1] = vec_fma(vec_set1((real)0.5), p1_odd, p0_odd);
    y[2] = vec_fma(vec_set1((real)0.25), p1_even, p0_even);
    y[3] = vec_fma(vec_set1((real)0.125), p1_odd, vec_add(p0_odd, x[5]));
}

FC_INLINE void winograd_output_2_8_4(const vec x[4], vec y[2]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    y[0] = vec_add(x[0], p0_even);
    y[1] = vec_add(p0_odd, x[3]);
}

FC_INLINE void winograd_output_2_6_6(const vec x[6], vec y[2]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    y[0] = vec_add(vec_add(x[0], p0_even), p1_even);
    y[1] = vec_fma(vec_set1((real)1.4142135623730951), p1_odd, vec_fma(vec_set1((real)0.7071067811865476), p0_odd, x[5]));
}

FC_INLINE void winograd_output_4_8_8(const vec x[8], vec y[4]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    const vec p2_even = vec_add(x[5], x[6]);
    const vec p2_odd = vec_sub(x[5], x[6]);
    y[0] = vec_add(vec_add(vec_add(x[0], p0_even), p1_even), p2_even);
    y[1] = vec_fma(vec_set1((real)2.0), p2_odd, vec_fma(vec_set1((real)0.5), p1_odd, p0_odd));
    y[2] = vec_fma(vec_set1((real)4.0), p2_even, vec_fma(vec_set1((real)0.25), p1_even, p0_even));
    y[3] = vec_fma(vec_set1((real)8.0), p2_odd, vec_fma(vec_set1((real)0.125), p1_odd, vec_add(p0_odd, x[7])));
}

FC_INLINE void winograd_output_2_8_6(const vec x[6], vec y[2]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    y[0] = vec_add(vec_add(x[0], p0_even), p1_even);
    y[1] = vec_fma(vec_set1((real)0.5), p1_odd, vec_add(p0_odd, x[5]));
}

FC_INLINE void winograd_diff_4_6(const vec x[4], vec y[6]) {
    y[0] = x[0];
    const vec p0_even = vec_fma(vec_set1((real)0.5), x[2], x[0]);
    const vec p0_odd = vec_fma(vec_set1((real)0.5), x[3], x[1]);
    y[1] = vec_fma(vec_set1((real)0.7071067811865476), p0_odd, p0_even);
    y[2] = vec_fma(vec_set1((real)-0.7071067811865476), p0_odd, p0_even);
    const vec p1_even = vec_fma(vec_set1((real)2.0), x[2], x[0]);
    const vec p1_odd = vec_fma(vec_set1((real)2.0), x[3], x[1]);
    y[3] = vec_fma(vec_set1((real)1.4142135623730951), p1_odd, p1_even);
    y[4] = vec_fma(vec_set1((real)-1.4142135623730951), p1_odd, p1_even);
    y[5] = x[3];
}

FC_INLINE void winograd_diff_4_8(const vec x[4], vec y[8]) {
    y[0] = x[0];
    const vec p0_even = vec_add(x[0], x[2]);
    const vec p0_odd = vec_add(x[1], x[3]);
    y[1] = vec_add(p0_even, p0_odd);
    y[2] = vec_sub(p0_even, p0_odd);
    const vec p1_even = vec_fma(vec_set1((real)0.25), x[2], x[0]);
    const vec p1_odd = vec_fma(vec_set1((real)0.25), x[3], x[1]);
    y[3] = vec_fma(vec_set1((real)0.5), p1_odd, p1_even);
    y[4] = vec_fma(vec_set1((real)-0.5), p1_odd, p1_even);
    const vec p2_even = vec_fma(vec_set1((real)4.0), x[2], x[0]);
    const vec p2_odd = vec_fma(vec_set1((real)4.0), x[3], x[1]);
    y[5] = vec_fma(vec_set1((real)2.0), p2_odd, p2_even);
    y[6] = vec_fma(vec_set1((real)-2.0), p2_odd, p2_even);
    y[7] = x[3];
}

FC_INLINE void winograd_sums_6_3(const vec x[6], vec y[3]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    y[0] = vec_fma(vec_set1((real)0.16666666666666666), p1_even, vec_fma(vec_set1((real)-0.6666666666666666), p0_even, x[0]));
    y[1] = vec_fma(vec_set1((real)0.23570226039551584), p1_odd, vec_mul(vec_set1((real)-0.4714045207910317), p0_odd));
    y[2] = vec_fma(vec_set1((real)0.3333333333333333), p1_even, vec_fma(vec_set1((real)-0.3333333333333333), p0_even, x[5]));
}

FC_INLINE void winograd_sums_8_5(const vec x[8], vec y[5]) {
    const vec p0_even = vec_add(x[1], x[2]);
    const vec p0_odd = vec_sub(x[1], x[2]);
    const vec p1_even = vec_add(x[3], x[4]);
    const vec p1_odd = vec_sub(x[3], x[4]);
    const vec p2_even = vec_add(x[5], x[6]);
    const vec p2_odd = vec_sub(x[5], x[6]);
    y[0] = vec_fma(vec_set1((real)0.011111111111111112), p2_even, vec_fma(vec_set1((real)0.7111111111111111), p1_even, vec_fma(vec_set1((real)-0.2222222222222222), p0_even, vec_mul(vec_set1((real)-1.0), x[0]))));
    y[1] = vec_fma(vec_set1((real)0.022222222222222223), p2_odd, vec_fma(vec_set1((real)0.35555555555555557), p1_odd, vec_mul(vec_set1((real)-0.2222222222222222), p0_odd)));
    y[2] = vec_fma(vec_set1((real)0.044444444444444446), p2_even, vec_fma(vec_set1((real)0.17777777777777778), p1_even, vec_mul(vec_set1((real)-0.2222222222222222), p0_even)));
    y[3] = vec_fma(vec_set1((real)0.08888888888888889), p2_odd, vec_fma(vec_set1((real)0.08888888888888889), p1_odd, vec_mul(vec_set1((real)-0.2222222222222222), p0_odd)));
    y[4] = vec_fma(vec_set1((real)0.17777777777777778), p2_even, vec_fma(vec_set1((real)0.044444444444444446), p1_even, vec_fma(vec_set1((real)-0.2222222222222222), p0_even, x[7])));
}
