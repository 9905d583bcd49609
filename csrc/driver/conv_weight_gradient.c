/* conv_weight_gradient.c: the gradient of a convolution by its weights: which way it goes.
 *
 *   winograd  3x3 and 5x5 of some channels, where rounding may differ (gradient_winograd.h)
 *   tiles     conv_tile, source lines by output channels (gradient_tiles.h): the rule
 *   windows   window_dots, the source read where it lies (gradient_windows.h): few channels, common kernels
 *   dots      plane_dots, taps anywhere (gradient_dots.h): few output channels, any kernel */
#include "gradient_dots.h"
#include "gradient_tiles.h"
#include "gradient_windows.h"
#include "gradient_winograd.h"

/* Pointwise, rows that follow each other are one row, and so are images. */
static void join_rows(fc_weight_gradient_problem *p) {
    fc_conv2d_weight_gradient_desc *d = &p->desc;
    if (d->kh != 1 || d->kw != 1 || d->stride_h != 1 || d->stride_w != 1 || d->pad_top ||
        d->pad_bottom || d->pad_left || d->pad_right)
        return;
    int64_t *src = d->src_stride, *diff = d->diff_dst_stride;
    if (src[2] == d->iw * src[3] && diff[2] == d->iw * diff[3]) {
        d->iw *= d->ih;
        d->ih = 1;
    }
    if (d->ih == 1 && d->n > 0 && src[0] == d->iw * src[3] && diff[0] == d->iw * diff[3]) {
        d->iw *= d->n;
        d->n = 1;
    }
    p->oh = d->ih;
    p->ow = d->iw;
}

/* Pointwise, source and result are alike: the sums over pixels of the products of their channels. Lines,
 * which need no layout where pixels lie side by side, are better the more channels, and those whose pixels
 * are all wanted; the others, packed, the fewer. The sums are then the transpose of what they were. */
static void swap_sides(fc_weight_gradient_problem *p) {
    fc_conv2d_weight_gradient_desc *d = &p->desc;
    const bool strided = d->stride_h != 1 || d->stride_w != 1;
    if (d->kh != 1 || d->kw != 1 || d->groups != 1 || d->pad_top || d->pad_bottom ||
        d->pad_left || d->pad_right || (strided ? 2 * d->oc < d->ic : d->oc <= d->ic))
        return;
    const fc_conv2d_weight_gradient_desc was = *d;
    for (int axis = 0; axis < 4; axis++) {
        const int64_t step = axis == 2 ? was.stride_h : axis == 3 ? was.stride_w : 1;
        d->src_stride[axis] = was.diff_dst_stride[axis];
        d->diff_dst_stride[axis] = step * was.src_stride[axis];
    }
    d->ic = was.oc, d->oc = was.ic;
    d->ih = p->oh, d->iw = p->ow;
    d->stride_h = d->stride_w = 1;
    p->swapped = true;
}

void fc_weight_gradient_prepare(fc_weight_gradient_problem *p) {
    join_rows(p);
    p->way = fc_gradient_winograd_pays(p)  ? FC_GRADIENT_BY_WINOGRAD
             : fc_gradient_windows_pay(p) ? FC_GRADIENT_BY_WINDOWS
             : fc_gradient_dots_pay(p)    ? FC_GRADIENT_BY_DOTS
                                          : FC_GRADIENT_BY_TILES;
    if (p->way != FC_GRADIENT_BY_TILES) return;
    swap_sides(p);
    join_rows(p);
}

size_t fc_weight_gradient_scratch_bytes(const fc_weight_gradient_problem *p, int threads) {
    switch (p->way) {
    case FC_GRADIENT_BY_WINDOWS: return fc_gradient_windows_scratch_bytes(p, threads);
    case FC_GRADIENT_BY_DOTS: return fc_gradient_dots_scratch_bytes(p, threads);
    case FC_GRADIENT_BY_WINOGRAD: return fc_gradient_winograd_scratch_bytes(p, threads);
    default: return fc_gradient_tiles_scratch_bytes(p, threads);
    }
}

void fc_weight_gradient_execute(const fc_weight_gradient_problem *p, const fc_args *args, void *scratch,
                                int threads) {
    switch (p->way) {
    case FC_GRADIENT_BY_WINDOWS: fc_gradient_windows_execute(p, args, scratch, threads); break;
    case FC_GRADIENT_BY_DOTS: fc_gradient_dots_execute(p, args, scratch, threads); break;
    case FC_GRADIENT_BY_WINOGRAD: fc_gradient_winograd_execute(p, args, scratch, threads); break;
    default: {
        fc_args sides = *args;
        if (p->swapped) sides.src = args->diff_dst, sides.diff_dst = args->src;
        fc_gradient_tiles_execute(p, &sides, scratch, threads);
    }
    }
}
