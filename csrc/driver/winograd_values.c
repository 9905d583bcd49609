/* winograd_values.c: rows of the source into a channel-last strip, and its tiles into V. The strip is a ring:
 * of two tile rows, one below the other, rows that both need are packed once. Where rows of the source
 * follow each other they are packed together, without borders, which the kernel knows. Channels last they are
 * read where they lie. */
#include "strip_row.h"
#include "winograd_job.h"

#include <string.h>

void fc_winograd_clear_joined(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t plane,
                              int64_t pitch, int64_t channels, char *values) {
    if (!unit->joined) return;
    const size_t bytes = fc_dtype_bytes(job->problem->desc.dtype);
    const int64_t first = unit->whole_rows * unit->whole_cols, end = unit->whole_rows * unit->cols;
    for (int64_t q = 0; q < job->n * job->n; q++)
        for (int64_t tile = first; tile < end; tile++)
            memset(values + (size_t)(q * plane + tile * pitch) * bytes, 0, (size_t)channels * bytes);
}

/* The strip's row for row y of the padded image. Those that a tile row adds to the last one's follow each
 * other. */
static int64_t slot_of(const fc_winograd_job *job, int64_t y) {
    return (y + job->slots - (job->n - job->m)) % job->slots;
}

/* Rows [y, end) of the padded image, whole and without the columns beyond its edge, one after another. */
static void pack_rows(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t image, int64_t y,
                      int64_t end, int64_t c, int64_t channels, char *strip) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const size_t row_bytes = (size_t)(d->iw * job->block) * fc_dtype_bytes(d->dtype);
    while (y < end) {
        char *at = strip + (size_t)slot_of(job, y) * row_bytes;
        const int64_t source = y - d->pad_top;
        if (source < 0 || source >= d->ih) {
            memset(at, 0, row_bytes);
            y++;
            continue;
        }
        const int64_t most = fc_min64(d->ih - source, job->slots - slot_of(job, y));
        const int64_t rows = fc_min64(end - y, most);
        const fc_pack_pixels_args pack = {
            .src = fc_conv_src_at(p, job->args->src, image, unit->group * p->blocking.icg + c, source, 0),
            .dst = at,
            .channel_stride = d->src_stride[1],
            .pixel_stride = d->src_stride[3],
            .channels = channels,
            .pixels = rows * d->iw,
            .block = job->block,
            /* the rows that come next, of this image or of the next one */
            .ahead = source + rows < d->ih ? rows * d->iw : d->src_stride[0] - source * d->iw,
        };
        p->kernels->pack_pixels(&pack);
        y += rows;
    }
}

/* Rows [y, y + high) of the padded image where they lie; those of the border are `zeros`. */
static void find_rows(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t image, int64_t y,
                      int64_t high, int64_t c, const char *zeros, const void **rows) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    for (int64_t k = 0; k < high; k++) {
        const int64_t at = y + k - d->pad_top;
        const bool inside = at >= 0 && at < d->ih;
        rows[k] = inside ? fc_conv_src_at(p, job->args->src, image, unit->group * p->blocking.icg + c, at, 0)
                         : zeros;
    }
}

void fc_winograd_values(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t c, char *strip,
                        int64_t plane, int64_t pitch, char *values) {
    const fc_conv_problem *p = job->problem;
    const int64_t icg = p->blocking.icg, channels = fc_min64(job->block, icg - c);
    const size_t bytes = fc_dtype_bytes(p->desc.dtype);
    const int64_t before = (unit->cols - 1) * job->m;
    const int64_t cols = before + fc_winograd_used(job->n, job->m, unit->pixels - before);
    const int64_t pixels = job->rows_follow ? p->desc.iw : cols;
    const size_t row_bytes = (size_t)(pixels * job->block) * bytes;
    fc_winograd_input_args input = {
        .src_pixel = !job->in_place ? job->block : p->desc.iw > 1 ? p->desc.src_stride[3] : 0,
        .dst_plane = plane,
        .dst_tile = pitch,
        .before = job->rows_follow ? p->desc.pad_left : 0,
        .pixels = pixels,
        .cols = unit->pixels,
        .channels = channels,
        .m = job->m,
        .n = job->n,
    };
    fc_strip_row packed = {
        .channel = unit->group * icg + c,
        .channels = channels,
        .block = job->block,
        .first = unit->col * job->m,
        .cols = cols,
    };
    if (job->in_place) {
        input.before = p->desc.pad_left - unit->col * job->m;
        input.pixels = p->desc.iw;
        memset(strip, 0, job->strip_bytes);
    }
    fc_winograd_clear_joined(job, unit, plane, pitch, channels, values);
    for (int64_t i = 0; i < unit->rows; i++) {
        const fc_winograd_row row = fc_winograd_row_at(job, unit, i);
        packed.image = row.image;
        /* below another tile row, r - 1 rows are there */
        const int64_t there = i && row.y ? job->n - job->m : 0;
        const int64_t high = fc_winograd_used(job->n, job->m, row.pixels);
        if (job->in_place)
            find_rows(job, unit, row.image, row.y, high, c, strip, input.src);
        else if (job->rows_follow)
            pack_rows(job, unit, row.image, row.y + there, row.y + high, c, channels, strip);
        for (int64_t k = 0; k < high && !job->in_place; k++) {
            char *strip_row = strip + (size_t)slot_of(job, row.y + k) * row_bytes;
            packed.y = row.y + k;
            if (!job->rows_follow && k >= there) fc_strip_row_pack(p, job->args->src, packed, strip_row);
            input.src[k] = strip_row;
        }
        input.rows = row.pixels;
        input.dst = values + (size_t)(row.first * pitch) * bytes;
        input.dst_last = (row.last - row.first) * pitch;
        p->kernels->winograd_input(&input);
    }
}
