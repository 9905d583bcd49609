/* test_kernels.c: each micro-kernel of the tier in use against its scalar version, and its time
 * beside that one's.
 *
 * ukr_list.inc makes the table below: a kernel without prepare_<kernel> and call_<kernel> does not
 * compile. prepare_<kernel> draws a case and lays it out for one tier's table of kernels; drawn from
 * the same seed it is the same case for another. Numbers are small integers, so that sums are exact
 * and results must be equal, but for the functions that a case gives a tolerance. Operands lie
 * between pages that may not be touched, and what a kernel must leave alone is NaN before and after.
 *
 * A last case, in which every number drawn is the largest, is timed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <math.h>
#include <time.h>

#include "../plan/registry.h"
#include "check.h"
#include "integers.h"

enum { CASES = 300, MOST_OPERANDS = 12, TIMED_ROUNDS = 15 };

typedef union any_args {
#define FC_UKR(name, args) args name;
#include "../ukr/ukr_list.inc"
#undef FC_UKR
} any_args;

typedef struct trial {
    const fc_kernels *shape; /* the tier under test, whose sizes the case keeps to */
    const fc_kernels *table; /* the tier that the case is laid out for */
    fc_dtype dtype;
    bool timed;
    any_args args;
    guarded operand[MOST_OPERANDS];
    int operands;
    guarded dst;
    int64_t dst_count;
    double relative, absolute; /* 0: results are equal */
    int64_t lanes, depth;      /* columns and rows of a panel of weights */
    void *column;              /* one column of such a panel */
    const void **rows;
} trial;

/* ---- drawing a case ------------------------------------------------------------------------------ */

static int64_t draw(const trial *t, int64_t low, int64_t high) {
    const int64_t drawn = low + random_below(high - low + 1);
    return t->timed ? high : drawn;
}

static guarded *keep(trial *t, guarded g) {
    CHECK(t->operands < MOST_OPERANDS);
    t->operand[t->operands] = g;
    return &t->operand[t->operands++];
}

/* Not before a guard page when timed: a masked access that reaches into one takes 200 ns. */
static bool at_end(const trial *t) { return random_below(2) && !t->timed; }

static void *operand(trial *t, int64_t count) {
    return keep(t, integers(count, t->dtype, at_end(t)))->data;
}

/* An operand or nothing. */
static void *perhaps(trial *t, int64_t count) {
    return draw(t, 0, 1) ? operand(t, count) : NULL;
}

static void *result(trial *t, int64_t count) {
    t->dst_count = count;
    t->dst = guarded_new((size_t)count * fc_dtype_bytes(t->dtype), at_end(t));
    return t->dst.data;
}

/* A result that is read first. */
static void *result_begun(trial *t, int64_t count) {
    void *dst = result(t, count);
    for (int64_t i = 0; i < count; i++) put(dst, i, t->dtype, (double)(random_below(9) - 4));
    return dst;
}

static void *at(const trial *t, const void *p, int64_t element) {
    return (char *)p + element * (int64_t)fc_dtype_bytes(t->dtype);
}

/* NaN and the infinities into some elements. */
static void sprinkle(const trial *t, void *p, int64_t count) {
    const double special[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (int64_t i = 0; i < count / 8 + 1; i++)
        put(p, random_below(count), t->dtype, special[random_below(3)]);
}

static int fused_activation(trial *t) {
    const int activation = t->timed ? FC_ACT_RELU : (int)random_below(FC_ACT_FUSED_COUNT);
    if (activation > FC_ACT_RELU6) {
        t->relative = t->dtype == FC_F64 ? 1e-12 : 2e-5;
        t->absolute = t->dtype == FC_F64 ? 1e-15 : 1e-7;
    }
    return activation;
}

/* ---- conv_tile ------------------------------------------------------------------------------------ */

static void prepare_conv_tile(trial *t) {
    fc_conv_tile_args *a = &t->args.conv_tile;
    const int vlen = t->shape->vlen;
    a->rows = (int)(t->timed ? 1 : draw(t, 1, 2));
    a->cols = (int)draw(t, 1, t->shape->tile_pixels / a->rows);
    t->lanes = draw(t, 1, 2 * vlen);
    a->src_pixel = draw(t, 1, 3);
    for (int i = 0; i < 3; i++) {
        a->count[i] = draw(t, 1, i + 1);
        a->step[i] = draw(t, 1, 20);
    }
    a->run = draw(t, 1, 40);
    a->src_row = draw(t, 1, 60);
    int64_t reach = (a->rows - 1) * a->src_row + (a->cols - 1) * a->src_pixel + a->run;
    for (int i = 0; i < 3; i++) reach += (a->count[i] - 1) * a->step[i];
    a->src = operand(t, reach);
    a->dst_pixel = t->lanes + draw(t, 0, 3);
    a->dst_row = a->cols * a->dst_pixel + draw(t, 0, 3);
    const int64_t span = (a->rows - 1) * a->dst_row + (a->cols - 1) * a->dst_pixel + t->lanes;
    a->bias = perhaps(t, t->lanes);
    a->residual = perhaps(t, span);
    a->activation = fused_activation(t);
    a->accumulate = !t->timed && random_below(2);
    a->dst = a->accumulate ? result_begun(t, span) : result(t, span);
    /* the columns in panels of this table's width */
    const int64_t left_out[2] = {draw(t, 0, 5), draw(t, 0, 5)};
    t->depth = a->count[0] * (a->count[1] * (a->count[2] * a->run + left_out[1]) + left_out[0]);
    a->panels = t->lanes > t->table->vlen ? 2 : 1;
    const int64_t width = a->panels * t->table->vlen, panels = fc_div_up(t->lanes, width);
    for (int i = 0; i < 2; i++) a->skip[i] = left_out[i] * width;
    a->ahead = width;
    char *weights = operand(t, panels * t->depth * width);
    for (int64_t k = 0; k < t->depth; k++)
        for (int64_t n = 0; n < panels * width; n++)
            put(weights, (n / width * t->depth + k) * width + n % width, t->dtype,
                n < t->lanes ? (double)((k * 7 + n * 5) % 9 - 4) : 0);
    a->weights = weights;
}

/* A tile as large as the tier's in one call; in pieces on a tier whose tile is smaller. */
static void call_conv_tile(trial *t) {
    const fc_conv_tile_args whole = t->args.conv_tile;
    const int64_t width = whole.panels * t->table->vlen;
    const bool pieces = whole.rows * whole.cols > t->table->tile_pixels;
    const int rows = pieces ? 1 : whole.rows, cols = pieces ? t->table->tile_pixels : whole.cols;
    for (int64_t n = 0; n < t->lanes; n += width)
        for (int r = 0; r < whole.rows; r += rows)
            for (int x = 0; x < whole.cols; x += cols) {
                fc_conv_tile_args a = whole;
                const int64_t place = r * a.dst_row + x * a.dst_pixel + n;
                a.rows = rows;
                a.cols = (int)fc_min64(cols, whole.cols - x);
                a.lanes = (int)fc_min64(width, t->lanes - n);
                a.src = at(t, a.src, r * a.src_row + x * a.src_pixel);
                a.weights = at(t, a.weights, n * t->depth);
                a.dst = at(t, a.dst, place);
                if (a.bias) a.bias = at(t, a.bias, n);
                if (a.residual) a.residual = at(t, a.residual, place);
                t->table->conv_tile(&a);
            }
}

/* ---- plane_tile ------------------------------------------------------------------------------------ */

static void prepare_plane_tile(trial *t) {
    fc_plane_tile_args *a = &t->args.plane_tile;
    const int64_t vlen = t->shape->vlen, tile = t->shape->tile_pixels;
    a->rows = (int)draw(t, 1, tile), a->tiles = draw(t, 1, 3);
    const int64_t rows = a->rows * a->tiles;
    a->vectors = t->timed ? 12 : draw(t, 1, 9);
    a->channels = draw(t, 1, 9), a->taps = draw(t, t->timed ? 1 : 0, 9);
    ptrdiff_t *tap =
        (ptrdiff_t *)(void *)keep(t, guarded_new((size_t)(a->taps + 1) * sizeof *tap, true))->data;
    int64_t reach = 0;
    for (int64_t i = 0; i < a->taps; i++) {
        tap[i] = random_below(40);
        reach = fc_max64(reach, tap[i]);
    }
    a->tap = tap;
    a->src_channel = random_below(60);
    reach += (a->channels - 1) * a->src_channel;
    int64_t last = 0, dst_at = random_below(3), pieces = 0;
    a->dst_pixel = t->timed || random_below(3) ? 1 : 2;
    fc_plane_vector *vector = (fc_plane_vector *)(void *)keep(
        t, guarded_new((size_t)a->vectors * sizeof *vector, true))->data;
    fc_plane_piece *piece = (fc_plane_piece *)(void *)keep(
        t, guarded_new(2 * (size_t)a->vectors * sizeof *piece, true))->data;
    a->vector = vector, a->piece = piece;
    for (int v = 0; v < a->vectors; v++) {
        vector[v].src_at = t->timed ? v * vlen : random_below(3 * vlen);
        vector[v].first = pieces;
        last = fc_max64(last, vector[v].src_at);
        /* the whole vector, its beginning, or two parts with a gap */
        const int64_t kind = t->timed ? 0 : random_below(4), cut = random_below(vlen) + 1;
        const int64_t begin[2] = {0, cut + random_below(3)};
        const int64_t end[2] = {kind == 0 ? vlen : cut, kind >= 2 ? vlen : 0};
        for (int i = 0; i < 2; i++) {
            if (begin[i] >= end[i]) continue;
            piece[pieces++] =
                (fc_plane_piece){begin[i], end[i] - begin[i], dst_at * a->dst_pixel, dst_at};
            dst_at += end[i] - begin[i] + (t->timed ? 0 : random_below(4));
        }
        vector[v].pieces = pieces - vector[v].first;
    }
    a->src = operand(t, reach + last + vlen);
    a->weights_channel = a->taps + random_below(3);
    a->weights_row = a->channels * a->weights_channel + random_below(3);
    a->weights = operand(t, rows * a->weights_row);
    a->dst_channel = dst_at * a->dst_pixel + random_below(3), a->residual_channel = dst_at + random_below(3);
    a->bias = perhaps(t, rows);
    a->residual = perhaps(t, rows * a->residual_channel);
    a->activation = fused_activation(t);
    a->dst = result(t, rows * a->dst_channel);
}

/* Pixel by pixel and row by row on a tier whose vectors are shorter. */
static void call_plane_tile(trial *t) {
    const fc_plane_tile_args whole = t->args.plane_tile;
    if (t->table->vlen == t->shape->vlen) {
        t->table->plane_tile(&whole);
        return;
    }
    for (int64_t r = 0; r < whole.tiles * whole.rows; r++)
        for (int64_t v = 0; v < whole.vectors; v++)
            for (int64_t i = 0; i < whole.vector[v].pieces; i++) {
                const fc_plane_piece piece = whole.piece[whole.vector[v].first + i];
                for (int64_t x = 0; x < piece.lanes; x++) {
                    const fc_plane_vector one = {whole.vector[v].src_at + piece.lane + x, 0, 1};
                    const fc_plane_piece pixel = {0, 1, piece.dst_at + x * whole.dst_pixel,
                                                  piece.residual_at + x};
                    fc_plane_tile_args a = whole;
                    a.rows = 1, a.tiles = 1;
                    a.weights = at(t, a.weights, r * a.weights_row);
                    a.dst = at(t, a.dst, r * a.dst_channel);
                    if (a.bias) a.bias = at(t, a.bias, r);
                    if (a.residual) a.residual = at(t, a.residual, r * a.residual_channel);
                    a.vector = &one, a.piece = &pixel, a.vectors = 1;
                    t->table->plane_tile(&a);
                }
            }
}

/* ---- pixel_tile ----------------------------------------------------------------------------------- */

static void prepare_pixel_tile(trial *t) {
    fc_pixel_tile_args *a = &t->args.pixel_tile;
    const int64_t vlen = t->shape->vlen;
    a->rows = (int)draw(t, 1, t->shape->tile_pixels);
    a->pixels = (int)draw(t, 1, 2 * vlen);
    a->depth = t->timed ? 256 : draw(t, 1, 40);
    const int64_t read = fc_round_up(a->pixels, vlen);
    a->src_channel = read + draw(t, 0, 5);
    a->src = operand(t, (a->depth - 1) * a->src_channel + read);
    if (t->timed || random_below(2)) /* rows of channels, or channels of rows */
        a->weights_channel = draw(t, 1, 2), a->weights_row = a->depth * a->weights_channel + draw(t, 0, 3);
    else
        a->weights_row = draw(t, 1, 2), a->weights_channel = a->rows * a->weights_row + draw(t, 0, 3);
    a->weights = operand(t, (a->rows - 1) * a->weights_row + (a->depth - 1) * a->weights_channel + 1);
    int64_t dst_pixels = a->pixels, residual_pixels = a->pixels;
    if (!t->timed && random_below(2)) { /* in pieces, with gaps between them */
        fc_pixel_piece *pieces = (fc_pixel_piece *)(void *)keep(
            t, guarded_new((size_t)a->pixels * sizeof *pieces, true))->data;
        dst_pixels = residual_pixels = 0;
        for (int64_t done = 0, i = 0; done < a->pixels; done += pieces[i++].pixels) {
            pieces[i].pixels = draw(t, 1, a->pixels - done);
            pieces[i].dst = dst_pixels, pieces[i].residual = residual_pixels;
            dst_pixels += pieces[i].pixels + 3, residual_pixels += pieces[i].pixels + 1;
        }
        a->pieces = pieces;
        dst_pixels -= 3, residual_pixels -= 1;
    }
    a->dst_channel = dst_pixels + draw(t, 0, 3);
    a->residual_channel = residual_pixels + draw(t, 0, 3);
    a->bias = perhaps(t, a->rows);
    a->residual = perhaps(t, (a->rows - 1) * a->residual_channel + residual_pixels);
    a->activation = fused_activation(t);
    a->ahead = random_below(2) ? a->src : NULL, a->ahead_step = 64;
    a->dst = result(t, (a->rows - 1) * a->dst_channel + dst_pixels);
}

/* Rows and pixels beyond a smaller tier's tile go to further calls. */
static void call_pixel_tile(trial *t) {
    const fc_pixel_tile_args whole = t->args.pixel_tile;
    const fc_pixel_piece all = {.pixels = whole.pixels};
    const int rows = t->table->tile_pixels, pixels = 2 * t->table->vlen;
    if (whole.rows <= rows && whole.pixels <= pixels) {
        t->table->pixel_tile(&whole);
        return;
    }
    for (int r = 0; r < whole.rows; r += rows) {
        const fc_pixel_piece *piece = whole.pieces ? whole.pieces : &all;
        for (int x = 0; x < whole.pixels; x += (int)piece++->pixels)
            for (int64_t i = 0; i < piece->pixels; i += pixels) {
                fc_pixel_tile_args a = whole;
                a.rows = (int)fc_min64(rows, whole.rows - r);
                a.pixels = (int)fc_min64(pixels, piece->pixels - i);
                a.pieces = NULL;
                a.src = at(t, a.src, x + i);
                a.weights = at(t, a.weights, r * a.weights_row);
                a.dst = at(t, a.dst, r * a.dst_channel + piece->dst + i);
                if (a.bias) a.bias = at(t, a.bias, r);
                if (a.residual)
                    a.residual = at(t, a.residual, r * a.residual_channel + piece->residual + i);
                t->table->pixel_tile(&a);
            }
    }
}

/* Half the cases have packed weights, with lanes that are no rows. */
static void prepare_pixel_rest(trial *t) {
    fc_pixel_tile_args *a = &t->args.pixel_rest;
    const bool packed = random_below(2);
    a->rows = (int)draw(t, 1, 70);
    a->pixels = (int)draw(t, 1, packed ? FC_REST_MAX_PIXELS : FC_REST_PIXELS);
    a->depth = t->timed ? 256 : draw(t, 1, 40);
    a->src_channel = a->pixels + draw(t, 0, 5);
    a->src = operand(t, (a->depth - 1) * a->src_channel + a->pixels);
    if (packed) {
        a->tile_rows = (int)draw(t, 1, t->shape->tile_pixels);
        a->weights_row = 1, a->weights_channel = fc_round_up(a->tile_rows, t->shape->vlen);
        a->weights = operand(t, fc_div_up(a->rows, a->tile_rows) * a->depth * a->weights_channel);
    } else {
        a->weights_channel = 1, a->weights_row = a->depth + draw(t, 0, 3);
        a->weights = operand(t, (a->rows - 1) * a->weights_row + a->depth);
    }
    a->dst_channel = a->pixels + draw(t, 0, 3), a->residual_channel = a->pixels + draw(t, 0, 3);
    a->bias = perhaps(t, a->rows);
    a->residual = perhaps(t, (a->rows - 1) * a->residual_channel + a->pixels);
    a->activation = fused_activation(t);
    a->dst = result(t, (a->rows - 1) * a->dst_channel + a->pixels);
}

/* ---- dot_tile ------------------------------------------------------------------------------------- */

static void prepare_dot_tile(trial *t) {
    fc_dot_tile_args *a = &t->args.dot_tile;
    a->rows = (int)draw(t, 1, FC_DOT_ROWS(t->shape->tile_pixels));
    a->outputs = draw(t, 1, 40);
    a->depth = t->timed ? FC_DOT_PIECE : draw(t, 1, 80);
    if (!t->timed && random_below(8) == 0) a->depth += FC_DOT_PIECE;
    a->src_row = a->depth + draw(t, 0, 3), a->weights_row = a->depth + draw(t, 0, 3);
    a->dst_row = a->outputs + draw(t, 0, 3);
    a->src = operand(t, (a->rows - 1) * a->src_row + a->depth);
    a->weights = operand(t, (a->outputs - 1) * a->weights_row + a->depth);
    a->bias = perhaps(t, a->outputs);
    a->activation = fused_activation(t);
    a->accumulate = !t->timed && random_below(2);
    const int64_t span = (a->rows - 1) * a->dst_row + a->outputs;
    a->dst = a->accumulate ? result_begun(t, span) : result(t, span);
}

/* Rows beyond a smaller tier's tile go to further calls. */
static void call_dot_tile(trial *t) {
    const fc_dot_tile_args whole = t->args.dot_tile;
    const int rows = FC_DOT_ROWS(t->table->tile_pixels);
    for (int r = 0; r < whole.rows; r += rows) {
        fc_dot_tile_args a = whole;
        a.rows = (int)fc_min64(rows, whole.rows - r);
        a.src = at(t, a.src, r * a.src_row);
        a.dst = at(t, a.dst, r * a.dst_row);
        t->table->dot_tile(&a);
    }
}

static void prepare_copy_panels(trial *t) {
    fc_copy_panels_args *a = &t->args.copy_panels;
    a->rows = draw(t, 1, 20), a->pixels = draw(t, 1, 100), a->fill = a->pixels + draw(t, 0, 20);
    a->src_step = t->timed ? 1 : draw(t, 1, 3);
    a->src_row = (a->pixels - 1) * a->src_step + 1 + draw(t, 0, 3);
    a->panel = t->timed ? 2 * t->shape->vlen : draw(t, 1, 120);
    a->dst_row = a->panel + draw(t, 0, 3);
    a->panel_step = a->rows * a->dst_row + draw(t, 0, 3);
    a->src = operand(t, (a->rows - 1) * a->src_row + (a->pixels - 1) * a->src_step + 1);
    a->dst = result(t, fc_div_up(a->fill, a->panel) * a->panel_step);
}

static void prepare_copy_rows(trial *t) {
    fc_copy_rows_args *a = &t->args.copy_rows;
    a->channels = draw(t, 1, 20), a->rows = draw(t, 1, 9), a->pixels = draw(t, 1, 40);
    a->fill = a->rows * a->pixels + draw(t, 0, 20);
    a->src_step = t->timed ? 2 : draw(t, 1, 3);
    a->src_row = (a->pixels - 1) * a->src_step + 1 + draw(t, 0, 3);
    a->src_channel = a->rows * a->src_row + draw(t, 0, 3);
    a->dst_channel = a->fill + draw(t, 0, 3);
    a->src = operand(t, (a->channels - 1) * a->src_channel + (a->rows - 1) * a->src_row +
                            (a->pixels - 1) * a->src_step + 1);
    a->dst = result(t, (a->channels - 1) * a->dst_channel + a->fill);
}

/* ---- packing -------------------------------------------------------------------------------------- */

static void prepare_pack_pixels(trial *t) {
    fc_pack_pixels_args *a = &t->args.pack_pixels;
    const int64_t blocks[] = {1, 3, 4, 8, 16};
    a->channels = draw(t, 1, 40);
    a->pixels = draw(t, 1, 60);
    a->block = fc_round_up(a->channels, pick(blocks, 5));
    const int64_t gap = draw(t, 0, 5);
    switch (t->timed ? 0 : random_below(4)) {
    case 0: a->pixel_stride = 1, a->channel_stride = a->pixels + gap; break;
    case 1: a->channel_stride = 1, a->pixel_stride = a->channels + gap; break;
    case 2: a->pixel_stride = 2, a->channel_stride = 2 * a->pixels + gap; break;
    default: a->pixel_stride = 3, a->channel_stride = 3 * a->pixels + gap;
    }
    a->src = operand(t, (a->channels - 1) * a->channel_stride +
                            (a->pixels - 1) * a->pixel_stride + 1);
    a->dst = result(t, a->pixels * a->block);
}

static void prepare_unpack_pixels(trial *t) {
    fc_unpack_pixels_args *a = &t->args.unpack_pixels;
    a->channels = draw(t, 1, 40);
    a->pixels = draw(t, 1, 60);
    a->src_pixel = a->channels + draw(t, 0, 9);
    const int64_t gap = draw(t, 0, 5);
    switch (t->timed ? 0 : random_below(3)) {
    case 0: a->pixel_stride = 1, a->channel_stride = a->pixels + gap; break;
    case 1: a->channel_stride = 1, a->pixel_stride = a->channels + gap; break;
    default: a->pixel_stride = 2, a->channel_stride = 2 * a->pixels + gap;
    }
    a->residual_stride = a->pixels + gap;
    a->src = operand(t, (a->pixels - 1) * a->src_pixel + a->channels);
    a->bias = perhaps(t, a->channels);
    a->residual = perhaps(t, (a->channels - 1) * a->residual_stride + a->pixels);
    a->activation = fused_activation(t);
    a->dst = result(t, (a->channels - 1) * a->channel_stride +
                           (a->pixels - 1) * a->pixel_stride + 1);
}

static void prepare_pack_weights(trial *t) {
    fc_pack_weights_args *a = &t->args.pack_weights;
    const int64_t blocks[] = {1, 3, 4, 8, 16};
    a->panels = (int)draw(t, 1, 2);
    t->lanes = a->panels * t->shape->vlen;
    a->lanes = (int)draw(t, 1, t->lanes);
    a->ic = draw(t, 1, 20), a->kh = draw(t, 1, 3), a->kw = draw(t, 1, 3);
    a->block = pick(blocks, 5);
    a->tap_col = 1, a->tap_row = a->kw, a->channel = a->kh * a->kw, a->row = a->ic * a->channel;
    int64_t origin = 0;
    const int64_t span = a->lanes * a->row;
    switch (t->timed ? 0 : random_below(3)) {
    case 0: break;
    case 1: /* flipped */
        origin = a->kh * a->kw - 1, a->tap_col = -1, a->tap_row = -a->kw;
        break;
    default: /* input channels outermost */
        a->row = a->kh * a->kw, a->channel = a->lanes * a->row;
    }
    a->src = at(t, operand(t, span), origin);
    t->depth = fc_round_up(a->ic, a->block) * a->kh * a->kw;
    a->dst = result(t, t->depth * t->lanes);
    t->column = operand(t, t->depth);
}

/* A tier of shorter vectors does one column at a time. */
static void call_pack_weights(trial *t) {
    const fc_pack_weights_args whole = t->args.pack_weights;
    if (t->table->vlen == t->shape->vlen) {
        t->table->pack_weights(&whole);
        return;
    }
    for (int64_t n = 0; n < t->lanes; n++) {
        fc_pack_weights_args a = whole;
        a.panels = 1;
        a.lanes = n < whole.lanes;
        a.src = at(t, whole.src, n < whole.lanes ? n * a.row : 0);
        a.dst = t->column;
        t->table->pack_weights(&a);
        for (int64_t k = 0; k < t->depth; k++)
            put(whole.dst, k * t->lanes + n, t->dtype, get(t->column, k, t->dtype));
    }
}

/* ---- planes ---------------------------------------------------------------------------------------- */

/* Step 2 is in the contract of AVX-512 alone; for other tiers such a case is laid out in two phases, as
 * the driver does. */
static void prepare_conv_plane(trial *t) {
    fc_conv_plane_args *a = &t->args.conv_plane;
    const int64_t vlen = t->shape->vlen;
    const bool slides = t->shape->isa == FC_ISA_AVX512;
    a->kh = t->timed ? 3 : draw(t, 1, 8), a->kw = t->timed ? 3 : draw(t, 1, 8);
    if (!t->timed && random_below(3) == 0) a->kh = a->kw = 3 + 2 * draw(t, 0, 1);
    if (!t->timed && slides && random_below(8) == 0) a->kw = draw(t, 15, 40);
    a->rows = draw(t, 1, 28), a->pixels = draw(t, 1, 5 * vlen + 3);
    if (!t->timed && random_below(6) == 0) a->pixels = draw(t, 1, fc_max64(1, vlen / 2));
    if (!t->timed && random_below(6) == 0) a->rows = draw(t, 1, 3), a->pixels = draw(t, 1, 18 * vlen);
    a->tap_step = t->timed ? 1 : draw(t, 1, 2), a->row_step = t->timed ? 1 : draw(t, 1, 3);
    if (!t->timed && random_below(3) == 0) a->row_step = 2 * a->tap_step;
    const int64_t dilation = t->timed ? 1 : draw(t, 1, 2);
    const bool windows = draw(t, 0, 1);
    const int64_t step = slides && windows && !t->timed ? draw(t, 1, 2) : 1;
    const int64_t left = draw(t, 0, slides && windows ? a->kw : fc_min64(2, vlen));
    a->planes = draw(t, 1, 3), a->multiplier = t->timed ? 1 : draw(t, 1, 2);
    ptrdiff_t *column = (ptrdiff_t *)(void *)keep(t, guarded_new((size_t)a->kw * sizeof *column, true))->data;
    const int64_t last = (a->kw - 1) * dilation - left, whole = fc_round_up(a->pixels, vlen) * step;
    /* elements outside a row: on AVX2 wanted by the first and the last vector alone */
    int64_t width = fc_max64(1, a->pixels * step - draw(t, 0, 2));
    if (!slides) width = fc_max64(width, last + whole - vlen);
    const int64_t src_rows = (a->rows - 1) * a->row_step + (a->kh - 1) * a->tap_step + 1;
    const int64_t lead = fc_round_up(left, step);
    const int64_t pitch = fc_round_up(lead + fc_max64(width, last + whole), step);
    a->table = src_rows + draw(t, 0, 2);
    char *bare = operand(t, a->planes * src_rows * width);
    char *bordered = operand(t, a->planes * src_rows * pitch);
    const bool masks = t->table->isa == FC_ISA_AVX2 || t->table->isa == FC_ISA_AVX512;
    a->width = windows && masks ? width : 0;
    a->step = a->width ? step : 1;
    const int64_t phases = a->width ? 1 : step, phase = pitch / step;
    for (int64_t b = 0; b < a->kw; b++) {
        const int64_t e = b * dilation - left;
        column[b] = phases == 1 ? e : (e + lead) / step + (e + lead) % step * phase - lead;
    }
    a->column = column;
    for (int64_t i = 0; windows && i < a->planes * src_rows * pitch; i++) {
        const int64_t x = i % pitch - lead, r = i / pitch;
        const int64_t place = phases == 1 ? i % pitch : i % pitch / step + i % pitch % step * phase;
        put(bordered, r * pitch + place, t->dtype,
            x >= 0 && x < width ? get(bare, r * width + x, t->dtype) : 0);
    }
    t->rows = malloc((size_t)(a->planes * a->table) * sizeof *t->rows);
    for (int64_t i = 0; i < a->planes * a->table; i++) {
        const int64_t r = i / a->table * src_rows + i % a->table;
        t->rows[i] = i % a->table >= src_rows ? NULL
                     : a->width               ? at(t, bare, r * width)
                                              : at(t, bordered, r * pitch + lead);
    }
    a->src = t->rows;
    const int64_t outputs = a->planes * a->multiplier;
    a->weights = operand(t, outputs * a->kh * a->kw);
    a->dst_row = a->pixels + draw(t, 0, 3), a->residual_row = a->pixels + draw(t, 0, 3);
    a->dst_plane = a->rows * a->dst_row + draw(t, 0, 3);
    a->residual_plane = a->rows * a->residual_row + draw(t, 0, 3);
    a->residual = perhaps(t, outputs * a->residual_plane);
    a->bias = perhaps(t, outputs);
    a->activation = fused_activation(t);
    a->dst = result(t, (outputs - 1) * a->dst_plane + (a->rows - 1) * a->dst_row + a->pixels);
}

static void prepare_split_phases(trial *t) {
    fc_split_phases_args *a = &t->args.split_phases;
    a->step = t->timed ? 2 : draw(t, 1, 18);
    a->src_stride = t->timed ? 1 : draw(t, 1, 2);
    a->pixels = draw(t, 1, 100) * draw(t, 1, 3);
    a->rows = draw(t, 0, 4);
    const int64_t rows = fc_max64(1, a->rows);
    a->phase = fc_div_up(a->pixels, a->step) + draw(t, 0, 5);
    a->src_row = a->pixels * a->src_stride + draw(t, 0, 5);
    a->dst_row = a->step * a->phase;
    a->src = operand(t, (rows - 1) * a->src_row + (a->pixels - 1) * a->src_stride + 1);
    a->dst = result(t, rows * a->dst_row);
}

/* ---- pooling --------------------------------------------------------------------------------------- */

static const int64_t norms[] = {1, 2, 3};

static void prepare_pool_rows(trial *t) {
    fc_pool_rows_args *a = &t->args.pool_rows;
    a->planes = draw(t, 1, 3), a->lines = draw(t, 1, 10), a->pixels = draw(t, 1, 70);
    a->kind = t->timed ? FC_POOL_MAX : (int)draw(t, FC_POOL_MAX, FC_POOL_LP);
    a->norm = a->kind == FC_POOL_LP ? (double)pick(norms, 3) : 0;
    a->row_stride = a->pixels + draw(t, 0, 3);
    fc_pool_line *line = (fc_pool_line *)(void *)keep(
        t, guarded_new((size_t)a->lines * sizeof *line, true))->data;
    int64_t last = 0;
    for (int64_t l = 0; l < a->lines; l++) {
        line[l].rows = t->timed ? 3 : draw(t, 0, 5);
        line[l].first = draw(t, 0, 6) * a->row_stride;
        last = fc_max64(last, line[l].first + (fc_max64(1, line[l].rows) - 1) * a->row_stride);
    }
    a->line = line;
    a->src_plane = last + a->pixels + draw(t, 0, 3);
    const int64_t count = (a->planes - 1) * a->src_plane + last + a->pixels;
    void *src = operand(t, count);
    if (a->kind == FC_POOL_MAX && random_below(2)) sprinkle(t, src, count);
    a->src = src;
    if (random_below(2)) {
        void *divisor = operand(t, a->lines);
        for (int64_t l = 0; l < a->lines; l++)
            put(divisor, l, t->dtype, (double)(1 + random_below(4)));
        a->divisor = divisor;
    }
    a->dst_line = a->pixels + draw(t, 0, 3);
    a->dst = result(t, (a->planes * a->lines - 1) * a->dst_line + a->pixels);
}

static void prepare_pool_columns(trial *t) {
    fc_pool_columns_args *a = &t->args.pool_columns;
    a->planes = draw(t, 1, 3), a->lines = draw(t, 1, 10), a->pixels = draw(t, 1, 70);
    a->kind = t->timed ? FC_POOL_MAX : (int)draw(t, FC_POOL_MAX, FC_POOL_LP);
    a->norm = a->kind == FC_POOL_LP ? (double)pick(norms, 3) : 0;
    a->window = (double)draw(t, 1, 9);
    a->taps = t->timed ? 3 : draw(t, 1, 5), a->tap_step = t->timed ? 1 : draw(t, 1, 2);
    a->step = t->timed ? 2 : draw(t, 1, 3);
    const int64_t readable = fc_round_up(a->pixels, t->shape->vlen);
    a->src_line = readable * a->step + (a->taps - 1) * a->tap_step;
    const int64_t count = a->planes * a->lines * a->src_line;
    void *src = operand(t, count);
    for (int64_t i = 0; a->kind == FC_POOL_LP && i < count; i++)
        put(src, i, t->dtype, fabs(get(src, i, t->dtype))); /* summed powers */
    if (a->kind == FC_POOL_MAX && random_below(2)) sprinkle(t, src, count);
    a->src = src;
    a->reciprocal = random_below(2) != 0;
    void *line = operand(t, a->lines), *pixel = operand(t, readable);
    for (int64_t i = 0; i < a->lines + readable; i++) {
        const double divisor = a->reciprocal ? 0.5 : (double)(1 + random_below(4));
        put(i < a->lines ? line : pixel, i < a->lines ? i : i - a->lines, t->dtype, divisor);
    }
    a->line_divisor = line, a->pixel_divisor = pixel;
    a->dst_line = a->pixels + (random_below(2) ? 0 : draw(t, 1, 3));
    a->dst = result(t, (a->planes * a->lines - 1) * a->dst_line + a->pixels);
}

static void prepare_pool_plane(trial *t) {
    fc_pool_plane_args *a = &t->args.pool_plane;
    a->planes = draw(t, 1, 3), a->lines = draw(t, 1, 8), a->pixels = draw(t, 1, 70);
    a->kind = t->timed ? FC_POOL_MAX : (int)draw(t, FC_POOL_MAX, FC_POOL_AVG);
    a->taps = (int)draw(t, 2, 3), a->step = (int)draw(t, 1, 2), a->before = (int)draw(t, 0, 1);
    /* windows may hang over the end; in ceil mode the last begins within the row */
    const int64_t reach = (a->pixels - 1) * a->step - a->before + a->taps;
    a->width = fc_max64(1, reach - draw(t, 0, 3));
    a->row_stride = a->width + draw(t, 0, 3);
    fc_pool_line *line = (fc_pool_line *)(void *)keep(
        t, guarded_new((size_t)a->lines * sizeof *line, true))->data;
    int64_t last = 0;
    for (int64_t l = 0; l < a->lines; l++) {
        line[l].rows = t->timed ? 3 : draw(t, 0, 4);
        line[l].first = draw(t, 0, 6) * a->row_stride;
        last = fc_max64(last, line[l].first + (fc_max64(1, line[l].rows) - 1) * a->row_stride);
    }
    a->line = line;
    a->src_plane = last + a->width + draw(t, 0, 3);
    const int64_t count = (a->planes - 1) * a->src_plane + last + a->width;
    void *src = operand(t, count);
    if (a->kind == FC_POOL_MAX && random_below(2)) sprinkle(t, src, count);
    a->src = src;
    a->reciprocal = random_below(2) != 0;
    const int64_t readable = fc_round_up(a->pixels, t->shape->vlen);
    void *line_divisor = operand(t, a->lines), *pixel_divisor = operand(t, readable);
    for (int64_t i = 0; i < a->lines + readable; i++) {
        const double divisor = a->reciprocal ? 0.5 : (double)(1 + random_below(4));
        put(i < a->lines ? line_divisor : pixel_divisor, i < a->lines ? i : i - a->lines, t->dtype,
            divisor);
    }
    a->line_divisor = line_divisor, a->pixel_divisor = pixel_divisor;
    a->dst_line = a->pixels + (random_below(2) ? 0 : draw(t, 1, 3));
    a->dst = result(t, (a->planes * a->lines - 1) * a->dst_line + a->pixels);
}

static void prepare_reduce_row(trial *t) {
    fc_reduce_args *a = &t->args.reduce_row;
    a->rows = draw(t, 1, 40), a->count = draw(t, 1, 200), a->src_row = a->count + draw(t, 0, 3);
    a->kind = (int)draw(t, FC_POOL_MAX, FC_POOL_AVG);
    a->divisor = (double)a->count;
    const int64_t count = (a->rows - 1) * a->src_row + a->count;
    void *src = operand(t, count);
    if (a->kind == FC_POOL_MAX && random_below(2)) sprinkle(t, src, count);
    a->src = src;
    a->dst = result(t, a->rows);
}

/* ---- elementwise ----------------------------------------------------------------------------------- */

static void prepare_activate(trial *t) {
    fc_activate_args *a = &t->args.activate;
    a->count = draw(t, 1, 150);
    a->activation = (int)(t->timed ? FC_ACT_SIGMOID : random_below(FC_ACT_COUNT));
    if (a->activation > FC_ACT_RELU6 && a->activation != FC_ACT_LEAKY_RELU) {
        t->relative = t->dtype == FC_F64 ? 1e-12 : 2e-5;
        t->absolute = t->dtype == FC_F64 ? 1e-15 : 1e-7;
    }
    a->alpha = a->activation == FC_ACT_LEAKY_RELU ? 0.25 : 1.5, a->beta = 20;
    void *src = !t->timed && random_below(4) == 0 ? result_begun(t, a->count) : operand(t, a->count);
    for (int64_t i = 0; i < a->count; i++) put(src, i, t->dtype, 1.75 * get(src, i, t->dtype));
    if (random_below(2)) sprinkle(t, src, a->count);
    a->src = src;
    a->dst = t->dst.data ? t->dst.data : result(t, a->count);
}

static void prepare_channel_rows(trial *t) {
    fc_channel_rows_args *a = &t->args.channel_rows;
    a->rows = draw(t, 1, 20), a->count = draw(t, 1, 60), a->first = draw(t, 0, 5);
    a->by_column = t->timed ? 0 : (int)random_below(2);
    a->channels = a->by_column ? a->count : draw(t, 1, 7);
    a->kind = (int)(t->timed ? FC_CHANNELWISE_NORM : 1 + random_below(2));
    a->mean = operand(t, a->channels), a->scale = operand(t, a->channels);
    a->bias = operand(t, a->channels);
    if (a->kind == FC_CHANNELWISE_NORM) a->activation = fused_activation(t);
    a->src = operand(t, a->rows * a->count);
    a->dst = result(t, a->rows * a->count);
}

static void prepare_lrn(trial *t) {
    fc_lrn_args *a = &t->args.lrn;
    const double betas[] = {0.75, 0.5, 1, 0.6};
    a->channels = draw(t, 1, 12), a->width = draw(t, 1, 40), a->stride = a->width + draw(t, 0, 3);
    a->size = draw(t, 1, 5), a->before = t->timed ? 2 : random_below(a->size);
    a->k = (double)draw(t, 1, 2), a->factor = 0.25, a->beta = betas[t->timed ? 0 : random_below(4)];
    const int64_t count = (a->channels - 1) * a->stride + a->width;
    a->src = operand(t, count);
    a->dst = result(t, count);
    t->relative = t->dtype == FC_F64 ? 1e-14 : 1e-6; /* several roundings, one of them of a power */
}

static void prepare_softmax(trial *t) {
    fc_softmax_args *a = &t->args.softmax;
    a->length = draw(t, 1, 60);
    a->width = random_below(2) || t->timed ? 1 : draw(t, 1, 40);
    a->stride = a->width == 1 ? 1 : a->width + draw(t, 0, 3);
    a->logarithm = (int)(t->timed ? 0 : random_below(2));
    const int64_t count = (a->length - 1) * a->stride + a->width;
    a->scratch = operand(t, 2 * a->width);
    if (!t->timed && random_below(4) == 0)
        a->src = a->dst = result_begun(t, count);
    else {
        void *src = operand(t, count);
        if (!t->timed && random_below(4) == 0) sprinkle(t, src, 1 + count / 4);
        a->src = src;
        a->dst = result(t, count);
    }
    /* some ulp of each term, and of their sum in another order */
    t->relative = t->dtype == FC_F64 ? 1e-14 : 4e-6;
    t->absolute = a->logarithm ? t->relative : 0;
}

static void prepare_add_strided(trial *t) {
    fc_add_strided_args *a = &t->args.add_strided;
    a->count = draw(t, 1, 150), a->step = t->timed ? 1 : draw(t, 1, 3);
    a->src = operand(t, a->count);
    a->dst = result_begun(t, (a->count - 1) * a->step + 1);
}

static void prepare_bilinear_row(trial *t) {
    fc_bilinear_row_args *a = &t->args.bilinear_row;
    a->width = draw(t, 1, 60), a->pixels = draw(t, 1, 90);
    for (int side = 0; side < 2; side++) {
        a->row[side] = operand(t, a->width);
        a->row_weight[side] = (double)draw(t, 0, 4) / 4;
        ptrdiff_t *column = (ptrdiff_t *)(void *)keep(
            t, guarded_new((size_t)a->pixels * sizeof *column, true))->data;
        for (int64_t i = 0; i < a->pixels; i++) column[i] = random_below(a->width);
        a->column[side] = column;
        void *weight = operand(t, a->pixels);
        for (int64_t i = 0; i < a->pixels; i++)
            put(weight, i, t->dtype, (double)random_below(5) / 4);
        a->weight[side] = weight;
    }
    a->line = operand(t, a->width);
    a->dst = result(t, a->pixels);
}

#include "kernel_winograd.h"

/* ---- the peak -------------------------------------------------------------------------------------- */

static void prepare_fma_peak(trial *t) {
    t->args.fma_peak.count =
        t->timed ? 1000 * t->shape->peak_flops / t->table->peak_flops : draw(t, 1, 15);
    t->args.fma_peak.dst = result(t, 1);
}

/* Each accumulator ends at 2 - 2^(1 - count), from about 50 rounds on at 2; how many there are is the
 * tier's. */
static void call_fma_peak(trial *t) {
    t->table->fma_peak(&t->args.fma_peak);
    put(t->dst.data, 0, t->dtype, get(t->dst.data, 0, t->dtype) / (2 * t->table->tile_pixels));
}

/* ---- all of them ----------------------------------------------------------------------------------- */

#define PLAIN(name) \
    static void call_##name(trial *t) { t->table->name(&t->args.name); }
PLAIN(pixel_rest)
PLAIN(copy_panels)
PLAIN(copy_rows)
PLAIN(pack_pixels)
PLAIN(unpack_pixels)
PLAIN(winograd_input)
PLAIN(winograd_output)
PLAIN(winograd_weights)
PLAIN(conv_plane)
PLAIN(split_phases)
PLAIN(pool_rows)
PLAIN(pool_columns)
PLAIN(pool_plane)
PLAIN(reduce_row)
PLAIN(activate)
PLAIN(channel_rows)
PLAIN(lrn)
PLAIN(softmax)
PLAIN(add_strided)
PLAIN(bilinear_row)

typedef struct kernel {
    const char *name;
    void (*prepare)(trial *t);
    void (*call)(trial *t);
} kernel;

static const kernel kernels[] = {
#define FC_UKR(name, args) {#name, prepare_##name, call_##name},
#include "../ukr/ukr_list.inc"
#undef FC_UKR
};

static trial begin(const kernel *k, const fc_kernels *shape, const fc_kernels *table, int number) {
    trial t = {.shape = shape, .table = table, .timed = number == CASES};
    t.dtype = shape->element_bytes == sizeof(double) ? FC_F64 : FC_F32;
    random_state = (uint64_t)number * 1000003u + 17;
    k->prepare(&t);
    return t;
}

static bool intact(const trial *t) {
    bool good = guarded_intact(&t->dst);
    for (int i = 0; i < t->operands; i++) good = good && guarded_intact(&t->operand[i]);
    return good;
}

static void end(trial *t) {
    for (int i = 0; i < t->operands; i++) guarded_free(&t->operand[i]);
    guarded_free(&t->dst);
    free(t->rows);
}

static bool agree(const trial *t, double a, double b) {
    if (a != a || b != b) return a != a && b != b;
    return a == b || fabs(a - b) <= t->absolute + t->relative * fabs(b);
}

static void compare(const kernel *k, const fc_kernels *tier, const fc_kernels *scalar, int number) {
    trial is = begin(k, tier, tier, number), wanted = begin(k, tier, scalar, number);
    k->call(&is);
    k->call(&wanted);
    for (int64_t i = 0; i < wanted.dst_count; i++) {
        const double a = get(is.dst.data, i, is.dtype), b = get(wanted.dst.data, i, is.dtype);
        if (!CHECK_AT(agree(&wanted, a, b), "%s f%d, case %d: element %d is %.9g, not %.9g", k->name,
                      is.dtype == FC_F64 ? 64 : 32, number, (int)i, a, b))
            break;
    }
    CHECK_AT(intact(&is), "%s, case %d: written outside", k->name, number);
    end(&is);
    end(&wanted);
}

static double nanoseconds(const kernel *k, trial *t, int calls) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < calls; i++) k->call(t);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / calls;
}

static double median(double *values, int count) {
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && values[j] < values[j - 1]; j--) {
            const double moved = values[j];
            values[j] = values[j - 1], values[j - 1] = moved;
        }
    return values[count / 2];
}

/* The two take turns, so that a busy moment of the machine meets both. */
static void measure(const kernel *k, const fc_kernels *tier, const fc_kernels *scalar) {
    trial is = begin(k, tier, tier, CASES), plain = begin(k, tier, scalar, CASES);
    double times[2][TIMED_ROUNDS];
    const double once = nanoseconds(k, &is, 1) + nanoseconds(k, &plain, 1);
    const int calls = once > 20000 ? 1 : (int)(20000 / (once + 1)) + 1;
    for (int i = 0; i < TIMED_ROUNDS; i++) {
        times[0][i] = nanoseconds(k, &is, calls);
        times[1][i] = nanoseconds(k, &plain, calls);
    }
    const double own = median(times[0], TIMED_ROUNDS), reference = median(times[1], TIMED_ROUNDS);
    printf("%-14s f%d %-7s %9.0f ns   scalar %9.0f ns   %5.1f x\n", k->name,
           is.dtype == FC_F64 ? 64 : 32, fc_isa_name(tier->isa), own, reference, reference / own);
    end(&is);
    end(&plain);
}

int main(void) {
    if (fc_init() != FC_OK) return 2;
    fc_runtime_info info = {.struct_size = sizeof info};
    fc_runtime_query(&info);
    for (int dtype = FC_F32; dtype <= FC_F64; dtype++) {
        const fc_kernels tier = *fc_registry_kernels((fc_dtype)dtype);
        fc_registry_fill(FC_ISA_SCALAR);
        const fc_kernels scalar = *fc_registry_kernels((fc_dtype)dtype);
        fc_registry_fill((fc_isa)info.isa_used);
        CHECK(scalar.isa == FC_ISA_SCALAR && tier.isa == (fc_isa)info.isa_used);
        for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
            for (int number = 0; number <= CASES; number++)
                compare(&kernels[i], &tier, &scalar, number);
            measure(&kernels[i], &tier, &scalar);
        }
    }
    return check_summary("test_kernels");
}
