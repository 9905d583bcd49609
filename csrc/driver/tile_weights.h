/* tile_weights.h: prepared weights of 1x1 convolution for pixel_tile and pixel_rest.
 *
 *   [group][tile][k][lanes]     rows of a tile side by side, zeros up to whole vectors
 *
 * All that a step of the sum broadcasts lies in a line or two, and follows the step before: where rows
 * lie apart, a tile is fourteen streams. pixel_rest finds vectors of output channels in it. All tiles of a
 * group have the same rows but the last. */
#ifndef FC_DRIVER_TILE_WEIGHTS_H
#define FC_DRIVER_TILE_WEIGHTS_H

#include "driver.h"

/* Tiles of a group's output channels, rows of each but the last, and the lanes that hold them. */
int64_t fc_tile_count(const fc_conv_problem *problem);
int64_t fc_tile_rows(const fc_conv_problem *problem);
int64_t fc_tile_lanes(const fc_conv_problem *problem);

/* 0 unless the weights are to be prepared: elsewhere they are read as they lie. */
size_t fc_tile_weights_bytes(const fc_conv_problem *problem);
void fc_tile_weights_pack(const fc_conv_problem *problem, const void *weights, void *packed,
                          int threads);
uint64_t fc_tile_weights_packing(const fc_conv_problem *problem);

#endif
