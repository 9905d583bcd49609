/* conv_im2col.c: rows of the im2col matrix, a bounded panel of them at a time, against the register
 * tile. For what a strip serves badly: very few output pixels an image (pixels of all images share
 * tiles here) and strides that skip most of the source. */
#include "conv_pixels.h"
#include "cost.h"

#include <string.h>

/* Element by element, `bytes` a constant where inlined: bits are moved, not interpreted. */
static inline __attribute__((always_inline)) void
gather_elements(const fc_conv_problem *p, const void *src, int64_t group, int64_t first,
                int64_t count, char *out, const size_t bytes) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t plane = p->oh * p->ow;
    for (int64_t i = first; i < first + count; i++) {
        int64_t n = i / plane, y = i % plane / p->ow, x = i % p->ow;
        int64_t y0 = y * d->stride_h - d->pad_top, x0 = x * d->stride_w - d->pad_left;
        for (int64_t c = 0; c < p->blocking.icg; c++)
            for (int64_t r = 0; r < d->kh; r++) {
                const int64_t sy = fc_border_source(d->border, y0 + r * d->dilation_h, d->ih);
                for (int64_t s = 0; s < d->kw; s++, out += bytes) {
                    const int64_t sx = fc_border_source(d->border, x0 + s * d->dilation_w, d->iw);
                    if (sy >= 0 && sx >= 0)
                        memcpy(out, fc_conv_src_at(p, src, n, group * p->blocking.icg + c, sy, sx),
                               bytes);
                    else
                        memset(out, 0, bytes);
                }
            }
    }
}

static void gather_f32(const fc_conv_problem *p, const void *src, int64_t group, int64_t first,
                       int64_t count, void *scratch) {
    gather_elements(p, src, group, first, count, scratch, sizeof(float));
}

static void gather_f64(const fc_conv_problem *p, const void *src, int64_t group, int64_t first,
                       int64_t count, void *scratch) {
    gather_elements(p, src, group, first, count, scratch, sizeof(double));
}

static const char *refuse(const fc_conv2d_desc *d) {
    (void)d;
    return NULL;
}

static double cost(const fc_conv_problem *p) {
    enum { ELEMENT = 14, PIXEL = 40 }; /* of the gathered matrix */
    const fc_conv2d_desc *d = &p->desc;
    const int64_t depth = d->ic / d->groups * d->kh * d->kw, pixels = p->oh * p->ow;
    return FC_COST_CALL +
           (double)d->groups * ((double)pixels * (PIXEL + ELEMENT * (double)depth) +
                                fc_cost_conv_tiles(p, 1, pixels, depth) +
                                fc_cost_unpack_pixels(p) + fc_cost_pack_weights(p, depth));
}

static void prepare(fc_conv_problem *p) {
    int64_t icg = p->desc.ic / p->desc.groups, ocg = p->desc.oc / p->desc.groups;
    /* blocks of one channel: the depth runs (channel, kh, kw), as dense weights do */
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, icg, ocg, 1,
                    p->desc.kh * p->desc.kw);
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    fc_conv_pixels(p, args, scratch, threads, p->desc.dtype == FC_F64 ? gather_f64 : gather_f32,
                   true);
}

const fc_conv_driver fc_conv_im2col = {
    .algorithm = FC_ALGO_IM2COL,
    .why = "gathered: panels of the im2col matrix against register tiles",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_conv_packed_bytes,
    .pack = fc_conv_pack,
    .packing = fc_conv_packing,
    .scratch_bytes = fc_conv_pixels_scratch_bytes,
    .execute = execute,
};
