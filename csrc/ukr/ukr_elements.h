/* ukr_elements.h: the contracts of the kernels of pooling, activations, normalisation, losses and
 * resampling. The rules for all kernels are in ukr.h. */
#ifndef FC_UKR_ELEMENTS_H
#define FC_UKR_ELEMENTS_H

#include "../base/status.h"

/* pool_rows: the vertical half of pooling, for all lines of several planes.
 *   dst[(p*lines + l)*dst_line + x] =
 *       max (or sum) over r < line[l].rows of src[p*src_plane + line[l].first + r*row_stride + x]
 *   x < pixels, l < lines, p < planes; line[l].rows 0 gives -Inf (or 0)
 * A NaN in a maximum stays; sums run in order of r. FC_POOL_LP sums src^norm. With `divisor`, sums of
 * FC_POOL_AVG are divided by divisor[l]. */
typedef struct fc_pool_line {
    ptrdiff_t first; /* element at which the line's first row begins */
    ptrdiff_t rows;
} fc_pool_line;

typedef struct fc_pool_rows_args {
    const void *src;
    void *dst;
    const fc_pool_line *line;
    const void *divisor; /* or NULL */
    ptrdiff_t planes, lines, pixels;
    ptrdiff_t src_plane, row_stride, dst_line;
    int kind; /* fc_pool_kind */
    double norm;
} fc_pool_rows_args;

/* pool_columns: the horizontal half, over bordered lines.
 *   dst[i*dst_line + x] = max (or sum) over t < taps of src[i*src_line + x*step + t*tap_step]
 *   i = p*lines + l, x < pixels, l < lines, p < planes; taps >= 1
 * An average divides the sum by line_divisor[l] * pixel_divisor[x]; with `reciprocal` these arrays
 * hold exact reciprocals and are multiplied with. FC_POOL_LP, whose src is summed powers, takes the
 * average times `window` to the power of 1/norm. Sums run in order of t; a NaN in a maximum stays.
 * With R = pixels rounded up to a multiple of vlen, R*step + (taps - 1)*tap_step elements of every
 * src line (step <= 2) and R of pixel_divisor are readable. */
typedef struct fc_pool_columns_args {
    const void *src;
    void *dst;
    const void *line_divisor, *pixel_divisor; /* of averages */
    ptrdiff_t planes, lines, pixels;
    ptrdiff_t src_line, dst_line;
    ptrdiff_t taps, step, tap_step;
    int reciprocal;
    int kind;
    double norm, window;
} fc_pool_columns_args;

/* pool_plane: both halves in one pass, for windows of two or three columns side by side, over rows as
 * they lie.
 *   dst[(p*lines + l)*dst_line + x] = what pool_rows makes of lines of `width` pixels, and of these
 *       pool_columns, at columns x*step - before + t, t < taps
 *   x < pixels, l < lines, p < planes; columns outside [0, width) are -Inf (or 0) and not read
 * taps 2 or 3, step 1 or 2, before 0 or 1, maxima or averages; pixels rounded up to a multiple of
 * vlen elements of pixel_divisor are readable. The order of a sum is that of the two kernels. */
typedef struct fc_pool_plane_args {
    const void *src;
    void *dst;
    const fc_pool_line *line;
    const void *line_divisor, *pixel_divisor; /* of averages */
    ptrdiff_t planes, lines, pixels, width;
    ptrdiff_t src_plane, row_stride, dst_line;
    int taps, step, before;
    int reciprocal;
    int kind;
} fc_pool_plane_args;

/* pool_indices: maxima of windows and where they are, over rows in phases with borders of -Inf.
 *   v(r, t) = src[p*src_plane + line[l].first - first + r*row_stride + column[t] + x]
 *   dst[i] = the greatest v(r, t), r < line[l].rows, t < taps, the first of equals in order of (r, t); or
 *       the last NaN there is       i = (p*lines + l)*pixels + x; x < pixels, l < lines, p < planes
 *   indices[i] = origin[l] + x*step + number[r*taps + t], or + start[x] where all are -Inf
 * number and start hold integers of FC_POOL_NUMBERS as bits: int32_t beside float, int64_t beside double.
 * line[l].rows and taps at least 1. With R = pixels rounded up to a multiple of vlen, R elements of start
 * and of src from each column[t] on are readable. */
#define FC_POOL_NUMBERS ((int64_t)1 << 30) /* below this none is a NaN's bits */

typedef struct fc_pool_indices_args {
    const void *src;
    void *dst;
    int64_t *indices;
    const fc_pool_line *line;
    const int64_t *origin;
    const ptrdiff_t *column;
    const void *number, *start;
    ptrdiff_t planes, lines, pixels, taps, step;
    ptrdiff_t src_plane, row_stride, first;
} fc_pool_indices_args;

/* check_indices: *outside = whether any of indices[i], i < count, is below `least` or from `limit` on;
 * least is 0 or -1, limit >= 0. */
typedef struct fc_check_indices_args {
    const int64_t *indices;
    ptrdiff_t count;
    int64_t least, limit;
    int *outside;
} fc_check_indices_args;

/* add_indexed: dst[indices[i]] += src[i] in order of i < count, but for those i where it is negative. */
typedef struct fc_add_indexed_args {
    const void *src;
    void *dst;
    const int64_t *indices;
    ptrdiff_t count;
} fc_add_indexed_args;

/* reduce_row: each of several contiguous rows to one value.
 *   dst[r] = max over i < count of src[r*src_row + i]   or   (sum over i of the same) / divisor
 * count >= 1, r < rows. The order of the sum depends on `count` alone; a NaN in a maximum stays. */
typedef struct fc_reduce_args {
    const void *src;
    void *dst;
    ptrdiff_t rows, src_row, count;
    double divisor; /* of averages */
    int kind;
} fc_reduce_args;

/* activate: dst[i] = act(src[i]), with the parameters of those activations that have some;
 * dst == src is allowed. */
typedef struct fc_activate_args {
    const void *src;
    void *dst;
    ptrdiff_t count;
    int activation;
    double alpha, beta;
} fc_activate_args;

/* activate_gradient: dst[i] = grad[i] * act'(x[i]), where saved[i] is
 *   act(x[i])  of ReLU, ReLU6, sigmoid, tanh and hardsigmoid
 *   x[i]       of all others
 * At kinks the derivative is PyTorch's: 0 at those of ReLU, ReLU6, hardsigmoid and the lower one of
 * hardswish, 1 at its upper one, alpha (times e^0) at 0 of leaky ReLU and ELU. dst == grad is allowed. */
typedef struct fc_activate_gradient_args {
    const void *grad, *saved;
    void *dst;
    ptrdiff_t count;
    int activation;
    double alpha, beta;
} fc_activate_gradient_args;

/* channel_rows: rows that belong to channels, or whose columns do.
 *   norm:  dst[r*count + i] = act((src[r*count + i] - mean[k]) * scale[k] + bias[k])
 *   prelu: dst[r*count + i] = src[r*count + i] > 0 ? src[r*count + i] : scale[k] * src[r*count + i]
 *   r < rows, i < count; k = i with by_column, else (first + r) % channels. The products of a norm
 *   are fused with the sums where the tier can. mean and bias are arrays for a norm. dst == src is
 *   allowed. */
typedef struct fc_channel_rows_args {
    const void *src;
    void *dst;
    const void *mean, *scale, *bias;
    ptrdiff_t rows, count, first, channels;
    int by_column;
    int kind; /* fc_channelwise_kind */
    int activation;
} fc_channel_rows_args;

/* channel_moments: sums over a piece of a channel (stride == 1 with width == 1: `length` elements side by
 * side), or of `width` channels side by side, `stride` elements from one row to the next:
 *   spread: dst[2*plane + x] = m = mean over l of src[l*stride + x], as near as rounding lets it
 *           dst[x] = sum of src[l*stride + x] - m     dst[plane + x] = sum of the squares of the same
 *   norm:   dst[x] = sum of grad[l*stride + x]
 *           dst[plane + x] = sum of grad[l*stride + x] * (src[l*stride + x] - mean[x])
 *   prelu:  dst[x] = sum of grad[l*stride + x] * src[l*stride + x] over those l where src is not > 0
 *   x < width, l < length, plane = dst_plane. With m's own rounding in the first sum, m + dst[x] / length
 * is the mean to more digits than the type has. The orders of the sums depend on `length` alone. */
typedef enum fc_moments_kind {
    FC_MOMENTS_SPREAD = 1,
    FC_MOMENTS_NORM = 2,
    FC_MOMENTS_PRELU = 3
} fc_moments_kind;

typedef struct fc_channel_moments_args {
    const void *src, *grad; /* grad: but for a spread */
    const void *mean;       /* for a norm */
    void *dst;
    ptrdiff_t length, stride, width, dst_plane;
    int kind; /* fc_moments_kind */
} fc_channel_moments_args;

/* channel_gradient: rows as in channel_rows, at = r*count + i, k their channel:
 *   norm:  dst[at] = scale[k] * grad[at] + (slope[k] * (src[at] - mean[k]) + bias[k])
 *   prelu: dst[at] = src[at] > 0 ? grad[at] : scale[k] * grad[at]
 *   scale: dst[at] = scale[k] * grad[at]   src is not read; dst == grad is allowed */
typedef enum fc_gradient_kind {
    FC_GRADIENT_NORM = 1,
    FC_GRADIENT_PRELU = 2,
    FC_GRADIENT_SCALE = 3
} fc_gradient_kind;

typedef struct fc_channel_gradient_args {
    const void *src, *grad;
    void *dst;
    const void *mean, *scale, *slope, *bias; /* all for a norm, else scale alone */
    ptrdiff_t rows, count, first, channels;
    int by_column;
    int kind; /* fc_gradient_kind */
} fc_channel_gradient_args;

/* lrn: local response normalisation of one tile of pixels.
 *   dst[c*stride + x] = src[c*stride + x] * (k + factor * sum of src[j*stride + x]^2)^-beta
 *   over j from max(0, c - before) to min(channels, c - before + size) - 1, in this order;
 *   c < channels, x < width. size >= 1, 0 <= before < size. */
typedef struct fc_lrn_args {
    const void *src;
    void *dst;
    ptrdiff_t channels, stride, width, size, before;
    double k, factor, beta;
} fc_lrn_args;

/* lrn_gradient: of one tile of pixels, at = c*stride + x.
 *   dst[at] = grad[at] * d[c]^-beta - 2 factor beta src[at] * sum of grad[j] src[j] d[j]^(-beta - 1)
 *   d[c] = k + factor * sum of squares over the window of c as in lrn; j: the channels in whose windows c
 *   is. scratch: channels * width elements. */
typedef struct fc_lrn_gradient_args {
    const void *src, *grad;
    void *dst, *scratch;
    ptrdiff_t channels, stride, width, size, before;
    double k, factor, beta;
} fc_lrn_gradient_args;

/* softmax: dst[l*stride + x] = exp(src[l*stride + x] - max_l) / sum_l   for x < width independent
 * columns, or with `logarithm` src[l*stride + x] - max_l - ln sum_l; length >= 1. stride == 1 with width == 1 is the contiguous case: a row, its sum in an
 * order of lanes that depends on `length` alone. Otherwise stride >= width, each column is summed in
 * order of l, and `scratch` holds 2 * width elements. dst == src is allowed. A NaN or +Inf in a column makes the whole column NaN, as IEEE arithmetic
 * on the formula does. */
typedef struct fc_softmax_args {
    const void *src;
    void *dst;
    void *scratch;
    ptrdiff_t length, stride, width;
    int logarithm;
} fc_softmax_args;

/* softmax_gradient: of columns or of a row as in softmax, at = l*stride + x.
 *   dst[at] = result[at] * (grad[at] - sum over l of grad[at] * result[at])
 *   or with `logarithm` (result is that of the logarithm)
 *   dst[at] = grad[at] - e^result[at] * sum over l of grad[at] */
typedef struct fc_softmax_gradient_args {
    const void *result, *grad;
    void *dst;
    ptrdiff_t length, stride, width;
    int logarithm;
} fc_softmax_gradient_args;

/* log_sum_exp: of columns or of a row as in softmax, m[x] the largest src[l*stride + x] over l.
 *   dst[x] = m[x]   dst[plane + x] = ln(sum over l of exp(src[l*stride + x] - m[x]))
 *   and with weights   dst[2*plane + x] = sum over l of weights[l] * (src[l*stride + x] - m[x])
 *   plane = dst_plane. A NaN makes the second NaN. */
typedef struct fc_log_sum_exp_args {
    const void *src, *weights; /* weights: `length` or NULL */
    void *dst;
    ptrdiff_t length, stride, width, dst_plane;
} fc_log_sum_exp_args;

/* exp_scaled: of columns or of a row as in softmax.
 *   dst[l*stride + x] = scale[x] * exp(src[l*stride + x] - most[x] - log_sum[x]) - spread[x] * weights[l]
 *   without weights nothing is taken off. */
typedef struct fc_exp_scaled_args {
    const void *src, *most, *log_sum, *scale, *spread, *weights;
    void *dst;
    ptrdiff_t length, stride, width;
} fc_exp_scaled_args;

/* add_strided: dst[i*step] += src[i], i < count; the rows of fold. */
typedef struct fc_add_strided_args {
    const void *src;
    void *dst;
    ptrdiff_t count, step;
} fc_add_strided_args;

/* add_scaled: dst[i] = weight * src[i] + (fresh ? 0 : dst[i]), i < count, one vec_fma each; a fresh dst is
 * not read. dst == src is allowed. */
typedef struct fc_add_scaled_args {
    const void *src;
    void *dst;
    ptrdiff_t count;
    double weight;
    int fresh;
} fc_add_scaled_args;

/* spread_row: values spread over their windows, the horizontal half of the gradient of pooling.
 *   line[i] = src[i] / (row_divisor * divisor[i])   i < count; without divisors src as it is
 *   dst[x] = sum of line[i] over the windows i that hold x,   x < pixels, from zero
 * Window i are the pixels from i*step - pad on, `taps` of them, as far as they lie in the row: the sum
 * runs by falling i. With `begin`, they are those from begin[i] to end[i] - 1, and it runs by rising i.
 * `line` is scratch of `count` elements; nothing else aliases. */
typedef struct fc_spread_row_args {
    const void *src;
    const void *divisor; /* or NULL */
    const ptrdiff_t *begin, *end; /* or NULL */
    void *line, *dst;
    double row_divisor;
    ptrdiff_t count, pixels, taps, step, pad;
} fc_spread_row_args;

/* bilinear_row: one row of the result, between two rows of the source and then between columns.
 *   line[x] = row_weight[0] * row[0][x] + row_weight[1] * row[1][x]             x < width
 *   dst[i] = weight[0][i] * line[column[0][i]] + weight[1][i] * line[column[1][i]]   i < pixels
 * The first products are rounded, the second ones fused with the sums where the tier can. `line` is
 * scratch of `width` elements. */
typedef struct fc_bilinear_row_args {
    const void *row[2];
    double row_weight[2];
    const void *weight[2];
    const ptrdiff_t *column[2];
    void *line, *dst;
    ptrdiff_t width, pixels;
} fc_bilinear_row_args;

#endif
