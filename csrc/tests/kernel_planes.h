/* kernel_planes.h: cases of the kernels on planes, depthwise convolution and pooling, for test_kernels.c. */
#ifndef FC_TESTS_KERNEL_PLANES_H
#define FC_TESTS_KERNEL_PLANES_H

#include "kernel_trial.h"

/* ---- planes ---------------------------------------------------------------------------------------- */

/* Step 2 is in the contract of AVX-512, and of AVX2 for squares of 3 and 5; for other tiers such a case is
 * laid out in two phases, as the driver does. */
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
    const bool parts = t->shape->isa == FC_ISA_AVX2 && a->kh == a->kw && (a->kh == 3 || a->kh == 5) &&
                       a->row_step == 2 * a->tap_step && dilation == 1;
    const int64_t step = (slides || parts) && windows && !t->timed ? draw(t, 1, 2) : 1;
    const int64_t left = draw(t, 0, slides && windows ? a->kw : fc_min64(2, vlen));
    a->planes = draw(t, 1, 3), a->multiplier = t->timed ? 1 : draw(t, 1, 2);
    ptrdiff_t *column = (ptrdiff_t *)(void *)keep(t, guarded_new((size_t)a->kw * sizeof *column, true))->data;
    const int64_t last = (a->kw - 1) * dilation - left, whole = fc_round_up(a->pixels, vlen) * step;
    /* elements outside a row: on AVX2 wanted by the first and the last vector alone */
    int64_t width = fc_max64(1, a->pixels * step - draw(t, 0, 2));
    if (!slides) width = fc_max64(width, last + whole - vlen * step);
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

/* Half of them such as the kernel has bodies for: columns side by side, dealt to the phases by turns. */
static void prepare_transposed_plane(trial *t) {
    fc_transposed_plane_args *a = &t->args.transposed_plane;
    const int64_t vlen = t->shape->vlen;
    a->kh = t->timed ? 2 : draw(t, 0, 3);
    a->rows = draw(t, 1, 28), a->pixels = draw(t, 1, 10 * vlen + 3);
    if (!t->timed && random_below(12) == 0) a->rows = draw(t, 56, 90);
    a->planes = draw(t, 1, 3), a->multiplier = t->timed ? 1 : draw(t, 1, 2);
    a->tap_col = 1;
    if (t->timed || random_below(2)) {
        const int64_t more = t->timed ? 1 : random_below(2), taps = t->timed ? 1 : draw(t, 1, 2);
        a->taps[more] = taps + 1, a->taps[!more] = taps;
        a->column[0] = draw(t, 0, 3);
        a->column[1] = a->column[0] + !more;
    } else {
        for (int q = 0; q < 2; q++) a->taps[q] = draw(t, 0, 4), a->column[q] = draw(t, 0, 5);
        a->tap_col = draw(t, 1, 3);
    }
    int64_t reach = 0;
    for (int q = 0; q < 2; q++)
        if (a->taps[q]) reach = fc_max64(reach, a->column[q] + (a->taps[q] - 1) * a->tap_col);
    reach += fc_round_up(fc_div_up(a->pixels, 2), vlen);
    a->src_row = reach + draw(t, 0, 3);
    a->tap_row = a->src_row * draw(t, 1, 2);
    a->src_plane = (a->rows - 1) * a->src_row + fc_max64(0, a->kh - 1) * a->tap_row + reach;
    a->src = operand(t, a->planes * a->src_plane);
    const int64_t outputs = a->planes * a->multiplier;
    a->weights_plane = a->kh * (a->taps[0] + a->taps[1]) + draw(t, 0, 2);
    a->weights = operand(t, outputs * a->weights_plane + 1);
    a->bias = perhaps(t, outputs);
    a->activation = fused_activation(t);
    a->dst_row = a->pixels + draw(t, 0, 5);
    a->dst_plane = a->rows * a->dst_row + draw(t, 0, 3);
    a->dst = result(t, (outputs - 1) * a->dst_plane + (a->rows - 1) * a->dst_row + a->pixels);
}

/* ---- kernels of gradients --------------------------------------------------------------------------- */

static void prepare_border_rows(trial *t) {
    fc_border_rows_args *a = &t->args.border_rows;
    a->rows = draw(t, 1, 9), a->cols = draw(t, 1, 60);
    a->first = t->timed ? 1 : random_below(a->cols + 1);
    a->last = t->timed ? a->cols - 1 : a->first + random_below(a->cols - a->first + 1);
    a->step = t->timed ? 1 : draw(t, 1, 4);
    if (!t->timed && random_below(8) == 0) a->step = -a->step;
    const int64_t length = a->last > a->first ? (a->last - a->first - 1) * (a->step < 0 ? -a->step : a->step) + 1 : 1;
    a->src_row = length + draw(t, 0, 3);
    a->dst_row = a->cols + draw(t, 0, 3);
    const char *src = operand(t, (a->rows - 1) * a->src_row + length);
    a->src = a->step < 0 ? at(t, src, length - 1) : src;
    a->dst = result(t, (a->rows - 1) * a->dst_row + a->cols);
}

/* Lanes are the tier's own: they are added up to compare. `sums` that have begun, of which there are as
 * many results. */
static void *begun_lanes(trial *t, int64_t sums) {
    const int64_t lanes = t->table->vlen;
    void *begun =
        keep(t, guarded_new((size_t)(sums * lanes) * fc_dtype_bytes(t->dtype), at_end(t)))->data;
    for (int64_t i = 0; i < sums * lanes; i++)
        put(begun, i, t->dtype, i % lanes ? 0 : (double)(i / lanes % 5));
    result(t, sums);
    return begun;
}

static void add_lanes(trial *t, const void *lanes) {
    const int64_t vlen = t->table->vlen;
    for (int64_t i = 0; i < t->dst_count; i++) {
        double sum = 0;
        for (int64_t l = 0; l < vlen; l++) sum += get(lanes, i * vlen + l, t->dtype);
        put(t->dst.data, i, t->dtype, sum);
    }
}

static void prepare_plane_dots(trial *t) {
    fc_plane_dots_args *a = &t->args.plane_dots;
    a->channels = t->timed ? 1 : draw(t, 1, 9), a->taps = t->timed ? 9 : draw(t, 1, 26);
    a->images = draw(t, 1, 3), a->rows = draw(t, 1, 7), a->cols = draw(t, 1, 50);
    ptrdiff_t *tap =
        (ptrdiff_t *)(void *)keep(t, guarded_new((size_t)a->taps * sizeof *tap, true))->data;
    int64_t reach = 0;
    for (int64_t i = 0; i < a->taps; i++) {
        tap[i] = random_below(70);
        reach = fc_max64(reach, tap[i]);
    }
    a->tap = tap;
    a->src_row = a->cols + draw(t, 0, 3), a->src_image = a->rows * a->src_row + draw(t, 0, 3);
    a->diff_row = a->cols + draw(t, 0, 3), a->diff_image = a->rows * a->diff_row + draw(t, 0, 3);
    a->diff_channel = a->images * a->diff_image + draw(t, 0, 3);
    a->src = operand(t, reach + (a->images - 1) * a->src_image + (a->rows - 1) * a->src_row + a->cols);
    a->diff = operand(t, (a->channels - 1) * a->diff_channel + (a->images - 1) * a->diff_image +
                             (a->rows - 1) * a->diff_row + a->cols);
    a->dst_channel = a->taps + draw(t, 0, 2);
    a->dst = begun_lanes(t, (a->channels - 1) * a->dst_channel + a->taps);
}

static void call_plane_dots(trial *t) {
    t->table->plane_dots(&t->args.plane_dots);
    add_lanes(t, t->args.plane_dots.dst);
}

static void prepare_window_dots(trial *t) {
    static const int64_t kernels[] = {3, 5, 7};
    fc_window_dots_args *a = &t->args.window_dots;
    const bool any = FC_WINDOW_DOTS_LARGEST(t->table->tile_pixels, t->table->vlen) == 7 &&
                     FC_WINDOW_DOTS_LARGEST(t->shape->tile_pixels, t->shape->vlen) == 7;
    a->k = t->timed || !any ? 3 : pick(kernels, 3), a->step = t->timed ? 1 : draw(t, 1, 2);
    a->channels = t->timed ? 1 : draw(t, 1, 5);
    a->images = draw(t, 1, 3), a->rows = draw(t, 1, 14), a->cols = draw(t, 1, 50);
    a->block = draw(t, 1, a->rows);
    /* windows may lie across any edge, or beyond it */
    a->top = t->timed ? 1 : draw(t, -3, a->k + 1), a->left = t->timed ? 1 : draw(t, 0, a->k + 1);
    a->height = fc_max64(1, (a->rows - 1) * a->step + a->k - a->top - (t->timed ? 1 : draw(t, 0, a->k)));
    a->width = fc_max64(1, (a->cols - 1) * a->step + a->k - a->left - (t->timed ? 1 : draw(t, 0, a->k)));
    a->src_row = a->width + draw(t, 0, 3), a->src_image = a->height * a->src_row + draw(t, 0, 3);
    a->diff_row = a->cols + draw(t, 0, 3), a->diff_image = a->rows * a->diff_row + draw(t, 0, 3);
    a->diff_channel = a->images * a->diff_image + draw(t, 0, 3);
    a->src_ahead = a->src_image, a->diff_ahead = a->diff_image;
    a->src = operand(t, (a->images - 1) * a->src_image + (a->height - 1) * a->src_row + a->width);
    a->diff = operand(t, (a->channels - 1) * a->diff_channel + (a->images - 1) * a->diff_image +
                             (a->rows - 1) * a->diff_row + a->cols);
    const int64_t taps = a->k * a->k;
    a->dst_channel = taps + draw(t, 0, 2);
    a->dst = begun_lanes(t, (a->channels - 1) * a->dst_channel + taps);
}

static void call_window_dots(trial *t) {
    t->table->window_dots(&t->args.window_dots);
    add_lanes(t, t->args.window_dots.dst);
}

static void prepare_fold_lanes(trial *t) {
    fc_fold_lanes_args *a = &t->args.fold_lanes;
    a->count = draw(t, 1, 70);
    const int64_t own = t->table->vlen, lanes = t->shape->vlen;
    /* a sum of the tier under test has its lanes; the other tier's the sums of some of them */
    void *src = keep(t, guarded_new((size_t)(a->count * own) * fc_dtype_bytes(t->dtype), at_end(t)))->data;
    for (int64_t i = 0; i < a->count * own; i++) put(src, i, t->dtype, 0);
    for (int64_t i = 0; i < a->count * lanes; i++) {
        const int64_t to = i / lanes * own + i % lanes % own;
        put(src, to, t->dtype, get(src, to, t->dtype) + (double)(random_below(9) - 4));
    }
    a->src = src;
    a->dst = result(t, a->count);
}

static void prepare_column_sums(trial *t) {
    fc_column_sums_args *a = &t->args.column_sums;
    a->rows = draw(t, 1, 9), a->count = draw(t, 1, 150), a->src_row = a->count + draw(t, 0, 3);
    a->src = operand(t, (a->rows - 1) * a->src_row + a->count);
    a->accumulate = !t->timed && random_below(2);
    a->dst = a->accumulate ? result_begun(t, a->count) : result(t, a->count);
}

static void prepare_conv_lanes(trial *t) {
    fc_conv_lanes_args *a = &t->args.conv_lanes;
    const int64_t own = t->table->vlen, lanes = t->shape->vlen;
    a->kh = t->timed ? 3 : draw(t, 1, 7), a->kw = t->timed ? 3 : draw(t, 1, 7);
    a->rows = t->timed ? 7 : draw(t, 1, 9), a->pixels = t->timed ? 7 : draw(t, 1, 45);
    const int64_t down = t->timed ? 1 : draw(t, 1, 3);
    const int64_t dilation = t->timed ? 1 : draw(t, 1, 3), apart = t->timed ? 1 : draw(t, 1, 3);
    const int64_t pitch = a->pixels - 1 + (a->kw - 1) * dilation + 1 + draw(t, 0, 2);
    const int64_t rows = (a->rows - 1) * down + (a->kh - 1) * apart + 1;
    const int64_t taps = a->kh * a->kw, line = a->pixels + draw(t, 0, 3);
    a->tap_row = apart * pitch * own, a->row_step = down * pitch * own, a->tap_col = dilation * own;
    a->dst_row = line * own;
    /* the other table has vectors of another length: lane by lane, pixel after pixel of one */
    a->src = operand(t, rows * pitch * lanes);
    a->weights = operand(t, taps * lanes);
    t->lanes = lanes;
    t->lane_src = rows * pitch, t->lane_weights = taps;
    t->dst_pixels = (a->rows - 1) * line + a->pixels;
    a->dst = result(t, t->dst_pixels * lanes);
}

/* One call does as many lanes as the table's vectors have; scratch holds them side by side. */
static void call_conv_lanes(trial *t) {
    fc_conv_lanes_args a = t->args.conv_lanes;
    const int64_t own = t->table->vlen;
    if (own == t->lanes) {
        t->table->conv_lanes(&a);
        return;
    }
    CHECK(own == 1);
    const size_t bytes = fc_dtype_bytes(t->dtype);
    char *src = malloc((size_t)t->lane_src * bytes), *weights = malloc((size_t)t->lane_weights * bytes);
    char *dst = malloc((size_t)t->dst_pixels * bytes);
    for (int64_t l = 0; l < t->lanes; l++) {
        for (int64_t i = 0; i < t->lane_src; i++)
            put(src, i, t->dtype, get(t->args.conv_lanes.src, i * t->lanes + l, t->dtype));
        for (int64_t i = 0; i < t->lane_weights; i++)
            put(weights, i, t->dtype, get(t->args.conv_lanes.weights, i * t->lanes + l, t->dtype));
        a.src = src, a.weights = weights, a.dst = dst;
        t->table->conv_lanes(&a);
        const int64_t line = a.dst_row;
        for (int64_t y = 0; y < a.rows; y++)
            for (int64_t x = 0; x < a.pixels; x++)
                put(t->dst.data, (y * line + x) * t->lanes + l, t->dtype,
                    get(dst, y * line + x, t->dtype));
    }
    free(src), free(weights), free(dst);
}

/* Pixels in no order, one of them found many times over; weights as the table's vectors want them. */
static void prepare_conv_channels(trial *t) {
    fc_conv_channels_args *a = &t->args.conv_channels;
    const int64_t own = t->table->vlen;
    a->kh = t->timed ? 3 : draw(t, 1, 7), a->kw = t->timed ? 3 : draw(t, 1, 7);
    a->step = t->timed ? 1 : draw(t, 1, 3);
    a->rows = t->timed ? 7 : draw(t, 1, 5), a->pixels = t->timed ? 14 : draw(t, 1, 30);
    a->row_step = t->timed ? 1 : draw(t, 1, 3), a->tap_row = t->timed ? 1 : draw(t, 1, 2);
    a->tap_col = !t->timed && random_below(3) == 0 ? draw(t, 2, 3) : 1;
    a->channel = t->timed ? 0 : draw(t, 0, 9);
    a->channels = t->shape->vlen + draw(t, 0, 2 * t->shape->vlen + 1);
    const int64_t last = (fc_round_up(a->pixels, FC_CHANNELS_PIXELS) - 1) * a->step;
    const int64_t cols = last + (a->kw - 1) * a->tap_col + 1;
    const int64_t lines = (a->rows - 1) * a->row_step + (a->kh - 1) * a->tap_row + 1, size = lines * cols;
    const int64_t taps = a->kh * a->kw, apart = a->channel + a->channels + draw(t, 0, 3);
    a->row_step *= cols, a->tap_row *= cols;
    const char *src = operand(t, (size - 1) * apart + a->channel + a->channels);
    t->rows = malloc((size_t)size * sizeof *t->rows);
    for (int64_t i = 0; i < size; i++) t->rows[i] = at(t, src, (i % 5 ? size - 1 - i : size / 2) * apart);
    a->src = t->rows;
    const void *weights = operand(t, a->channels * taps);
    const size_t packed = (size_t)(fc_round_up(a->channels, own) * taps) * fc_dtype_bytes(t->dtype);
    void *to = keep(t, guarded_new(packed, at_end(t)))->data;
    for (int64_t v = 0; v * own < a->channels; v++)
        for (int64_t i = 0; i < taps * own; i++)
            put(to, v * taps * own + i, t->dtype,
                get(weights, (fc_min64(v * own, a->channels - own) + i % own) * taps + i / own, t->dtype));
    a->weights = to;
    a->bias = perhaps(t, a->channels);
    a->activation = t->timed ? FC_ACT_RELU : (int)draw(t, FC_ACT_NONE, FC_ACT_RELU6);
    a->dst_pixel = a->channels + draw(t, 0, 3), a->dst_row = a->pixels * a->dst_pixel + draw(t, 0, 3);
    a->dst = result(t, (a->rows - 1) * a->dst_row + (a->pixels - 1) * a->dst_pixel + a->channels);
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

/* Values and positions are compared side by side: first all of the ones, then all of the others. */
static void prepare_pool_indices(trial *t) {
    fc_pool_indices_args *a = &t->args.pool_indices;
    a->planes = draw(t, 1, 3), a->lines = draw(t, 1, 8), a->pixels = draw(t, 1, 70);
    const int64_t most = t->timed ? 3 : draw(t, 1, 5), whole = fc_round_up(a->pixels, t->shape->vlen);
    a->taps = t->timed ? 3 : draw(t, 1, 5), a->step = draw(t, 1, 2), a->first = draw(t, 0, 9);
    fc_pool_line *line = (fc_pool_line *)(void *)keep(
        t, guarded_new((size_t)a->lines * sizeof *line, true))->data;
    int64_t *origin =
        (int64_t *)(void *)keep(t, guarded_new((size_t)a->lines * sizeof *origin, true))->data;
    ptrdiff_t *column =
        (ptrdiff_t *)(void *)keep(t, guarded_new((size_t)a->taps * sizeof *column, true))->data;
    a->row_stride = whole + 20;
    int64_t last = 0;
    for (int64_t l = 0; l < a->lines; l++) {
        line[l].rows = t->timed ? most : draw(t, 1, most);
        line[l].first = a->first + draw(t, 0, 6) * a->row_stride;
        last = fc_max64(last, line[l].first - a->first + (line[l].rows - 1) * a->row_stride);
        origin[l] = draw(t, 0, 1000) - 10;
    }
    for (int64_t i = 0; i < a->taps; i++) column[i] = draw(t, 0, 20);
    a->line = line, a->origin = origin, a->column = column;
    a->src_plane = last + a->row_stride;
    const int64_t count = a->planes * a->src_plane;
    void *src = operand(t, count);
    if (random_below(2)) sprinkle(t, src, count);
    if (random_below(8) == 0)
        for (int64_t i = 0; i < count; i++) put(src, i, t->dtype, -(double)INFINITY);
    a->src = src;
    char *number = operand(t, most * a->taps), *start = operand(t, whole);
    const size_t bytes = fc_dtype_bytes(t->dtype);
    for (int64_t i = 0; i < most * a->taps + whole; i++) {
        const int64_t wide = random_below(4000);
        const int32_t narrow = (int32_t)wide;
        memcpy(i < whole ? start + (size_t)i * bytes : number + (size_t)(i - whole) * bytes,
               t->dtype == FC_F64 ? (const void *)&wide : (const void *)&narrow, bytes);
    }
    a->number = number, a->start = start;
    const size_t results = (size_t)(a->planes * a->lines * a->pixels);
    a->dst = keep(t, guarded_new(results * bytes, at_end(t)))->data;
    a->indices = (int64_t *)(void *)keep(t, guarded_new(results * sizeof(int64_t), at_end(t)))->data;
    result(t, 2 * (int64_t)results);
}

static void call_pool_indices(trial *t) {
    const fc_pool_indices_args *a = &t->args.pool_indices;
    t->table->pool_indices(a);
    const int64_t results = t->dst_count / 2;
    for (int64_t i = 0; i < results; i++) {
        put(t->dst.data, i, t->dtype, get(a->dst, i, t->dtype));
        put(t->dst.data, results + i, t->dtype, (double)a->indices[i]);
    }
}

/* Indices of all kinds, of which one may lie just or far outside. */
static void prepare_check_indices(trial *t) {
    fc_check_indices_args *a = &t->args.check_indices;
    a->count = draw(t, 0, 100), a->least = -draw(t, 0, 1), a->limit = draw(t, 1, 50);
    int64_t *indices = (int64_t *)(void *)keep(
        t, guarded_new((size_t)a->count * sizeof *indices, at_end(t)))->data;
    for (int64_t i = 0; i < a->count; i++) indices[i] = a->least + random_below(a->limit - a->least);
    const int64_t odd[] = {a->least - 1, a->limit, INT64_MAX, INT64_MIN, INT64_MAX - 1};
    if (a->count && random_below(2)) indices[random_below(a->count)] = pick(odd, 5);
    a->indices = indices;
    result(t, 1);
}

static void call_check_indices(trial *t) {
    fc_check_indices_args a = t->args.check_indices;
    int outside = -1, expected = 0;
    a.outside = &outside;
    t->table->check_indices(&a);
    for (int64_t i = 0; i < a.count; i++)
        expected |= a.indices[i] < a.least || a.indices[i] >= a.limit;
    CHECK(outside == expected);
    put(t->dst.data, 0, t->dtype, (double)outside);
}

static void prepare_add_indexed(trial *t) {
    fc_add_indexed_args *a = &t->args.add_indexed;
    const int64_t results = draw(t, 1, 60);
    a->count = draw(t, 0, 100);
    a->src = operand(t, a->count + 1);
    int64_t *indices = (int64_t *)(void *)keep(
        t, guarded_new((size_t)a->count * sizeof *indices, at_end(t)))->data;
    for (int64_t i = 0; i < a->count; i++) indices[i] = random_below(results + 1) - 1;
    a->indices = indices;
    a->dst = result_begun(t, results);
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

PLAIN(border_rows)
PLAIN(fold_lanes)
PLAIN(conv_channels)
PLAIN(column_sums)
PLAIN(conv_plane)
PLAIN(transposed_plane)
PLAIN(split_phases)
PLAIN(pool_rows)
PLAIN(pool_columns)
PLAIN(pool_plane)
PLAIN(add_indexed)
PLAIN(reduce_row)

#endif
