/* ukr_products.h: the contracts of the kernels that multiply by weights, and of those that lay out what
 * they read and write. The rules for all kernels are in ukr.h. */
#ifndef FC_UKR_PRODUCTS_H
#define FC_UKR_PRODUCTS_H

#include "../base/status.h"

#define FC_TILE_MAX_PIXELS 14

/* conv_tile: one register tile of every convolution, 1x1, im2col panel and linear layer.
 *
 *   dst[m][n] = act( bias[n] + residual[m][n] + sum over a, b, c, k of
 *                    src[pixel(m) + a*step[0] + b*step[1] + c*step[2] + k] * weights[..][n] )
 *
 *   a < count[0] (channel blocks), b < count[1] (kernel rows), c < count[2] (kernel columns when
 *   dilated, else 1), k < run (contiguous: kernel columns x channels of the block);
 *   weights are read straight through: [a][b][c][k][N], N = panels * vlen, but `skip[1]` elements are
 *   passed over after each b and `skip[0]` after each a: products that a driver leaves out.
 *   m = r * cols + x, pixel(m) = r * src_row + x * src_pixel; rows * cols <= the tier's tile.
 *
 * The sum runs in that one order for every tile shape, so cutting a map differently never changes
 * a bit. With `accumulate`, dst is read and continued from (K in pieces); otherwise only written.
 * Only the first `lanes` <= N columns are stored. With each k the line `ahead` elements behind its
 * weights is asked for; with 0 that is the line itself, which costs nothing. */
typedef struct fc_conv_tile_args {
    const void *src;
    const void *weights;
    void *dst;
    ptrdiff_t src_pixel, src_row;
    ptrdiff_t dst_pixel, dst_row;
    ptrdiff_t count[3], step[3];
    ptrdiff_t run;
    ptrdiff_t skip[2], ahead;
    int rows, cols;
    int panels; /* vectors per pixel: 1 or 2 */
    int lanes;
    int accumulate;
    int activation;       /* fc_activation */
    const void *bias;     /* `lanes` elements or NULL */
    const void *residual; /* laid out as dst, or NULL */
} fc_conv_tile_args;

/* border_rows: rows with zeros left and right of them, of every step-th pixel.
 *   dst[r*dst_row + x] = first <= x < last ? src[r*src_row + (x - first)*step] : 0
 *   r < rows, x < cols, 0 <= first <= last <= cols; step of any sign
 * What lies `ahead` elements behind a vector of src is asked for, whatever it is. */
typedef struct fc_border_rows_args {
    const void *src;
    void *dst;
    ptrdiff_t rows, cols, first, last;
    ptrdiff_t src_row, dst_row, step, ahead;
} fc_border_rows_args;

/* plane_dots: products of planes, each shifted by several taps, with others: the weight gradient of few
 * channels. Its vectors are pixels.
 *   dst[(o*dst_channel + t)*vlen + l] += sum over i, r, x of
 *       diff[o*diff_channel + i*diff_image + r*diff_row + x] * src[tap[t] + i*src_image + r*src_row + x]
 *   l = x mod vlen; o < channels, t < taps, i < images, r < rows, x < cols
 * What lies behind the rows of a channel of diff is asked for: the next one's, where they are whole planes.
 * Each lane takes its products in order of (i, r, x), one vec_fma each, however they are cut into calls at
 * whole rows. */
#define FC_DOTS_TAPS 9     /* taps of one pass over one channel */
#define FC_DOTS_CHANNELS 4 /* and channels of one over FC_DOTS_SHARED taps */
#define FC_DOTS_SHARED 3
typedef struct fc_plane_dots_args {
    const void *src, *diff;
    void *dst;
    const ptrdiff_t *tap;
    ptrdiff_t channels, taps, images, rows, cols;
    ptrdiff_t src_image, src_row;
    ptrdiff_t diff_channel, diff_image, diff_row;
    ptrdiff_t dst_channel;
} fc_plane_dots_args;

/* window_dots: the same products for the windows of a convolution, the source read where it lies: the weight
 * gradient of depthwise convolution, and of few channels.
 *   dst[(o*dst_channel + a*k + b)*vlen + l] += sum over i, y, x of
 *       diff[o*diff_channel + i*diff_image + y*diff_row + x] * S(i, y*step + a - top, x*step + b - left)
 *   S(i, r, c) = 0 <= r < height && 0 <= c < width ? src[i*src_image + r*src_row + c] : 0
 *   l = x mod vlen; o < channels, a, b < k, i < images, y < rows, x < cols; step is 1 or 2
 * k is 3, 5 or 7; with 16 registers, which do not hold the sums of more, 3 (one lane: as the oracle, any).
 * Runs of `block` rows are done with one after the other, all their columns: they should lie in the
 * first-level cache. With them is asked for what lies an image further on, and for the last image
 * `src_ahead` and `diff_ahead` elements, whatever it is. Each lane takes its products in order of (i, run
 * of rows, x, y), one vec_fma each. */
#define FC_WINDOW_DOTS_LARGEST(tile_pixels, vlen) ((tile_pixels) >= 12 || (vlen) == 1 ? 7 : 3)
#define FC_WINDOW_DOTS_CHANNELS(tile_pixels, k) ((tile_pixels) >= 12 && (k) == 3 ? 2 : 1) /* at once */
typedef struct fc_window_dots_args {
    const void *src, *diff;
    void *dst;
    ptrdiff_t k, step;
    ptrdiff_t channels, images, rows, cols, block;
    ptrdiff_t src_image, src_row, src_ahead;
    ptrdiff_t top, left, height, width;
    ptrdiff_t diff_channel, diff_image, diff_row, diff_ahead;
    ptrdiff_t dst_channel;
} fc_window_dots_args;

/* fold_lanes: dst[i] = the sum of src[i*vlen .. i*vlen + vlen - 1], i < count: the first half of the lanes
 * is added to the second until one is left. */
typedef struct fc_fold_lanes_args {
    const void *src;
    void *dst;
    ptrdiff_t count;
} fc_fold_lanes_args;

/* column_sums: dst[x] = sum over r < rows of src[r*src_row + x], in that order; x < count. With
 * `accumulate` dst is read and continued from. */
typedef struct fc_column_sums_args {
    const void *src;
    void *dst;
    ptrdiff_t rows, count, src_row;
    int accumulate;
} fc_column_sums_args;

/* plane_tile: the register tile of convolution over planes: its vectors are pixels.
 *
 *   sum[r][v][x] = sum over c < channels, t < taps of weights[r*weights_row + c*weights_channel + t] *
 *                  src[c*src_channel + tap[t] + vector[v].src_at + x]      v < vectors, x < vlen
 *   dst[r*dst_channel + dst_at + i*dst_pixel] =
 *       act( sum[r][v][lane + i] + bias[r] + residual[r*residual_channel + residual_at + i] )
 *   for each piece of vector v, i < lanes; r < tiles*rows (output channels; rows at most the tier's tile)
 *
 *      src      contiguous pixels; any distance between channels, taps and vectors
 *      weights  rows of dense weights as they lie, any distance apart
 *      dst      the pieces of a row of sums; sums outside all pieces are dropped
 *
 * vectors and tiles are any numbers, at least 1: the kernel takes `rows` rows of FC_PLANE_WIDTH vectors
 * at once, and all tiles before the next vectors: their weights should lie in a cache. The pieces of
 * vector v are piece[vector[v].first] and those behind it, in order of their lanes. The sum begins at
 * zero and takes one vec_fma for each (c, t), in that order. dst is only written, and only where a piece
 * says; of src, whole vectors are read. */
#define FC_PLANE_WIDTH(tile_pixels, rows)               \
    ((rows) * 4 <= ((tile_pixels) >= 12 ? 24 : 8)   ? 4 \
     : (rows) * 3 <= ((tile_pixels) >= 12 ? 27 : 9) ? 3 \
                                                    : 2)

typedef struct fc_plane_piece {
    ptrdiff_t lane, lanes;
    ptrdiff_t dst_at, residual_at;
} fc_plane_piece;

typedef struct fc_plane_vector {
    ptrdiff_t src_at;
    ptrdiff_t first, pieces;
} fc_plane_vector;

typedef struct fc_plane_tile_args {
    const void *src, *weights;
    void *dst;
    const void *bias;     /* tiles * rows elements or NULL */
    const void *residual; /* or NULL */
    const ptrdiff_t *tap;
    const fc_plane_vector *vector;
    const fc_plane_piece *piece;
    ptrdiff_t channels, taps, vectors, tiles;
    ptrdiff_t src_channel, weights_row, weights_channel;
    ptrdiff_t dst_channel, dst_pixel, residual_channel;
    int rows;
    int activation; /* fc_activation */
} fc_plane_tile_args;

/* pixel_tile: the register tile of pointwise convolution over planes: its vectors are pixels.
 *
 *   dst[r*dst_channel + x] = act( bias[r] + residual[r*residual_channel + x] +
 *       sum over k < depth of weights[r*weights_row + k*weights_channel] * src[k*src_channel + x] )
 *   r < rows (output channels, at most the tier's tile), x < pixels (1 to 2*vlen)
 *
 *      src      [k][x]   pixels side by side, channels at any distance
 *      weights  [r][k]   at any distances: rows of dense weights as they lie
 *      dst      [r][x]   pixels side by side, channels at any distance
 *
 * The sum begins with zero and takes one vec_fma for each k, in order: the order of conv_tile. Of
 * src, `pixels` rounded up to whole vectors are read for each k; what the rest holds changes nothing.
 * With `pieces` the pixels fall into runs that lie apart in dst and residual: run i begins
 * pieces[i].dst and pieces[i].residual elements on; the runs' pixels add up to `pixels`.
 * A long sum may be had in several calls: what one leaves in `sums` (and then nothing in dst) the next
 * takes up as `begin`; [r][x], the vectors of a row side by side, aligned as vectors are.
 * `ahead` is any address, NULL included: ahead + k*ahead_step (bytes) is prefetched at each k. */
typedef struct fc_pixel_piece {
    ptrdiff_t dst, residual, pixels;
} fc_pixel_piece;

typedef struct fc_pixel_tile_args {
    const void *src, *weights;
    void *dst;
    const void *bias;     /* `rows` elements or NULL */
    const void *residual; /* or NULL */
    const fc_pixel_piece *pieces; /* or NULL */
    const void *begin;            /* or NULL: zero */
    void *sums;                   /* or NULL: the sum is whole */
    const void *ahead;
    ptrdiff_t ahead_step;
    ptrdiff_t depth;
    ptrdiff_t src_channel, weights_row, weights_channel, dst_channel, residual_channel;
    int rows, pixels;
    int tile_rows;  /* pixel_rest's alone */
    int activation; /* fc_activation */
} fc_pixel_tile_args;

/* pixel_rest: the formula of pixel_tile, bit for bit, for any number of rows and few pixels. Only these
 * pixels of src are read. There are no `pieces`, `begin` and `sums`; nothing is prefetched.
 *   tile_rows == 0: weights_channel is 1; at most FC_REST_PIXELS pixels.
 *   tile_rows > 0: weights are packed, [tile][k][weights_channel]: row r is element r % tile_rows of a
 *   column of tile r / tile_rows; weights_channel is tile_rows rounded up to whole vectors, of which what
 *   is not a row changes nothing; at most FC_REST_MAX_PIXELS pixels. */
#define FC_REST_PIXELS 4
#define FC_REST_MAX_PIXELS 10

/* dot_tile: the register tile of linear layers: its vectors run along the features.
 *
 *   dst[r*dst_row + o] = act( bias[o] + residual[r*residual_row + o] +
 *       sum over k < depth of src[r*src_row + k] * weights[o*weights_row + k] )
 *   r < rows (at most FC_DOT_ROWS of the tier's tile), o < outputs
 *
 *      src, weights  features side by side, rows at any distance
 *      dst           outputs side by side, rows at any distance
 *
 * A sum is made in pieces of FC_DOT_PIECE features, which are added in order. In a piece lane l takes
 * the features l, l + vlen, ... by one vec_fma each, beginning with zero; then the lanes are folded in
 * halves. So neither rows nor outputs nor where a caller cuts the depth, at multiples of a piece,
 * changes a bit. With `accumulate`, dst is read and continued from; otherwise only written.
 * Weights `ahead` elements beyond those that are read are asked for: 0 where they are near.
 *
 * With `bf16`, of float32 alone, weights are bfloat16, widened as they are read, in panels that are the
 * same on every tier:
 *
 *      weights  [panel][run of 32 features][output of the panel, 4][i < 16]
 *
 * words of 32 bits, features i and i + 16 of the run in the lower and upper half. weights_row counts the
 * features of a panel's runs. Zeros fill up the last run and the last panel. Results equal those of
 * float32 weights of these values. */
#define FC_BF16_PANEL 4
#define FC_BF16_RUN 32
#define FC_DOT_ROWS(tile_pixels) ((tile_pixels) >= 12 ? 6 : (tile_pixels) >= 6 ? 3 : 2)
#define FC_DOT_PIECE 1024

typedef struct fc_dot_tile_args {
    const void *src, *weights;
    void *dst;
    const void *bias;     /* `outputs` elements or NULL */
    const void *residual; /* or NULL */
    ptrdiff_t depth, outputs;
    ptrdiff_t src_row, weights_row, dst_row, residual_row;
    ptrdiff_t ahead;
    int rows;
    int accumulate;
    int bf16;
    int activation; /* fc_activation */
} fc_dot_tile_args;

/* copy_panels: rows, of pixels or of weights, into panels of `panel` elements a row.
 *   dst[x/panel * panel_step + r*dst_row + x%panel] = x < pixels ? src[r*src_row + x*src_step] : 0
 *   r < rows, x < fill, pixels <= fill */
typedef struct fc_copy_panels_args {
    const void *src;
    void *dst;
    ptrdiff_t rows, pixels, fill;
    ptrdiff_t src_row, src_step, dst_row;
    ptrdiff_t panel, panel_step;
} fc_copy_panels_args;

/* copy_rows: rows of planes side by side.
 *   dst[c*dst_channel + y*pixels + x] = src[c*src_channel + y*src_row + x*src_step]
 *   dst[c*dst_channel + i] = 0       rows*pixels <= i < fill
 *   c < channels, y < rows, x < pixels */
typedef struct fc_copy_rows_args {
    const void *src;
    void *dst;
    ptrdiff_t channels, rows, pixels, fill;
    ptrdiff_t src_channel, src_row, src_step, dst_channel;
} fc_copy_rows_args;

/* pack_pixels: channel planes into pixel-major order, a transpose.
 *   dst[place(p) + c] = src[c*channel_stride + p*pixel_stride]   c < channels, p < pixels
 *   dst[place(p) + c] = 0                                        channels <= c < block
 *   place(p) is place[p], or p*block where `place` is NULL
 * What lies `ahead` elements behind a vector of src is asked for, whatever it is; 0: the next channels. */
typedef struct fc_pack_pixels_args {
    const void *src;
    void *dst;
    const ptrdiff_t *place;
    ptrdiff_t channel_stride, pixel_stride;
    ptrdiff_t channels, pixels, block, ahead;
} fc_pack_pixels_args;

/* unpack_pixels: the way back, with the epilogue of the operation.
 *   dst[c*channel_stride + p*pixel_stride] =
 *       act(src[p*src_pixel + c] + bias[c] + residual[c*residual_stride + p*residual_pixel])
 *   c < channels, p < pixels; bias and residual may be NULL. residual_pixel is 1, or residual_stride and
 *   channel_stride are: channels last. */
typedef struct fc_unpack_pixels_args {
    const void *src;
    void *dst;
    const void *bias, *residual;
    ptrdiff_t src_pixel, channel_stride, pixel_stride, residual_stride, residual_pixel;
    ptrdiff_t channels, pixels;
    int activation;
} fc_unpack_pixels_args;

/* pack_weights: one panel of N = panels*vlen output channels of [oc][ic][kh][kw] weights, which may
 * lie in any order, into the order conv_tile reads.
 *   dst[((c/block)*kh*kw + a*kw + b)*block*N + (c%block)*N + n] =
 *       src[n*row + c*channel + a*tap_row + b*tap_col]      n < lanes, c < ic, a < kh, b < kw
 *   zero where n >= lanes, or in the channels that round ic up to a multiple of block. */
typedef struct fc_pack_weights_args {
    const void *src;
    void *dst;
    ptrdiff_t row, channel, tap_row, tap_col;
    ptrdiff_t ic, kh, kw, block;
    int panels, lanes;
} fc_pack_weights_args;

/* The transforms of Winograd's F(m, r), n = m + r - 1 products in each direction, 4, 6 or 8; matrices
 * and proof in tools/winograd.py. Product (i, j) is plane i*n + j.
 *
 * Of n points a tile keeps all, or, in a direction in which fewer than m of its outputs are wanted, the
 * first few and the last: fc_winograd_used of them. At and Bt are then smaller (the tool's
 * edge_matrices), and products of points that are not kept are neither written nor read. Nor is the
 * last one read where it counts for none of the outputs that are wanted: fc_winograd_counts.
 *
 * winograd_input: one row of tiles of channel-last pixels, m pixels apart, V = Bt d B; rows x cols outputs
 * are wanted, rows <= m.
 *   V[i][j] of tile t = sum over k, l < used of
 *       Bt[i][k] * Bt[j][l] * src[k][(t*m + l - before)*src_pixel + c]
 *   goes to dst[(i*n + j)*dst_plane + t*dst_tile + c], of the last tile to
 *           dst[(i*n + j)*dst_plane + dst_last + c]                      t*m < cols, c < channels
 *   Pixels lie in src from column `before` on, `pixels` of them; the others are zeros.
 *
 * winograd_output: y = At M A; m is 2 or 4 (6) for n of 4 or 6 (8), or 2 and 4 for the taps of 5x5.
 *   dst[y*dst_row + (t*m + x)*dst_pixel + c] = act( bias[c] + residual[where dst is] +
 *       sum over i, j of At[y][i] * At[x][j] * src[(i*n + j)*src_plane + t*src_tile + c] ),
 *       or src_last for the last tile's t*src_tile
 *   y < rows <= m, t*m + x < cols, c < channels; channels are whole vectors. act is none or ReLU; bias and
 *   residual may be NULL.
 *
 * winograd_weights: U = G g Gt, element by element, for r x r taps, r 3 or 5.
 *   dst[(i*n + j)*dst_plane + e] = sum over k, l < r of G[i][k] * G[j][l] * src[(k*r + l)*src_tap + e]
 *   e < count, whole vectors; src may be the last r*r planes of dst.
 *
 * The gradient by the taps is Gt [ sum over tiles of (A dy At) * V ] G; m is 4, r 3 or 5.
 *
 * winograd_diff: one row of tiles of channel-last pixels of dy, A dy At; rows x cols of them, rows <= m.
 *   sum over k, l < m of A[i][k] * A[j][l] * src[k][(t*m + l)*src_pixel + c]
 *   goes to where winograd_input puts V[i][j] of tile t; beyond rows and cols are zeros
 *
 * winograd_sums: Gt M G, element by element, for n x n products.
 *   dst[(s*r*r + k*r + l)*count + e] =
 *       sum over i, j of G[i][k] * G[j][l] * src[(i*n + j)*src_plane + s*count + e]
 *   s < lines, e < count, whole vectors */
typedef struct fc_winograd_input_args {
    const void *src[8];
    void *dst;
    ptrdiff_t src_pixel, dst_plane, dst_tile, dst_last;
    ptrdiff_t before, pixels;
    ptrdiff_t rows, cols, channels;
    int m, n;
} fc_winograd_input_args;

typedef struct fc_winograd_output_args {
    const void *src;
    void *dst;
    ptrdiff_t src_plane, src_tile, src_last, dst_row, dst_pixel;
    ptrdiff_t rows, cols, channels;
    int m, n;
    int activation;       /* fc_activation */
    const void *bias;     /* `channels` elements or NULL */
    const void *residual; /* laid out as dst, or NULL */
} fc_winograd_output_args;

/* How many of its n points a tile keeps for `outputs` of m: they come in pairs, 0 and infinity apart. */
static inline int fc_winograd_used(int n, int m, ptrdiff_t outputs) {
    const int taps = n + 1 - m;
    return (int)(outputs + taps) / 2 * 2;
}

/* Whether `outputs` of m depend on point i: on the last one, only the last output that it allows does. */
static inline bool fc_winograd_counts(int i, int n, int m, ptrdiff_t outputs) {
    const int used = fc_winograd_used(n, m, outputs);
    return i < used - 1 || (i == n - 1 && outputs == used - n + m);
}

typedef struct fc_winograd_weights_args {
    const void *src;
    void *dst;
    ptrdiff_t src_tap, dst_plane, count;
    int r, n;
} fc_winograd_weights_args;

typedef struct fc_winograd_diff_args {
    const void *src[4];
    void *dst;
    ptrdiff_t src_pixel, dst_plane, dst_tile, dst_last;
    ptrdiff_t rows, cols, channels;
    int m, n;
} fc_winograd_diff_args;

typedef struct fc_winograd_sums_args {
    const void *src;
    void *dst;
    ptrdiff_t src_plane, lines, count;
    int r, n;
} fc_winograd_sums_args;

/* conv_plane: convolution of channel planes, each with `multiplier` kernels, vectorised over pixels.
 *   dst[o*dst_plane + y*dst_row + x] =
 *       act( (sum over a, b of weights[(o*kh + a)*kw + b] * tap(o, y, x, a, b)) + bias[o]
 *            + residual[o*residual_plane + y*residual_row + x] )
 *   tap(o, y, x, a, b) =
 *       src[o/multiplier*table + y*row_step + a*tap_step][column[b] + x*step]
 *   y < rows, x < pixels, o < planes*multiplier; bias and residual may be NULL
 * `src` is a table of input rows, `table` of them for a plane; the sum runs over (a, b) in row-major
 * order, from zero, with one vec_fma each.
 * width == 0: every row named is readable at column[b] + x for x < pixels rounded up to a multiple
 * of vlen (a bordered copy with slack); step is 1.
 * width > 0 (tiers with masked loads, AVX2 and AVX-512): rows hold `width` elements, taps outside
 * [0, width) are zero and are not read; columns rise.
 *   AVX2      step is 1, or 2 where kh = kw = 3 or 5, columns are neighbours and row_step is 2*tap_step;
 *             kw <= FC_WINDOW_TAPS, and only the first vlen pixels and those from the last multiple of
 *             vlen below `pixels` may have taps outside
 *   AVX-512   step is 1 or 2 */
#define FC_WINDOW_TAPS 16
typedef struct fc_conv_plane_args {
    const void *const *src;
    const void *weights;
    void *dst;
    const void *bias, *residual;
    const ptrdiff_t *column;
    ptrdiff_t kh, kw, row_step, tap_step, step;
    ptrdiff_t width;
    ptrdiff_t rows, pixels, dst_row, residual_row;
    ptrdiff_t planes, multiplier, table, dst_plane, residual_plane;
    int activation;
} fc_conv_plane_args;

/* conv_lanes: convolution of vlen channels side by side, a kernel each: lane l of
 *   dst[y*dst_row + x*vlen + l] =
 *       sum over a, b of weights[(a*kw + b)*vlen + l] * src[y*row_step + x*vlen + a*tap_row + b*tap_col + l]
 *   y < rows, x < pixels; the sum runs in row-major order, from zero, with one vec_fma each.
 * All taps lie in src, zeros of a border too. */
typedef struct fc_conv_lanes_args {
    const void *src, *weights;
    void *dst;
    ptrdiff_t kh, kw, tap_row, tap_col;
    ptrdiff_t rows, pixels, row_step, dst_row;
} fc_conv_lanes_args;

/* conv_channels: convolution of channels side by side, a kernel each, of pixels found through a table:
 *   dst[y*dst_row + x*dst_pixel + c] = act( bias[c] + sum over a < kh, b < kw of
 *       weights[(v*kh*kw + a*kw + b)*vlen + l] *
 *       src[y*row_step + x*step + a*tap_row + b*tap_col][channel + c] )
 *   y < rows, x < pixels
 *   c < channels, at least vlen: lane l of vector v is channel v*vlen + l, of the last vector
 *   channels - vlen + l, so that what two vectors have in common is written twice
 * The sum runs in row-major order, from zero, with one vec_fma each. Pixels of x up to a multiple of
 * FC_CHANNELS_PIXELS are read; what they hold changes nothing. Where src is a border it points at zeros. */
#define FC_CHANNELS_PIXELS 7
typedef struct fc_conv_channels_args {
    const void *const *src;
    const void *weights;
    void *dst;
    const void *bias; /* or NULL */
    ptrdiff_t kh, kw, tap_row, tap_col, row_step, step;
    ptrdiff_t rows, pixels, dst_row, dst_pixel;
    ptrdiff_t channel, channels;
    int activation; /* none, ReLU or ReLU6 */
} fc_conv_channels_args;

/* transposed_plane: transposed convolution of channel planes, each with `multiplier` kernels, into columns
 * that take turns between two phases: rows of one phase of the rows.
 *   dst[o*dst_plane + y*dst_row + 2*i + q] = act( bias[o] +
 *       sum over a < kh, b < taps[q] of weights[o*weights_plane + a*(taps[0] + taps[1]) + q*taps[0] + b] *
 *           src[(o/multiplier)*src_plane + y*src_row + a*tap_row + column[q] + b*tap_col + i] )
 *   q < 2, 2*i + q < pixels, y < rows, o < planes*multiplier; bias may be NULL; kh and taps may be 0
 * The sum runs over (a, b) in row-major order, from zero, with one vec_fma each. Elements of src are
 * readable for i < (pixels + 1)/2 rounded up to a multiple of vlen. */
typedef struct fc_transposed_plane_args {
    const void *src, *weights, *bias;
    void *dst;
    ptrdiff_t kh, taps[2], column[2];
    ptrdiff_t tap_row, tap_col, src_row, src_plane;
    ptrdiff_t rows, pixels, dst_row, dst_plane;
    ptrdiff_t planes, multiplier, weights_plane;
    int activation;
} fc_transposed_plane_args;

/* split_phases: rows, each into its `step` interleaved phases.
 *   dst[r*dst_row + (x % step)*phase + x / step] = src[r*src_row + x*src_stride]
 *   x < pixels, r < rows (rows 0 means 1: src_row and dst_row are then not looked at);
 *   nothing else is written */
typedef struct fc_split_phases_args {
    const void *src;
    void *dst;
    ptrdiff_t src_stride, pixels, step, phase;
    ptrdiff_t rows, src_row, dst_row;
} fc_split_phases_args;

#endif
