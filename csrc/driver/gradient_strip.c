#include "gradient_strip.h"

#include "cut.h"

fc_gradient_cut fc_gradient_cut_make(const fc_weight_gradient_problem *p, int64_t pixels,
                                     bool gathered) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    fc_gradient_cut cut = {.gathered = gathered, .images = 1, .rows = 1};
    cut.cols = fc_div_up(p->ow, fc_div_up(p->ow, pixels));
    if (cut.cols == p->ow) cut.rows = fc_div_up(p->oh, fc_div_up(p->oh, fc_max64(1, pixels / p->ow)));
    if (cut.cols == p->ow && cut.rows == p->oh && d->n > 1)
        cut.images = fc_div_up(d->n, fc_div_up(d->n, fc_max64(1, pixels / (p->oh * p->ow))));
    const int64_t icg = d->ic / d->groups;
    if (gathered) {
        cut.lines = icg * d->kh * d->kw;
        cut.taps = 1;
        cut.image = cut.rows * cut.cols;
        cut.pitch = cut.cols;
    } else {
        const int64_t reach_h = (d->kh - 1) * d->dilation_h, reach_w = (d->kw - 1) * d->dilation_w;
        cut.lines = icg;
        cut.taps = d->kh * d->kw;
        cut.phases_h = fc_min64(d->stride_h, reach_h + 1);
        cut.phases_w = fc_min64(d->stride_w, reach_w + 1);
        cut.phase_rows = cut.rows + reach_h / d->stride_h;
        cut.pitch = cut.cols + reach_w / d->stride_w;
        cut.image = cut.phases_h * cut.phases_w * cut.phase_rows * cut.pitch;
    }
    cut.line = cut.images * cut.image;
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

int64_t fc_gradient_tap(const fc_weight_gradient_problem *p, const fc_gradient_cut *cut, int64_t tap) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t y = tap / d->kw * d->dilation_h, x = tap % d->kw * d->dilation_w;
    const int64_t phase = y % d->stride_h * cut->phases_w + x % d->stride_w;
    return (phase * cut->phase_rows + y / d->stride_h) * cut->pitch + x / d->stride_w;
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

void fc_gradient_fill(const fc_weight_gradient_problem *p, const fc_gradient_cut *cut, const void *src,
                      int64_t group, int64_t first, int64_t count, fc_gradient_chunk chunk,
                      char *strip) {
    const fc_conv2d_weight_gradient_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes, icg = d->ic / d->groups;
    const int64_t taps = d->kh * d->kw;
    for (int64_t i = 0; i < count; i++)
        for (int64_t n = 0; n < chunk.images; n++) {
            const int64_t line = first + i;
            window w = {
                .n = chunk.n + n,
                .channel = group * icg + (cut->gathered ? line / taps : line),
                .step_y = d->stride_h,
                .step_x = d->stride_w,
            };
            if (cut->gathered) {
                w.y = chunk.y * d->stride_h + line % taps / d->kw * d->dilation_h;
                w.x = chunk.x * d->stride_w + line % d->kw * d->dilation_w;
                w.rows = chunk.rows;
                w.cols = chunk.cols;
                fill_window(p, src, w, chunk.cols,
                            strip + (i * cut->line + n * chunk.rows * chunk.cols) * bytes);
                continue;
            }
            char *phase = strip + (i * cut->line + n * cut->image) * bytes;
            for (int64_t f = 0; f < cut->phases_h; f++)
                for (int64_t g = 0; g < cut->phases_w; g++) {
                    if (fc_phase_is_read(f, 0, d->kh, d->dilation_h, d->stride_h) &&
                        fc_phase_is_read(g, 0, d->kw, d->dilation_w, d->stride_w)) {
                        w.y = chunk.y * d->stride_h + f;
                        w.x = chunk.x * d->stride_w + g;
                        w.rows = chunk.rows + ((d->kh - 1) * d->dilation_h - f) / d->stride_h;
                        w.cols = chunk.cols + ((d->kw - 1) * d->dilation_w - g) / d->stride_w;
                        fill_window(p, src, w, cut->pitch, phase);
                    }
                    phase += cut->phase_rows * cut->pitch * bytes;
                }
        }
}
