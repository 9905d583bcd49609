/* conv_phases.h: a dilated convolution of stride 1 as dense ones.
 *
 * In one direction, with dilation d and leading padding p, outputs r, r + d, r + 2d, ... see source
 * elements q, q + d, q + 2d, ... alone, q = (r - p) mod d: a convolution of dilation 1 for each of the d
 * phases, whose rows or columns lie d apart in both. */
#ifndef FC_DRIVER_CONV_PHASES_H
#define FC_DRIVER_CONV_PHASES_H

#include "driver.h"

typedef struct fc_conv_phase {
    fc_conv_problem problem;
    int64_t src, dst; /* elements to where its operands begin */
} fc_conv_phase;

/* Whether the window is dilated, and why phases cannot compute it; NULL: they can. */
bool fc_conv_dilated(const fc_conv2d_desc *desc);
const char *fc_conv_phases_refuse(const fc_conv2d_desc *desc);

/* The phases of a problem; their outputs differ by one in each direction at most. */
int64_t fc_conv_phase_count(const fc_conv_problem *problem);
fc_conv_phase fc_conv_phase_at(const fc_conv_problem *problem, int64_t index);

/* One phase of each size of output, at most four, and how many there are of it. */
enum { FC_PHASE_SIZES = 4 };
int fc_conv_phase_sizes(const fc_conv_problem *problem, fc_conv_phase phase[FC_PHASE_SIZES],
                        int64_t times[FC_PHASE_SIZES]);

#endif
