#include "tap_spans.h"

#include "cost.h"
#include "cut.h"

typedef struct axis {
    int64_t size, out, taps, stride, dilation, before; /* before: the border's width */
    bool rows;
} axis;

/* The taps of one output that lie on the image. */
static fc_tap_span taps_at(const axis *a, int64_t at) {
    const int64_t shift = a->before - at * a->stride; /* tap t lies on t * dilation - shift */
    fc_tap_span span = {.from = at, .to = at + 1};
    span.first = fc_max64(0, -fc_floor_div(-shift, a->dilation));
    span.last = fc_min64(a->taps, fc_floor_div(a->size - 1 + shift, a->dilation) + 1);
    if (span.last <= span.first) span.first = span.last = 0;
    return span;
}

/* Outputs from `from` on that have the very same taps on the image. */
static fc_tap_span same_taps(const axis *a, int64_t from) {
    fc_tap_span span = taps_at(a, from);
    if (span.first == span.last) {
        while (span.to < a->out && taps_at(a, span.to).last == 0) span.to++;
        return span;
    }
    /* until the tap before the first is inside the image, or the last one is not */
    span.to = a->out;
    if (span.first > 0)
        span.to = fc_min64(
            span.to, -fc_floor_div((span.first - 1) * a->dilation - a->before, a->stride));
    const int64_t room = a->size - 1 + a->before - (span.last - 1) * a->dilation;
    span.to = fc_min64(span.to, fc_floor_div(room, a->stride) + 1);
    return span;
}

static double step(int64_t pixels) { return (double)fc_max64(2 * pixels, FC_COST_LATENCY); }

/* A row (column) of `count` outputs with as many taps, in steps of a panel's multiply-adds. */
static double cost(const fc_conv_problem *p, const axis *a, fc_tap_span span) {
    enum { TILE = 60 }; /* to begin and end one, per span: many spans of few products do not pay */
    const int64_t most = p->kernels->tile_pixels, count = span.to - span.from;
    const double depth =
        (double)((span.last - span.first) * p->blocking.block * p->blocking.blocks) *
        (double)(a->rows ? p->desc.kw : p->desc.kh);
    if (a->rows) {
        const int64_t across = fc_div_up(p->ow, most), width = fc_div_up(p->ow, across);
        const bool pair = 2 * width <= most;
        const double single = depth * step(width) + TILE;
        if (!pair) return (double)(count * across) * single;
        return (double)(count / 2 * across) * (depth * step(2 * width) + TILE) +
               (double)(count % 2 * across) * single;
    }
    const int64_t across = fc_div_up(count, most), width = fc_div_up(count, across);
    if (2 * width <= most) return (double)across * (depth * step(2 * width) + TILE) / 2;
    return (double)across * (depth * step(width) + TILE);
}

static int64_t spans_of(const fc_conv_problem *p, const axis *a, fc_tap_span *spans) {
    if (p->desc.border != FC_BORDER_ZEROS) {
        spans[0] = (fc_tap_span){.from = 0, .to = a->out, .first = 0, .last = a->taps};
        return 1;
    }
    int64_t count = 0;
    for (int64_t at = 0; at < a->out; at = spans[count++].to) {
        fc_tap_span span = same_taps(a, at);
        while (span.to < a->out) {
            const fc_tap_span next = same_taps(a, span.to);
            fc_tap_span both = {span.from, next.to, span.first, span.last};
            if (next.last > 0) {
                both.first = span.last > 0 ? fc_min64(span.first, next.first) : next.first;
                both.last = fc_max64(span.last, next.last);
            }
            if (cost(p, a, both) > cost(p, a, span) + cost(p, a, next)) break;
            span = both;
        }
        spans[count] = span;
    }
    return count;
}

/* Each end of the taps' range moves at most `taps` times, and the map's two ends may have none. */
static int64_t most_spans(int64_t out, int64_t taps) { return fc_min64(out, 2 * taps + 3); }

size_t fc_tap_spans_bytes(const fc_conv_problem *p) {
    const int64_t count = most_spans(p->oh, p->desc.kh) + most_spans(p->ow, p->desc.kw);
    return (size_t)fc_round_up(count * (int64_t)sizeof(fc_tap_span), FC_CACHE_LINE);
}

fc_tap_spans fc_tap_spans_set(const fc_conv_problem *p, void *memory) {
    const fc_conv2d_desc *d = &p->desc;
    const axis down = {d->ih, p->oh, d->kh, d->stride_h, d->dilation_h, d->pad_top, true};
    const axis across = {d->iw, p->ow, d->kw, d->stride_w, d->dilation_w, d->pad_left, false};
    fc_tap_spans spans = {.rows = memory};
    spans.row_count = spans_of(p, &down, spans.rows);
    spans.cols = spans.rows + most_spans(p->oh, d->kh);
    spans.col_count = spans_of(p, &across, spans.cols);
    return spans;
}

/* Of all pairs of an output and a tap, those that meet the image; of very many taps, some are looked at. */
static double share(const axis *a) {
    enum { MOST_TAPS = 4096 };
    const int64_t step = fc_div_up(a->taps, MOST_TAPS);
    double sum = 0, pairs = 0;
    for (int64_t t = 0; t < a->taps; t += step) {
        const int64_t shift = a->before - t * a->dilation; /* output y meets y * stride - shift */
        const int64_t first = fc_max64(0, -fc_floor_div(-shift, a->stride));
        const int64_t end = fc_min64(a->out, fc_floor_div(a->size - 1 + shift, a->stride) + 1);
        sum += (double)fc_max64(0, end - first);
        pairs += (double)a->out;
    }
    return sum / pairs;
}

double fc_tap_spans_share(const fc_conv_problem *p) {
    enum { WIDE = 4 }; /* columns beside a border for which a tile of their own pays */
    const fc_conv2d_desc *d = &p->desc;
    if (d->border != FC_BORDER_ZEROS) return 1;
    const axis down = {d->ih, p->oh, d->kh, d->stride_h, d->dilation_h, d->pad_top, true};
    const axis across = {d->iw, p->ow, d->kw, d->stride_w, d->dilation_w, d->pad_left, false};
    return share(&down) * (d->dilation_w >= WIDE * d->stride_w ? share(&across) : 1);
}
