#include "transposed_axis.h"

#include "../base/status.h"

fc_transposed_axis fc_transposed_axis_of(int64_t r, int64_t in, int64_t out, int64_t k, int64_t pad,
                                         int64_t stride, int64_t dilation) {
    const int64_t g = fc_gcd64(stride, dilation), every = stride / g;
    fc_transposed_axis axis = {
        .first = r, .count = (out - 1 - r) / stride + 1, .dilation = dilation / g};
    int64_t tap = 0; /* the first a with a*d = r + p (mod s), if any */
    while (tap < every && tap < k && (r + pad - tap * dilation) % stride) tap++;
    if (tap >= every || tap >= k) return axis;
    axis.taps = (k - 1 - tap) / every + 1;
    axis.tap = tap + (axis.taps - 1) * every;
    axis.step = -every;
    axis.offset = (r + pad - tap * dilation) / stride - (axis.taps - 1) * axis.dilation;
    const int64_t end = axis.offset + axis.count + (axis.taps - 1) * axis.dilation;
    if (end <= 0 || axis.offset >= in) axis.taps = 0; /* its windows lie on padding */
    return axis;
}
