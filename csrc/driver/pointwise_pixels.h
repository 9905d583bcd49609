/* pointwise_pixels.h: the pixels of a 1x1 convolution that are not read where they lie.
 *
 *   panels [panel][channel][2 vectors]    ragged ends, merged lists, channels that collide in a cache
 *   pixels [channel][pixel]               rows that lie apart, strides
 */
#ifndef FC_DRIVER_POINTWISE_PIXELS_H
#define FC_DRIVER_POINTWISE_PIXELS_H

#include "pointwise_cut.h"

/* Whether the source pixels of the rows of a plane are one run, as those of the result may be. */
bool fc_pointwise_src_is_flat(const fc_conv_problem *problem);

/* Where pixel `at` of a list lies in the result. */
typedef struct fc_pixel_place {
    int64_t n, y, x;
} fc_pixel_place;
fc_pixel_place fc_pointwise_place(const fc_pointwise_job *job, int64_t list, int64_t at);

/* Pixels [first, first + count) of a list into panels of `width`, the last filled up to a multiple of
 * `unit`. */
void fc_pointwise_copy_panels(const fc_pointwise_job *job, int64_t list, int64_t group, int64_t first,
                              int64_t count, int64_t width, int64_t unit, char *panels);

/* The same, one channel's behind the other's, `pitch` apart: the end of a row, whole rows, the beginning
 * of one. Filled up to a whole vector. */
void fc_pointwise_copy_rows(const fc_pointwise_job *job, int64_t list, int64_t group, int64_t first,
                            int64_t count, char *pixels);

#endif
