/* fma_peak.c: as many independent multiply-adds as the register tile holds, on registers alone:
 * the roof that "percent of peak" refers to. Each chain feeds on itself, so nothing can be hoisted
 * even where a multiply and an add stand in for the FMA. */
#include "../simd/vec.h"
#include "ukr.h"

extern const int FC_NAME(peak_flops);
const int FC_NAME(peak_flops) = 2 * 2 * TILE_PIXELS * VLEN;

void FC_NAME(fma_peak)(const fc_fma_peak_args *a);
void FC_NAME(fma_peak)(const fc_fma_peak_args *a) {
    vec acc[2 * TILE_PIXELS];
    for (int i = 0; i < 2 * TILE_PIXELS; i++) acc[i] = vec_zero();
    const vec x = vec_set1((real)0.5), y = vec_set1(1);
    for (ptrdiff_t k = 0; k < a->count; k++)
#pragma GCC unroll 32
        for (int i = 0; i < 2 * TILE_PIXELS; i++) acc[i] = vec_fma(acc[i], x, y);
    vec sum = vec_zero();
#pragma GCC unroll 32
    for (int i = 0; i < 2 * TILE_PIXELS; i++) sum = vec_add(sum, acc[i]);
    real lanes[VLEN];
    vec_store(lanes, sum);
    *(real *)a->dst = lanes[0];
}
