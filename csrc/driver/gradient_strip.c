#include "gradient_strip.h"

#include "cut.h"

fc_gradient_cut fc_gradient_cut_make(const fc_weight_gradient_problem *p, int64_t pixels,
                                     fc_gradient_form form, bool in_place) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    fc_gradient_cut cut = {.form = form, .in_place = in_place, .images = 1, .rows = 1};
    cut.cols = fc_div_up(p->ow, fc_div_up(p->ow, pixels));
    if (cut.cols == p->ow) cut.rows = fc_div_up(p->oh, fc_div_up(p->oh, fc_max64(1, pixels / p->ow)));
    if (cut.cols == p->ow && cut.rows == p->oh && d->n > 1)
        cut.images = fc_div_up(d->n, fc_div_up(d->n, fc_max64(1, pixels / (p->oh * p->ow))));
    const int64_t icg = d->ic / d->groups;
    if (form == FC_GRADIENT_GATHERED) {
        cut.lines = icg * d->kh * d->kw;
        cut.taps = 1;
        cut.row = cut.cols;
        cut.image = cut.rows * cut.cols;
        cut.channel = cut.images * cut.image;
        return cut;
    }
    cut.channel_lines = form == FC_GRADIENT_ROWS ? d->kh : 1;
    cut.lines = icg * cut.channel_lines;
    cut.taps = d->kh * d->kw / cut.channel_lines;
    if (in_place) {
        cut.row = d->stride_h * d->src_stride[2];
        cut.image = d->src_stride[0];
        cut.channel = d->src_stride[1];
        return cut;
    }
    const int64_t reach_h = (d->kh - 1) * d->dilation_h, reach_w = (d->kw - 1) * d->dilation_w;
    cut.phases_h = fc_min64(d->stride_h, reach_h + 1);
    cut.phases_w = fc_min64(d->stride_w, reach_w + 1);
    cut.phase_rows = cut.rows + reach_h / d->stride_h;
    cut.row = cut.cols + reach_w / d->stride_w;
    cut.image = cut.phases_h * cut.phases_w * cut.phase_rows * cut.row;
    cut.channel = cut.images * cut.image;
    return cut;
}

int64_t fc_gradient_chunks(const fc_weight_gradient_problem *p, const fc_gradient_cut *cut) {
    return fc_div_up(p->desc.n, cut->images) * fc_div_up(p->oh, cut->rows) *
           fc_div_up(p->ow, cut->cols);
}

fc_gradient_chunk fc_gradient_chunk_at(const fc_weight_gradient_problem *p, const fc_gradient_cut *cut,
                                       int64_t index) {
    const int64_t across = fc_div_up(p->ow, cut->cols), down = fc_div_up(p->oh, cut->rows);
    fc_gradient_chunk chunk = {
        .n = index / (across * down) * cut->images,
        .y = index / across % down * cut->rows,
        .x = index % across * cut->cols,
    };
    chunk.images = fc_min64(cut->images, p->desc.n - chunk.n);
    chunk.rows = fc_min64(cut->rows, p->oh - chunk.y);
    chunk.cols = fc_min64(cut->cols, p->ow - chunk.x);
    return chunk;
}

int64_t fc_gradient_tap(const fc_weight_gradient_problem *p, const fc_gradient_cut *cut, int64_t a,
                        int64_t b) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t y = a * d->dilation_h, x = b * d->dilation_w;
    if (cut->in_place) return y * d->src_stride[2] + x;
    const int64_t phase = y % d->stride_h * cut->phases_w + x % d->stride_w;
    return (phase * cut->phase_rows + y / d->stride_h) * cut->row + x / d->stride_w;
}

const char *fc_gradient_find(const fc_weight_gradient_problem *p, const void *src, int64_t group,
                             int64_t first, fc_gradient_chunk chunk) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t channel = group * (d->ic / d->groups) + first;
    return (const char *)src +
           (chunk.n * d->src_stride[0] + channel * d->src_stride[1] +
            chunk.y * d->stride_h * d->src_stride[2] + chunk.x * d->src_stride[3]) *
               (int64_t)p->kernels->element_bytes;
}

/* A rectangle of the bordered image: rows y, y + step_y, ..., columns x, x + step_x, ... */
typedef struct window {
    int64_t n, channel;
    int64_t y, rows, step_y, x, cols, step_x;
} window;

static const char *source_at(const fc_weight_gradient_problem *p, const void *src, const window *w,
                             int64_t y, int64_t x) {
    const int64_t *stride = p->desc.src_stride;
    return (const char *)src +
           (w->n * stride[0] + w->channel * stride[1] + y * stride[2] + x * stride[3]) *
               (int64_t)p->kernels->element_bytes;
}

/* The columns of a row that the border shows, but for zeros. */
static void fill_border(const fc_weight_gradient_problem *p, const void *src, const window *w, int64_t y,
                        int64_t from, int64_t to, char *dst) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const size_t bytes = p->kernels->element_bytes;
    for (int64_t i = from; i < to; i++) {
        const int64_t x = w->x + i * w->step_x - d->pad_left;
        memcpy(dst + (size_t)i * bytes,
               source_at(p, src, w, y, fc_border_source(d->border, x, d->iw)), bytes);
    }
}

/* Numbers i in [0, count) with 0 <= at + i*step < size: from *first up to *last. */
static void inside(int64_t at, int64_t step, int64_t size, int64_t count, int64_t *first,
                   int64_t *last) {
    *first = fc_min64(count, at < 0 ? fc_div_up(-at, step) : 0);
    *last = at < size ? fc_min64(count, (size - 1 - at) / step + 1) : 0;
    *last = fc_max64(*first, *last);
}

/* The window, `pitch` elements from row to row. */
static void fill_window(const fc_weight_gradient_problem *p, const void *src, window w, int64_t pitch,
                        char *dst) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const int64_t y = w.y - d->pad_top, x = w.x - d->pad_left;
    int64_t above, end, left, right;
    inside(y, w.step_y, d->ih, w.rows, &above, &end);
    inside(x, w.step_x, d->iw, w.cols, &left, &right);
    fc_border_rows_args args = {
        .dst = dst + above * pitch * bytes,
        .rows = end - above,
        .cols = w.cols,
        .first = left,
        .last = right,
        .src_row = w.step_y * d->src_stride[2],
        .dst_row = pitch,
        .step = w.step_x * d->src_stride[3],
        .ahead = (end - above) * w.step_y * d->src_stride[2], /* the next chunk, or channel */
    };
    const int64_t column = left < right ? x + left * w.step_x : 0;
    if (end > above) {
        args.src = source_at(p, src, &w, y + above * w.step_y, column);
        p->kernels->border_rows(&args);
    }
    const bool zeros = d->border == FC_BORDER_ZEROS;
    for (int64_t r = 0; r < w.rows; r++) {
        if (r == above && zeros) r = end;
        if (r == w.rows) break;
        const int64_t row = y + r * w.step_y;
        char *to = dst + r * pitch * bytes;
        if (zeros) {
            memset(to, 0, (size_t)(w.cols * bytes));
            continue;
        }
        const int64_t shown = fc_border_source(d->border, row, d->ih);
        if (r < above || r >= end) {
            args.src = source_at(p, src, &w, shown, column);
            args.dst = to;
            args.rows = 1;
            p->kernels->border_rows(&args);
        }
        fill_border(p, src, &w, shown, 0, left, to);
        fill_border(p, src, &w, shown, right, w.cols, to);
    }
}

/* One window for each of `count` channels that lie side by side, `channel` elements apart in the strip:
 * a transpose. The border is of zeros. */
static void fill_beside(const fc_weight_gradient_problem *p, const void *src, window w, int64_t count,
                        int64_t channel, int64_t pitch, char *dst) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    ptrdiff_t place[FC_TILE_MAX_PIXELS];
    int64_t left, right;
    inside(w.x - d->pad_left, w.step_x, d->iw, w.cols, &left, &right);
    for (int64_t i = 0; i < count; i++) place[i] = i * channel;
    for (int64_t r = 0; r < w.rows; r++, dst += pitch * bytes) {
        const int64_t y = w.y + r * w.step_y - d->pad_top;
        const bool empty = y < 0 || y >= d->ih || left == right;
        const int64_t end = empty ? w.cols : left;
        for (int64_t i = 0; i < count && (end || right < w.cols); i++) {
            memset(dst + i * channel * bytes, 0, (size_t)(end * bytes));
            if (!empty)
                memset(dst + (i * channel + right) * bytes, 0, (size_t)((w.cols - right) * bytes));
        }
        if (empty) continue;
        const fc_pack_pixels_args pack = {
            .src = source_at(p, src, &w, y, w.x + left * w.step_x - d->pad_left),
            .dst = dst + left * bytes,
            .place = place,
            .channel_stride = w.step_x * d->src_stride[3],
            .pixel_stride = 1,
            .channels = right - left,
            .pixels = count,
            .block = right - left,
        };
        p->kernels->pack_pixels(&pack);
    }
}

static void gather_lines(const fc_weight_gradient_problem *p, const void *src, int64_t group,
                         int64_t first, int64_t count, fc_gradient_chunk chunk, int64_t line,
                         char *strip) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, taps = d->kh * d->kw;
    for (int64_t i = 0; i < count; i++)
        for (int64_t n = 0; n < chunk.images; n++) {
            const int64_t tap = (first + i) % taps;
            const window w = {
                .n = chunk.n + n,
                .channel = group * (d->ic / d->groups) + (first + i) / taps,
                .y = chunk.y * d->stride_h + tap / d->kw * d->dilation_h,
                .x = chunk.x * d->stride_w + tap % d->kw * d->dilation_w,
                .rows = chunk.rows,
                .cols = chunk.cols,
                .step_y = d->stride_h,
                .step_x = d->stride_w,
            };
            fill_window(p, src, w, chunk.cols,
                        strip + (i * line + n * chunk.rows * chunk.cols) * bytes);
        }
}

void fc_gradient_fill(const fc_weight_gradient_problem *p, const fc_gradient_cut *cut, const void *src,
                      int64_t group, int64_t first, int64_t count, fc_gradient_chunk chunk,
                      char *strip) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    if (cut->form == FC_GRADIENT_GATHERED) {
        gather_lines(p, src, group, first, count, chunk, cut->channel, strip);
        return;
    }
    const bool beside = d->src_stride[1] == 1 && d->src_stride[3] != 1 && count > 1 &&
                        d->border == FC_BORDER_ZEROS;
    const int64_t at_once = beside ? fc_min64(count, FC_TILE_MAX_PIXELS) : 1;
    for (int64_t i = 0; i < count; i += at_once)
        for (int64_t n = 0; n < chunk.images; n++) {
            char *phase = strip + (i * cut->channel + n * cut->image) * bytes;
            for (int64_t f = 0; f < cut->phases_h; f++)
                for (int64_t g = 0; g < cut->phases_w; g++) {
                    char *dst = phase;
                    phase += cut->phase_rows * cut->row * bytes;
                    if (!fc_phase_is_read(f, 0, d->kh, d->dilation_h, d->stride_h) ||
                        !fc_phase_is_read(g, 0, d->kw, d->dilation_w, d->stride_w))
                        continue;
                    const window w = {
                        .n = chunk.n + n,
                        .channel = group * (d->ic / d->groups) + first + i,
                        .y = chunk.y * d->stride_h + f,
                        .x = chunk.x * d->stride_w + g,
                        .rows = chunk.rows + ((d->kh - 1) * d->dilation_h - f) / d->stride_h,
                        .cols = chunk.cols + ((d->kw - 1) * d->dilation_w - g) / d->stride_w,
                        .step_y = d->stride_h,
                        .step_x = d->stride_w,
                    };
                    if (beside)
                        fill_beside(p, src, w, fc_min64(at_once, count - i), cut->channel, cut->row,
                                    dst);
                    else
                        fill_window(p, src, w, cut->row, dst);
                }
        }
}
