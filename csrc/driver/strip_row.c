#include "strip_row.h"

#include <string.h>

#include "conv_blocked.h"

/* The element that place `at` of a padded axis shows, or -1: a zero. */
static int64_t shown(int32_t border, int64_t at, int64_t before, int64_t size, int64_t after) {
    return at < before + size + after ? fc_border_source(border, at - before, size) : -1;
}

/* Columns [from, to) of a row, all beyond the source's edge. */
static void pack_border(const fc_conv_problem *p, fc_pack_pixels_args pack, const char *source,
                        int64_t first, int64_t from, int64_t to, char *dst) {
    const fc_conv2d_desc *d = &p->desc;
    const size_t bytes = fc_dtype_bytes(d->dtype), pixel = (size_t)pack.block * bytes;
    if (d->border == FC_BORDER_ZEROS) {
        memset(dst + (size_t)from * pixel, 0, (size_t)(to - from) * pixel);
        return;
    }
    for (int64_t x = from; x < to; x++) {
        const int64_t column = shown(d->border, first + x, d->pad_left, d->iw, d->pad_right);
        pack.dst = dst + (size_t)x * pixel;
        if (column < 0) {
            memset(pack.dst, 0, pixel);
            continue;
        }
        pack.src = source + column * d->src_stride[3] * (ptrdiff_t)bytes;
        pack.pixels = 1;
        p->kernels->pack_pixels(&pack);
    }
}

void fc_strip_row_pack(const fc_conv_problem *p, const void *src, fc_strip_row row, char *dst) {
    const fc_conv2d_desc *d = &p->desc;
    const size_t bytes = fc_dtype_bytes(d->dtype), pixel = (size_t)row.block * bytes;
    const int64_t y = shown(d->border, row.y, d->pad_top, d->ih, d->pad_bottom);
    if (y < 0) {
        memset(dst, 0, (size_t)row.cols * pixel);
        return;
    }
    const int64_t left = fc_min64(row.cols, fc_max64(0, d->pad_left - row.first));
    const int64_t begin = fc_max64(0, row.first - d->pad_left);
    const int64_t filled = fc_max64(0, fc_min64(d->iw - begin, row.cols - left));
    const char *source = fc_conv_src_at(p, src, row.image, row.channel, y, 0);
    const fc_pack_pixels_args pack = {
        .src = source + begin * d->src_stride[3] * (ptrdiff_t)bytes,
        .dst = dst + (size_t)left * pixel,
        .channel_stride = d->src_stride[1],
        .pixel_stride = d->src_stride[3],
        .channels = row.channels,
        .pixels = filled,
        .block = row.block,
    };
    pack_border(p, pack, source, row.first, 0, left, dst);
    if (filled) p->kernels->pack_pixels(&pack);
    pack_border(p, pack, source, row.first, left + filled, row.cols, dst);
}
