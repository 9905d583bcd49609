/* transposed_axis.h: the phases of a transposed convolution in one direction.
 *
 * With stride s, dilation d and leading padding p, output o sums src[i] * w[a] over i*s + a*d = o + p.
 * Outputs of one phase, o = r + j*s, see the same taps: those with a*d = r + p (mod s). With g = gcd(s, d)
 * there are none unless g divides r + p; else they are a = a0 + t*s/g, t = 0 .. T-1, and meet the source at
 * i = j + b0 - t*d/g, b0 = (r + p - a0*d) / s. Read backwards, u = T-1-t, that is a convolution of stride 1
 * and dilation d/g, of T taps, whose first one meets the source at j + b0 - (T-1)*d/g. */
#ifndef FC_DRIVER_TRANSPOSED_AXIS_H
#define FC_DRIVER_TRANSPOSED_AXIS_H

#include <stdint.h>

typedef struct fc_transposed_axis {
    int64_t first;     /* output that it begins with */
    int64_t count;     /* outputs, a stride apart */
    int64_t tap, step; /* the tap that comes first, and from there to the next; step < 0 */
    int64_t taps;      /* 0: nothing but the bias */
    int64_t dilation;
    int64_t offset; /* source element under the first tap of the first output: may lie outside */
} fc_transposed_axis;

/* Phase r < min(stride, out) of `in` source elements and `out` outputs. */
fc_transposed_axis fc_transposed_axis_of(int64_t r, int64_t in, int64_t out, int64_t k, int64_t pad,
                                         int64_t stride, int64_t dilation);

#endif
