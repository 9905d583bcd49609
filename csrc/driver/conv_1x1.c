/* conv_1x1.c: pointwise convolution by pixels: the register tile without a window. For any layout, and
 * for small maps with prepared weights; conv_pointwise.c takes planes otherwise. Pixels of all rows and
 * images form one list, so 7x7 maps fill whole tiles; stride picks pixels while packing.
 *
 * Results that lie channels last are made where they lie (conv_1x1_last.c). */
#include "conv_1x1.h"
#include "conv_pixels.h"
#include "cost.h"

void fc_1x1_gather(const fc_conv_problem *p, const void *src, int64_t group, int64_t first, int64_t count,
                   int64_t block, void *scratch) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t icg = p->blocking.icg;
    const int64_t plane = p->oh * p->ow;
    /* rows of a dense plane follow each other: one call covers many */
    const bool flat = d->stride_h == 1 && d->stride_w == 1 && p->ow == d->iw &&
                      d->src_stride[2] == d->iw * d->src_stride[3];
    const int64_t unit = flat ? plane : p->ow;
    for (int64_t done = 0; done < count;) {
        int64_t at = (first + done) % plane, n = (first + done) / plane;
        int64_t pixels = fc_min64(count - done, unit - at % unit);
        int64_t y = at / p->ow, x = at % p->ow;
        for (int64_t c = 0; c < icg; c += block) {
            fc_pack_pixels_args pack = {
                .src = fc_conv_src_at(p, src, n, group * icg + c, y * d->stride_h, x * d->stride_w),
                .dst = (char *)scratch +
                       (size_t)(c * count + done * block) * fc_dtype_bytes(d->dtype),
                .channel_stride = d->src_stride[1],
                .pixel_stride = d->src_stride[3] * d->stride_w,
                .channels = fc_min64(block, icg - c),
                .pixels = pixels,
                .block = block,
            };
            p->kernels->pack_pixels(&pack);
        }
        done += pixels;
    }
}

static void gather(const fc_conv_problem *p, const void *src, int64_t group, int64_t first, int64_t count,
                   void *scratch) {
    fc_1x1_gather(p, src, group, first, count, p->blocking.block, scratch);
}

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->kh != 1 || d->kw != 1) return "the window is larger than 1x1";
    if (d->pad_top || d->pad_bottom || d->pad_left || d->pad_right)
        return "padding needs the bordered strips of direct";
    return NULL;
}

/* Channels of a strip block: a divisor of icg, so that no channel is added and a sum takes the same
 * steps as in conv_pointwise.c, down to the sign of a zero. Where icg has none from 32 to 64, it is
 * small or an odd number times 16 at most, and whole pixels do not meet in one set of a cache. */
static int64_t strip_block(int64_t icg) {
    for (int64_t block = 64; block >= 32; block--)
        if (icg % block == 0) return block;
    return icg;
}

static double cost(const fc_conv_problem *p) {
    if (fc_1x1_is_last(p)) return fc_1x1_last_cost(p);
    const fc_conv2d_desc *d = &p->desc;
    const int64_t icg = d->ic / d->groups, block = strip_block(icg), blocks = fc_div_up(icg, block);
    const int64_t pixels = p->oh * p->ow;
    /* one call for all rows where they follow each other, else one a row */
    const bool flat = d->stride_h == 1 && d->stride_w == 1 && d->src_stride[3] == 1;
    const int64_t runs = flat ? 1 : p->oh, run = pixels / runs;
    const double gathered = (double)(blocks * runs) *
                            (FC_COST_STRIP_ROW + fc_cost_pack_pixels(p, block, run, d->stride_w));
    return FC_COST_CALL + (double)d->groups * (gathered +
                                               fc_cost_conv_tiles(p, 1, pixels, blocks * block) +
                                               fc_cost_unpack_pixels(p) +
                                               fc_cost_pack_weights(p, blocks * block));
}

static void prepare(fc_conv_problem *p) {
    int64_t icg = p->desc.ic / p->desc.groups, ocg = p->desc.oc / p->desc.groups;
    fc_blocking_set(&p->blocking, p->kernels, p->desc.dtype, icg, ocg, strip_block(icg), 1);
}

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    return fc_1x1_is_last(p) ? fc_1x1_last_scratch_bytes(p, threads)
                             : fc_conv_pixels_scratch_bytes(p, threads);
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    if (fc_1x1_is_last(p))
        fc_1x1_last_execute(p, args, scratch, threads);
    else
        fc_conv_pixels(p, args, scratch, threads, gather, false);
}

const fc_conv_driver fc_conv_1x1 = {
    .algorithm = FC_ALGO_1X1,
    .why = "1x1: pixels of all rows and images in one list of register tiles",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_conv_packed_bytes,
    .pack = fc_conv_pack,
    .packing = fc_conv_packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
