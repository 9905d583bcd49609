#include "planar_strip.h"

#include "conv_blocked.h"
#include "cut.h"

#include <string.h>

/* Zeros left and right of what `split` will fill, in all phases of its rows: from column -lead on. */
static void clear_edges(const fc_planar_job *job, fc_split_phases_args split, char *row, int64_t before) {
    const int64_t bytes = (int64_t)job->problem.kernels->element_bytes;
    for (int64_t r = 0; r < split.rows; r++, row += split.dst_row * bytes)
        for (int64_t g = 0; g < split.step; g++) {
            char *phase = row + g * job->phase * bytes;
            const int64_t end = before + fc_div_up(fc_max64(0, split.pixels - g), split.step);
            memset(phase, 0, (size_t)(before * bytes));
            memset(phase + end * bytes, 0, (size_t)((job->pitch - end) * bytes));
        }
}

void fc_planar_fill_strip(const fc_planar_job *job, fc_planar_block b, char *strip) {
    const fc_conv_problem *p = &job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), sh = d->stride_h, sw = d->stride_w;
    const int64_t pitch_bytes = job->pitch * bytes, rows = fc_planar_src_rows(d, b.rows);
    const int64_t first = b.y * sh;
    /* source columns [from, to), `before` elements right of the leftmost that a tap reads */
    const int64_t skipped = fc_max64(0, b.x - job->lead), from = skipped * sw;
    const int64_t to = fc_min64(d->iw, (b.x + b.cols - 1) * sw + fc_planar_window_cols(d) - d->pad_left);
    const int64_t before = job->lead - (b.x - skipped);
    for (int64_t f = 0; f < fc_min64(sh, rows); f++) {
        if (!fc_phase_is_read(f, 0, d->kh, d->dilation_h, sh)) continue;
        /* rows f, f + sh, ... of the strip: `above` of them lie over the source, those from `end` below */
        const int64_t count = (rows - f - 1) / sh + 1, y = first + f - d->pad_top;
        const int64_t above = fc_min64(count, fc_div_up(fc_max64(0, -y), sh));
        const int64_t end = fc_max64(above, fc_min64(count, fc_div_up(fc_max64(0, d->ih - y), sh)));
        for (int64_t c = 0; c < job->icg; c++) {
            char *at = strip + (c * job->channel + f * sw * job->phase + job->head) * bytes;
            for (int64_t g = 0; g < sw && above + count > end; g++) {
                /* from what taps read left of the first row to the end of the last one, which may be a
                 * phase's last element; split_phases then fills what was none of theirs */
                const int64_t lead = job->lead * bytes;
                char *row = at + (g * job->phase - job->lead) * bytes;
                memset(row, 0, (size_t)(above * pitch_bytes + lead));
                memset(row + end * pitch_bytes, 0, (size_t)((count - end) * pitch_bytes + lead));
            }
            if (end == above) continue;
            fc_split_phases_args split = {
                .dst = at + above * pitch_bytes + (before - job->lead) * bytes,
                .src_stride = d->src_stride[3],
                .pixels = fc_max64(0, to - from),
                .step = sw,
                .phase = job->phase,
                .rows = end - above,
                .src_row = sh * d->src_stride[2],
                .dst_row = job->pitch,
            };
            if (job->blocks > 1 && (before || to == d->iw))
                clear_edges(job, split, at + above * pitch_bytes - job->lead * bytes, before);
            if (!split.pixels) continue;
            split.src = fc_conv_src_at(p, job->args->src, b.n, b.group * job->icg + c, y + above * sh, from);
            p->kernels->split_phases(&split);
        }
    }
}
