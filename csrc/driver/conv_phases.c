#include "conv_phases.h"

bool fc_conv_dilated(const fc_conv2d_desc *d) { return d->dilation_h > 1 || d->dilation_w > 1; }

static bool windows_beyond(int64_t before, int64_t after, int64_t k, int64_t dilation) {
    return fc_max64(before, after) > (k - 1) * dilation;
}

const char *fc_conv_phases_refuse(const fc_conv2d_desc *d) {
    if (d->border != FC_BORDER_ZEROS) return "of dilated windows it takes borders of zeros alone";
    if (d->has_residual) return "a residual is dense, the phases of a dilated window are not";
    if (d->dilation_h > d->ih || d->dilation_w > d->iw) return "the dilation exceeds the map";
    if (windows_beyond(d->pad_top, d->pad_bottom, d->kh, d->dilation_h) ||
        windows_beyond(d->pad_left, d->pad_right, d->kw, d->dilation_w))
        return "some dilated windows lie on the border alone";
    return NULL;
}

/* One direction of a phase. */
typedef struct phase_axis {
    int64_t first;         /* source element that it begins with */
    int64_t in, out;       /* elements, a dilation apart */
    int64_t before, after; /* padding */
} phase_axis;

static phase_axis phase_of(int64_t r, int64_t in, int64_t out, int64_t k, int64_t pad,
                           int64_t dilation) {
    phase_axis axis = {.before = fc_div_up(fc_max64(0, pad - r), dilation)};
    axis.first = r - pad + axis.before * dilation;
    axis.in = fc_div_up(in - axis.first, dilation);
    axis.out = fc_div_up(out - r, dilation);
    const int64_t past = axis.out + k - 1 - axis.before; /* elements that its windows reach */
    axis.after = fc_max64(0, past - axis.in);
    axis.in = fc_min64(axis.in, past);
    return axis;
}

/* From one of `count` elements to the next; where there is but one, anything that does not overflow. */
static int64_t step_of(int64_t count, int64_t stride, int64_t dilation) {
    return count > 1 ? stride * dilation : 1;
}

static int64_t rows_of(const fc_conv_problem *p) { return fc_min64(p->desc.dilation_h, p->oh); }
static int64_t cols_of(const fc_conv_problem *p) { return fc_min64(p->desc.dilation_w, p->ow); }

static fc_conv_phase phase_at(const fc_conv_problem *p, int64_t row, int64_t col) {
    const fc_conv2d_desc *d = &p->desc;
    const phase_axis v = phase_of(row, d->ih, p->oh, d->kh, d->pad_top, d->dilation_h);
    const phase_axis h = phase_of(col, d->iw, p->ow, d->kw, d->pad_left, d->dilation_w);
    fc_conv_phase phase = {
        .problem = *p,
        .src = v.first * d->src_stride[2] + h.first * d->src_stride[3],
        .dst = row * d->dst_stride[2] + col * d->dst_stride[3],
    };
    phase.problem.oh = v.out;
    phase.problem.ow = h.out;
    fc_conv2d_desc *own = &phase.problem.desc;
    own->ih = v.in, own->pad_top = v.before, own->pad_bottom = v.after;
    own->iw = h.in, own->pad_left = h.before, own->pad_right = h.after;
    own->dilation_h = own->dilation_w = 1;
    own->src_stride[2] = step_of(v.in, d->src_stride[2], d->dilation_h);
    own->src_stride[3] = step_of(h.in, d->src_stride[3], d->dilation_w);
    own->dst_stride[2] = step_of(v.out, d->dst_stride[2], d->dilation_h);
    own->dst_stride[3] = step_of(h.out, d->dst_stride[3], d->dilation_w);
    return phase;
}

int64_t fc_conv_phase_count(const fc_conv_problem *p) { return rows_of(p) * cols_of(p); }

fc_conv_phase fc_conv_phase_at(const fc_conv_problem *p, int64_t index) {
    return phase_at(p, index / cols_of(p), index % cols_of(p));
}

/* The first phase of each size of `out` outputs in `phases` phases, and how many there are of it. */
static int sizes_of(int64_t out, int64_t phases, int64_t first[2], int64_t times[2]) {
    const int64_t larger = out % phases;
    first[0] = 0;
    first[1] = larger;
    times[0] = larger ? larger : phases;
    times[1] = phases - larger;
    return larger ? 2 : 1;
}

int fc_conv_phase_sizes(const fc_conv_problem *p, fc_conv_phase phase[FC_PHASE_SIZES],
                        int64_t times[FC_PHASE_SIZES]) {
    int64_t row[2], rows[2], col[2], cols[2];
    const int high = sizes_of(p->oh, rows_of(p), row, rows);
    const int wide = sizes_of(p->ow, cols_of(p), col, cols);
    for (int i = 0; i < high * wide; i++) {
        phase[i] = phase_at(p, row[i / wide], col[i % wide]);
        times[i] = rows[i / wide] * cols[i % wide];
    }
    return high * wide;
}
