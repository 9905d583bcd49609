/* ukr.h: the micro-kernels: rules for all of them, and the table that holds them. Their contracts are in
 * ukr_products.h, ukr_elements.h and ukr_updates.h.
 *
 * Each ukr source is compiled once per ISA tier and dtype with -DFC_ISA_TAG=avx512 and so on and
 * -DFC_REAL_TAG=f32 or f64 (simd/vec.h turns these into `real`, `vec` and FC_NAME). A kernel `k`
 * then is the symbol fc_k_f32_avx512. Names, signatures and the table are made from ukr_list.inc.
 *
 * Rules for all kernels: sizes are in elements; pointers need the alignment of their element only
 * (unless said otherwise); nothing is read or written outside what the formula names; dst never
 * overlaps an input; results per output element do not depend on how a caller cuts the work into
 * calls; arguments were validated above, kernels only assert.
 */
#ifndef FC_UKR_H
#define FC_UKR_H

#include "../base/status.h"
#include "ukr_elements.h"
#include "ukr_products.h"
#include "ukr_updates.h"

/* fma_peak: `count` rounds of independent multiply-adds on registers; *dst receives a value that
 * keeps the compiler from dropping them. Flops a round: table->peak_flops. */
typedef struct fc_fma_peak_args {
    void *dst;
    ptrdiff_t count;
} fc_fma_peak_args;

typedef struct fc_kernels {
    fc_isa isa;
    size_t element_bytes;
    int vlen;        /* elements in a vector */
    int tile_pixels; /* most pixels of a conv_tile, most rows of a plane_tile or pixel_tile */
    int peak_flops;
#define FC_UKR(name, args) void (*name)(const args *);
#include "ukr_list.inc"
#undef FC_UKR
} fc_kernels;

#endif
