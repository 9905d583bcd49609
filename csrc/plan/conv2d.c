/* conv2d.c: the operation `conv2d`: its descriptor checked, its driver chosen, its calls handed on. */
#include "plan.h"

#include "registry.h"

/* Whether a source of `size` elements has what a border of these sides shows of it. */
static bool border_fits(int32_t border, int64_t size, int64_t before, int64_t after) {
    const int64_t most = fc_max64(before, after);
    return border == FC_BORDER_REFLECT    ? most < size
           : border == FC_BORDER_CIRCULAR ? most <= size
                                          : true;
}

/* What a caller may ask for. */
static bool algorithm_known(int32_t algorithm) {
    return (algorithm >= FC_ALGO_AUTO && algorithm <= FC_ALGO_DEPTHWISE) ||
           algorithm == FC_ALGO_PLANAR || algorithm == FC_ALGO_POINTWISE || algorithm == FC_ALGO_LINEAR ||
           (algorithm >= FC_ALGO_WINOGRAD_F2 && algorithm <= FC_ALGO_WINOGRAD_F6);
}

static fc_status check(const fc_conv2d_desc *d, int64_t *oh, int64_t *ow) {
    if (!fc_dtype_known(d->dtype) || !fc_activation_fused(d->activation) ||
        (d->weights_prepared & ~1) || d->border < FC_BORDER_ZEROS || d->border >= FC_BORDER_COUNT ||
        d->precision < FC_PRECISION_STRICT || d->precision >= FC_PRECISION_COUNT ||
        (d->residual_strided & ~1) ||
        !algorithm_known(d->algorithm))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 || d->dilation_w < 1 ||
        d->groups < 1 || d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 || d->pad_right < 0)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->direction != FC_FORWARD || d->src_layout != FC_LAYOUT_STRIDED ||
        d->dst_layout != FC_LAYOUT_STRIDED || d->dst_stride[3] < 1)
        return FC_ERR_UNSUPPORTED;
    if (d->residual_strided && (d->dst_stride[1] != 1 || d->residual_stride[1] != 1))
        return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->ic < 1 || d->ih < 1 || d->iw < 1 || d->oc < 1 || d->kh < 1 || d->kw < 1 ||
        d->ic % d->groups || d->oc % d->groups ||
        !border_fits(d->border, d->ih, d->pad_top, d->pad_bottom) ||
        !border_fits(d->border, d->iw, d->pad_left, d->pad_right))
        return FC_ERR_INVALID_SHAPE;
    fc_status status = fc_window_count(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                       d->dilation_h, false, oh);
    if (status == FC_OK)
        status = fc_window_count(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w,
                                 d->dilation_w, false, ow);
    if (status != FC_OK) return status;
    const int64_t padded_h = d->ih + d->pad_top + d->pad_bottom;
    const int64_t padded_w = d->iw + d->pad_left + d->pad_right;
    /* channel blocks round up to less than twice the channels, weight panels to 64 or less */
    const int64_t strips[] = {2, d->ic, padded_h, padded_w};
    const int64_t weights[] = {64, d->oc, 2, d->ic, d->kh, d->kw};
    const int64_t result[] = {64, d->n, d->oc, *oh, *ow};
    const int64_t src[] = {d->n, d->ic, d->ih, d->iw};
    const int64_t work[] = {d->oc, d->ic, d->kh, d->kw, *oh, *ow};
    const int64_t dst[] = {d->n, d->oc, *oh, *ow};
    const int64_t taps[] = {d->groups, d->oc / d->groups, d->ic / d->groups, d->kh, d->kw};
    if (!fc_product_fits(strips, 4) || !fc_product_fits(weights, 6) ||
        !fc_product_fits(result, 5) || !fc_product_fits(src, 4) || !fc_product_fits(work, 6) ||
        !fc_strides_fit(src, d->src_stride, 4) || !fc_strides_fit(dst, d->dst_stride, 4) ||
        (d->weights_strided && !fc_strides_fit(taps, d->weight_stride, 5)) ||
        (d->residual_strided && !fc_strides_fit(dst, d->residual_stride, 4)))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

/* ---- what no window meets ----------------------------------------------------------------------- */

/* One direction of a convolution. */
typedef struct window_axis {
    int64_t in, out, k, before, after, stride, dilation;
    int64_t first_tap, first; /* where the kept part of the window and of the source begin */
    int64_t every;            /* of the source's elements is kept */
} window_axis;

/* Without the taps that meet a border of zeros in every window, and without the part of the source that
 * no window meets: a window dilated beyond the map is one of its middle tap. */
static window_axis meeting(window_axis a) {
    int64_t tap = 0, end = a.k;
    while (tap < end && (a.out - 1) * a.stride + tap * a.dilation < a.before) tap++;
    while (end > tap && (end - 1) * a.dilation - a.before >= a.in) end--;
    if (end - tap == a.k || tap == end) return a; /* all of it, or none: let that be computed */
    const int64_t start = tap * a.dilation - a.before;
    const int64_t past = (a.out - 1) * a.stride + (end - 1) * a.dilation - a.before + 1;
    const int64_t from = fc_max64(0, start), to = fc_min64(a.in, past);
    if (from >= to) return a;
    a.first_tap = tap;
    a.first = from;
    a.k = end - tap;
    a.in = to - from;
    a.before = from - start;
    a.after = past - to;
    return a;
}

/* Without the elements between those that windows step on, where stride and dilation have a factor in
 * common, `least` or more: what is left has that much less of either. A single tap's the drivers leave out
 * themselves. */
static window_axis stepped_on(window_axis a, int64_t least) {
    const int64_t step = fc_gcd64(a.stride, a.dilation);
    if (a.k == 1 || step < least) return a;
    const int64_t skipped = (step - a.before % step) % step; /* before the first of them */
    if (skipped >= a.in) return a;
    const int64_t stride = a.stride / step, dilation = a.dilation / step;
    const int64_t before = (a.before + skipped) / step;
    const int64_t end = (a.out - 1) * stride + (a.k - 1) * dilation + 1 - before; /* of the last window */
    if (end < 1) return a;
    a.first += skipped * a.every;
    a.every *= step;
    a.in = fc_min64(fc_div_up(a.in - skipped, step), end);
    a.stride = stride;
    a.dilation = dilation;
    a.before = before;
    a.after = end - a.in;
    return a;
}

static void leave_out_what_never_meets(fc_conv_problem *p) {
    fc_conv2d_desc *d = &p->desc;
    if (d->border != FC_BORDER_ZEROS || d->kh > UINT16_MAX || d->kw > UINT16_MAX) return;
    enum { ROWS = 2, COLUMNS = 3 }; /* every second column is read as fast by vectors of both */
    const window_axis v = stepped_on(meeting((window_axis){d->ih, p->oh, d->kh, d->pad_top, d->pad_bottom,
                                                           d->stride_h, d->dilation_h, .every = 1}), ROWS);
    const window_axis h = stepped_on(meeting((window_axis){d->iw, p->ow, d->kw, d->pad_left, d->pad_right,
                                                           d->stride_w, d->dilation_w, .every = 1}), COLUMNS);
    p->src_offset = v.first * d->src_stride[2] + h.first * d->src_stride[3];
    p->weight_offset = v.first_tap * d->weight_stride[3] + h.first_tap * d->weight_stride[4];
    if (v.k < d->kh || h.k < d->kw)
        p->window = (uint64_t)v.first_tap << 48 | (uint64_t)v.k << 32 | (uint64_t)h.first_tap << 16 |
                    (uint64_t)h.k;
    d->ih = v.in, d->kh = v.k, d->pad_top = v.before, d->pad_bottom = v.after;
    d->iw = h.in, d->kw = h.k, d->pad_left = h.before, d->pad_right = h.after;
    d->stride_h = v.stride, d->dilation_h = v.dilation, d->src_stride[2] *= v.every;
    d->stride_w = h.stride, d->dilation_w = h.dilation, d->src_stride[3] *= h.every;
}

/* The stride to the only window and the dilation of the only tap show nowhere. */
static void settle(fc_conv_problem *p) {
    fc_conv2d_desc *d = &p->desc;
    fc_window_settle(d->ih, d->kh, d->pad_top, d->pad_bottom, &d->stride_h, &d->dilation_h);
    fc_window_settle(d->iw, d->kw, d->pad_left, d->pad_right, &d->stride_w, &d->dilation_w);
}

/* ---- operation -------------------------------------------------------------------------------- */

static const void *element_at(const fc_plan *plan, const void *base, int64_t element) {
    return (const char *)base + element * (ptrdiff_t)fc_dtype_bytes(plan->dtype);
}

static size_t packed_bytes(const fc_plan *plan) {
    return plan->conv_driver->packed_bytes ? plan->conv_driver->packed_bytes(&plan->conv) : 0;
}

static void pack(const fc_plan *plan, const void *weights, void *packed, int threads) {
    plan->conv_driver->pack(&plan->conv, element_at(plan, weights, plan->conv.weight_offset), packed,
                            threads);
}

static uint64_t packing(const fc_plan *plan) {
    return plan->conv_driver->packing ? plan->conv_driver->packing(&plan->conv) : 0;
}

/* Weights that come unpacked are packed into scratch, before the driver's own. */
static size_t packing_bytes(const fc_plan *plan, bool packed) {
    return packed ? 0 : (size_t)fc_round_up((int64_t)packed_bytes(plan), FC_CACHE_LINE);
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    return packing_bytes(plan, packed) + plan->conv_driver->scratch_bytes(&plan->conv, threads);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    if (plan->conv.desc.has_bias && !args->bias) return false;
    if (plan->conv.desc.has_residual && !args->residual) return false;
    return args->weights || (args->packed && packed_bytes(plan));
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    const size_t packing = packing_bytes(plan, args->packed != NULL);
    fc_args ready = *args;
    ready.src = element_at(plan, args->src, plan->conv.src_offset);
    if (args->weights) ready.weights = element_at(plan, args->weights, plan->conv.weight_offset);
    if (!packed_bytes(plan)) ready.packed = NULL; /* the driver reads weights as they lie */
    if (packing) {
        pack(plan, args->weights, scratch, threads);
        ready.packed = scratch;
    }
    plan->conv_driver->execute(&plan->conv, &ready, (char *)scratch + packing, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) {
    const fc_conv2d_desc *d = &plan->conv.desc;
    const int64_t src[] = {d->n, d->ic, d->ih, d->iw}, dst[] = {d->n, d->oc, plan->conv.oh, plan->conv.ow};
    e->src = fc_extent_strided(src, d->src_stride, 4);
    e->src.low += plan->conv.src_offset;
    e->src.high += plan->conv.src_offset;
    e->dst = fc_extent_strided(dst, d->dst_stride, 4);
    if (d->has_residual)
        e->residual = fc_extent_strided(dst, d->residual_stride, 4);
}

const fc_operation fc_operation_conv2d = {
    .op = FC_OP_CONV2D,
    .counts_flops = true,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .packing = packing,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
    .extents = extents,
};

fc_status fc_conv2d_create(const fc_conv2d_desc *given, fc_plan **out) {
    if (!given || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (given->struct_size != sizeof *given) return FC_ERR_VERSION;
    int64_t oh, ow;
    fc_status status = check(given, &oh, &ow);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_conv2d, given->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    fc_conv2d_desc *desc = &plan->conv.desc;
    *desc = *given;
    plan->conv.oh = oh;
    plan->conv.ow = ow;
    if (!desc->weights_strided)
        fc_weight_stride_dense(desc->weight_stride, desc->oc / desc->groups, desc->ic / desc->groups,
                               desc->kh, desc->kw);
    if (!desc->residual_strided) {
        desc->residual_stride[3] = 1;
        desc->residual_stride[2] = ow;
        desc->residual_stride[1] = oh * ow;
        desc->residual_stride[0] = desc->oc * oh * ow;
    }
    plan->conv.kernels = fc_registry_kernels(plan->dtype);
    const fc_conv_problem whole = plan->conv;
    leave_out_what_never_meets(&plan->conv);
    settle(&plan->conv);
    status = fc_select_conv2d(plan);
    if (status != FC_OK && plan->conv.window) { /* asked for one that wants all of the window */
        plan->conv = whole;
        settle(&plan->conv);
        status = fc_select_conv2d(plan);
    }
    if (status != FC_OK) {
        fc_plan_destroy(plan);
        return status;
    }
    plan->conv_driver->prepare(&plan->conv);
    const int64_t shape[4] = {desc->n, desc->oc, oh, ow};
    const int64_t weights = given->oc * (given->ic / given->groups) * given->kh * given->kw;
    fc_plan_describe(plan, shape, 2.0 * (double)(given->n * oh * ow) * (double)weights,
                     given->n * given->ic * given->ih * given->iw, weights);
    *out = plan;
    return FC_OK;
}
