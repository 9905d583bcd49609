/* conv_blocked.h: what the drivers built on conv_tile share: how channels and weights are cut, how
 * a map is covered with register tiles, and how finished pixels leave for the destination. */
#ifndef FC_DRIVER_CONV_BLOCKED_H
#define FC_DRIVER_CONV_BLOCKED_H

#include "driver.h"

/* Cuts icg channels into `blocks` blocks of `block` channels and ocg into weight panels. */
void fc_blocking_set(fc_conv_blocking *blocking, const fc_kernels *kernels, fc_dtype dtype,
                     int64_t icg, int64_t ocg, int64_t block, int64_t taps);

/* The strip block for icg channels: all of them when few, else 32 to 64 with the least padding. */
int64_t fc_strip_block(int64_t icg);

/* One weight panel: `columns` = vectors * vlen output channels, the first `lanes` of them real. */
typedef struct fc_panel {
    int64_t oc; /* first output channel, counted over all groups */
    int vectors, lanes;
    const void *weights;
} fc_panel;

fc_panel fc_panel_at(const fc_conv_problem *problem, const void *packed, int64_t group,
                     int64_t index);

size_t fc_conv_packed_bytes(const fc_conv_problem *problem);
void fc_conv_pack(const fc_conv_problem *problem, const void *weights, void *packed, int threads);
/* The packing of drivers whose packed bytes and pack are these two. */
uint64_t fc_conv_packing(const fc_conv_problem *problem);

/* Covers a map of rows x cols pixels with register tiles, widths balanced; two rows share a tile
 * where they fit. `tile` describes the map's first pixel; rows and cols in it are overwritten. */
void fc_tile_map(const fc_kernels *kernels, fc_conv_tile_args tile, int64_t rows, int64_t cols);

/* Whether register tiles can be stored where dst wants them, and the residual is laid out alike. */
bool fc_conv_tiles_fit_dst(const fc_conv_problem *problem);

/* Stores `count` finished pixels of one panel, [pixel][columns] from `tiles`, into dst with bias,
 * residual and activation. Pixels are numbered over (n, oh, ow). */
void fc_store_pixels(const fc_conv_problem *problem, const fc_args *args, const fc_panel *panel,
                     const void *tiles, int64_t first, int64_t count);

/* Where pixel 0 of image n, channel c, row y of the source lies. */
const void *fc_conv_src_at(const fc_conv_problem *problem, const void *src, int64_t n, int64_t c,
                           int64_t y, int64_t x);

#endif
