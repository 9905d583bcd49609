/* strip_row.h: a row of a channel-last strip [column][channel], out of the padded image. */
#ifndef FC_DRIVER_STRIP_ROW_H
#define FC_DRIVER_STRIP_ROW_H

#include "driver.h"

typedef struct fc_strip_row {
    int64_t image, channel; /* the first of `channels`, counted over all groups, */
    int64_t channels, block; /* with zeros up to `block` of them */
    int64_t y, first, cols; /* of the padded image; what lies beyond it is zeros */
} fc_strip_row;

void fc_strip_row_pack(const fc_conv_problem *problem, const void *src, fc_strip_row row, char *dst);

#endif
