/* kernel_tiles.h: cases of the register tiles and of what packs for them, for test_kernels.c. */
#ifndef FC_TESTS_KERNEL_TILES_H
#define FC_TESTS_KERNEL_TILES_H

#include "kernel_trial.h"

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
    a->dst_pixel = t->timed || random_below(2) ? 1 : draw(t, 2, 3);
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
    t->pieces = t->timed ? 1 : draw(t, 1, fc_min64(3, a->depth));
}

/* One tile, whose sum rests between one piece of its depth and the next in exactly what it may use. */
static void call_one_pixel_tile(const trial *t, const fc_pixel_tile_args *whole) {
    const int64_t vectors = whole->pixels > t->table->vlen ? 2 : 1;
    const size_t bytes = fc_dtype_bytes(t->dtype);
    guarded rest = guarded_new((size_t)(whole->rows * vectors * t->table->vlen) * bytes, true);
    for (int64_t i = 0; i < t->pieces; i++) {
        fc_pixel_tile_args a = *whole;
        int64_t from, to;
        fc_split(whole->depth, t->pieces, i, &from, &to);
        a.src = at(t, a.src, from * a.src_channel);
        a.weights = at(t, a.weights, from * a.weights_channel);
        a.depth = to - from;
        a.begin = i > 0 ? rest.data : NULL;
        a.sums = i + 1 < t->pieces ? rest.data : NULL;
        t->table->pixel_tile(&a);
    }
    guarded_free(&rest);
}

/* Rows and pixels beyond a smaller tier's tile go to further calls. */
static void call_pixel_tile(trial *t) {
    const fc_pixel_tile_args whole = t->args.pixel_tile;
    const fc_pixel_piece all = {.pixels = whole.pixels};
    const int rows = t->table->tile_pixels, pixels = 2 * t->table->vlen;
    if (whole.rows <= rows && whole.pixels <= pixels) {
        call_one_pixel_tile(t, &whole);
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
                call_one_pixel_tile(t, &a);
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

/* Panels of whole numbers, with zeros behind the last output and behind the depth. */
static void *bf16_panels(trial *t, int64_t outputs, int64_t depth, int64_t row) {
    const int64_t words = FC_BF16_RUN / 2, runs = row / FC_BF16_RUN;
    const int64_t count = fc_div_up(outputs, FC_BF16_PANEL) * runs * FC_BF16_PANEL * words;
    guarded *g = keep(t, guarded_new((size_t)count * sizeof(uint32_t), at_end(t)));
    uint32_t *panels = (uint32_t *)(void *)g->data;
    for (int64_t i = 0; i < count; i++) {
        const int64_t output =
            i / words % FC_BF16_PANEL + i / words / FC_BF16_PANEL / runs * FC_BF16_PANEL;
        const int64_t feature = i / words / FC_BF16_PANEL % runs * FC_BF16_RUN + i % words;
        panels[i] = 0;
        for (int half = 0; half < 2; half++) {
            const float value = (float)(random_below(9) - 4);
            uint32_t bits;
            memcpy(&bits, &value, sizeof bits);
            if (output < outputs && feature + half * words < depth) panels[i] |= half ? bits : bits >> 16;
        }
    }
    return panels;
}

static void prepare_dot_tile(trial *t) {
    fc_dot_tile_args *a = &t->args.dot_tile;
    a->rows = (int)draw(t, 1, FC_DOT_ROWS(t->shape->tile_pixels));
    a->outputs = draw(t, 1, 40);
    a->depth = t->timed ? FC_DOT_PIECE : draw(t, 1, 80);
    if (!t->timed && random_below(8) == 0) a->depth += FC_DOT_PIECE;
    a->src_row = a->depth + draw(t, 0, 3), a->weights_row = a->depth + draw(t, 0, 3);
    a->dst_row = a->outputs + draw(t, 0, 3);
    a->ahead = random_below(2) ? draw(t, 0, 1000) : 0; /* also beyond the buffer: nothing is read */
    a->src = operand(t, (a->rows - 1) * a->src_row + a->depth);
    a->bf16 = t->dtype == FC_F32 && !t->timed && random_below(2);
    if (a->bf16) {
        a->weights_row = fc_round_up(a->weights_row, FC_BF16_RUN);
        a->weights = bf16_panels(t, a->outputs, a->depth, a->weights_row);
    } else {
        a->weights = operand(t, (a->outputs - 1) * a->weights_row + a->depth);
    }
    a->bias = perhaps(t, a->outputs);
    a->residual_row = a->outputs + draw(t, 0, 3);
    a->residual = perhaps(t, (a->rows - 1) * a->residual_row + a->outputs);
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
        if (a.residual) a.residual = at(t, a.residual, r * a.residual_row);
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
    if (t->timed || random_below(2)) {
        a->dst = result(t, a->pixels * a->block);
        return;
    }
    const int64_t apart = a->block + draw(t, 0, 3); /* the last pixel first */
    ptrdiff_t *place =
        (ptrdiff_t *)(void *)keep(t, guarded_new((size_t)a->pixels * sizeof *place, true))->data;
    for (int64_t p = 0; p < a->pixels; p++) place[p] = (a->pixels - 1 - p) * apart;
    a->place = place;
    a->dst = result(t, (a->pixels - 1) * apart + a->block);
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

PLAIN(pixel_rest)
PLAIN(copy_panels)
PLAIN(copy_rows)
PLAIN(pack_pixels)
PLAIN(unpack_pixels)

#endif
