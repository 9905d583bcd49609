/* conv_transpose2d.c: the operation `conv_transpose2d`, as a list of convolutions.
 *
 * Each phase of the result is a convolution of stride 1 with taps of its own (transposed_axis.h): the
 * source is padded before it by -offset elements, or cropped; no zero is multiplied, whatever the stride;
 * each phase takes the algorithm that suits it; and its results go where they belong, stride_w columns
 * apart. Phases without a tap are the bias.
 *
 * Where groups have one input channel and columns take turns between two phases, both are computed side
 * by side instead (transposed_planes.c): the sums are the same, bit for bit. */
#include "plan.h"

#include "../base/memory.h"
#include "../driver/transposed_axis.h"
#include "registry.h"

/* There is a plan for each phase that has taps. */
#define MOST_PHASES 65536

static bool axis_valid(int64_t pad_before, int64_t pad_after, int64_t stride, int64_t dilation,
                       int64_t output_pad) {
    return pad_before >= 0 && pad_after >= 0 && stride >= 1 && dilation >= 1 && output_pad >= 0 &&
           output_pad < fc_max64(stride, dilation);
}

/* (in - 1)*stride - before - after + dilation*(k - 1) + 1 + output_pad */
static fc_status result_size(int64_t in, int64_t k, int64_t before, int64_t after, int64_t stride,
                             int64_t dilation, int64_t output_pad, int64_t *out) {
    int64_t reach, spread, padding;
    if (!fc_mul64(k - 1, dilation, &reach) || !fc_mul64(in - 1, stride, &spread) ||
        !fc_add64(before, after, &padding) || padding > FC_MOST_ELEMENTS ||
        reach > FC_MOST_ELEMENTS || spread > FC_MOST_ELEMENTS || stride > FC_MOST_ELEMENTS ||
        dilation > FC_MOST_ELEMENTS)
        return FC_ERR_OVERFLOW;
    *out = spread - padding + reach + 1 + output_pad;
    return *out >= 1 ? FC_OK : FC_ERR_INVALID_SHAPE;
}

static fc_status check(const fc_conv_transpose2d_desc *d, int64_t *oh, int64_t *ow) {
    if (!fc_dtype_known(d->dtype) || !fc_activation_fused(d->activation) ||
        d->precision < FC_PRECISION_STRICT || d->precision >= FC_PRECISION_COUNT ||
        d->groups < 1 ||
        !axis_valid(d->pad_top, d->pad_bottom, d->stride_h, d->dilation_h, d->output_pad_h) ||
        !axis_valid(d->pad_left, d->pad_right, d->stride_w, d->dilation_w, d->output_pad_w))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->dst_stride[3] < 1) return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->ic < 1 || d->ih < 1 || d->iw < 1 || d->oc < 1 || d->kh < 1 || d->kw < 1 ||
        d->ic % d->groups || d->oc % d->groups)
        return FC_ERR_INVALID_SHAPE;
    fc_status status = result_size(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                   d->dilation_h, d->output_pad_h, oh);
    if (status == FC_OK)
        status = result_size(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w, d->dilation_w,
                             d->output_pad_w, ow);
    if (status != FC_OK) return status;
    const int64_t src[] = {d->n, d->ic, d->ih, d->iw}, dst[] = {d->n, d->oc, *oh, *ow};
    const int64_t taps[] = {d->groups, d->ic / d->groups, d->oc / d->groups, d->kh, d->kw};
    const int64_t weights[] = {64, d->oc, 2, d->ic, d->kh, d->kw};
    const int64_t work[] = {d->oc, d->ic, d->kh, d->kw, *oh, *ow};
    if (!fc_product_fits(src, 4) || !fc_product_fits(dst, 4) || !fc_product_fits(weights, 6) ||
        !fc_product_fits(work, 6) || !fc_strides_fit(src, d->src_stride, 4) ||
        !fc_strides_fit(dst, d->dst_stride, 4) || (d->weights_strided && !fc_strides_fit(taps, d->weight_stride, 5)))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

/* The stride from the only element of an axis shows nowhere: beyond the result is far enough. */
static void settle(int64_t in, int64_t k, int64_t out, int64_t pad, int64_t dilation,
                   int64_t *stride) {
    if (in == 1) *stride = fc_min64(*stride, out + pad + (k - 1) * dilation + 1);
}

/* ---- phases ---------------------------------------------------------------------------------- */

/* One phase in one direction, as a convolution of stride 1. */
typedef struct phase_axis {
    fc_transposed_axis of;
    int64_t begin, end;    /* of the source */
    int64_t before, after; /* padding of that part */
} phase_axis;

static phase_axis phase_of(int64_t r, int64_t in, int64_t out, int64_t k, int64_t pad,
                           int64_t stride, int64_t dilation) {
    const fc_transposed_axis of = fc_transposed_axis_of(r, in, out, k, pad, stride, dilation);
    phase_axis axis = {.of = of, .before = -of.offset};
    axis.after = of.count + (of.taps - 1) * of.dilation - axis.before - in;
    axis.begin = fc_max64(0, -axis.before);
    axis.end = fc_min64(in, in + axis.after);
    axis.before = fc_max64(0, axis.before);
    axis.after = fc_max64(0, axis.after);
    return axis;
}

/* From one of `count` elements to the next; where there is but one, anything that does not overflow. */
static int64_t step_of(int64_t count, int64_t stride, int64_t step) {
    return count > 1 ? stride * step : 1;
}

static fc_status create_phase(const fc_conv_transpose2d_desc *d, const phase_axis *v,
                              const phase_axis *h, fc_phase *phase) {
    const int64_t *w = d->weight_stride;
    fc_conv2d_desc conv = {
        .struct_size = sizeof conv,
        .dtype = d->dtype,
        .direction = FC_FORWARD,
        .src_layout = FC_LAYOUT_STRIDED,
        .dst_layout = FC_LAYOUT_STRIDED,
        .algorithm = FC_ALGO_AUTO,
        .activation = d->activation,
        .precision = d->precision,
        .has_bias = d->has_bias,
        .n = d->n,
        .ic = d->ic,
        .ih = v->end - v->begin,
        .iw = h->end - h->begin,
        .oc = d->oc,
        .kh = v->of.taps,
        .kw = h->of.taps,
        .pad_top = v->before,
        .pad_bottom = v->after,
        .pad_left = h->before,
        .pad_right = h->after,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = v->of.dilation,
        .dilation_w = h->of.dilation,
        .groups = d->groups,
        .weights_strided = 1,
        .dst_stride = {d->dst_stride[0], d->dst_stride[1],
                       step_of(v->of.count, d->dst_stride[2], d->stride_h),
                       step_of(h->of.count, d->dst_stride[3], d->stride_w)},
        .weight_stride = {w[0], w[2], w[1], step_of(v->of.taps, w[3], v->of.step),
                          step_of(h->of.taps, w[4], h->of.step)},
    };
    memcpy(conv.src_stride, d->src_stride, sizeof conv.src_stride);
    phase->src = v->begin * d->src_stride[2] + h->begin * d->src_stride[3];
    phase->dst = v->of.first * d->dst_stride[2] + h->of.first * d->dst_stride[3];
    phase->weights = v->of.tap * w[3] + h->of.tap * w[4];
    return fc_conv2d_create(&conv, &phase->plan);
}

static fc_status create_phases(fc_transpose_problem *p) {
    const fc_conv_transpose2d_desc *d = &p->desc;
    p->side_by_side = fc_transposed_planes_fit(p);
    if (p->side_by_side) return FC_OK;
    const int64_t rows = fc_min64(d->stride_h, p->oh), cols = fc_min64(d->stride_w, p->ow);
    if (rows > MOST_PHASES || cols > MOST_PHASES || rows * cols > MOST_PHASES)
        return FC_ERR_UNSUPPORTED;
    const int64_t most = fc_min64(rows, d->kh) * fc_min64(cols, d->kw);
    p->phases = fc_alloc_zero((size_t)most /* each has taps that no other has */ * sizeof *p->phases);
    if (!p->phases) return FC_ERR_OUT_OF_MEMORY;
    p->complete = true;
    for (int64_t r = 0; r < rows; r++) {
        const phase_axis v =
            phase_of(r, d->ih, p->oh, d->kh, d->pad_top, d->stride_h, d->dilation_h);
        for (int64_t c = 0; c < cols; c++) {
            const phase_axis h =
                phase_of(c, d->iw, p->ow, d->kw, d->pad_left, d->stride_w, d->dilation_w);
            if (!v.of.taps || !h.of.taps) {
                p->complete = false;
                continue;
            }
            fc_status status = create_phase(d, &v, &h, &p->phases[p->count]);
            if (status != FC_OK) return status;
            p->count++;
        }
    }
    return FC_OK;
}

/* ---- operation -------------------------------------------------------------------------------- */

static const void *at(const fc_transpose_problem *p, const void *base, int64_t element) {
    return (const char *)base + element * (ptrdiff_t)fc_dtype_bytes((fc_dtype)p->desc.dtype);
}

static size_t phase_packed_bytes(const fc_phase *phase) {
    return (size_t)fc_round_up((int64_t)fc_plan_packed_bytes(phase->plan), FC_CACHE_LINE);
}

/* The packed forms of the phases, one behind the other; none if one of them has none. */
static size_t packed_bytes(const fc_plan *plan) {
    const fc_transpose_problem *p = &plan->transpose;
    size_t sum = 0;
    for (int64_t i = 0; i < p->count; i++) {
        const size_t bytes = phase_packed_bytes(&p->phases[i]);
        if (!bytes) return 0;
        sum += bytes;
    }
    return sum;
}

static void pack(const fc_plan *plan, const void *weights, void *packed, int threads) {
    const fc_transpose_problem *p = &plan->transpose;
    char *to = packed;
    for (int64_t i = 0; i < p->count; i++) {
        const fc_phase *phase = &p->phases[i];
        phase->plan->operation->pack(phase->plan, at(p, weights, phase->weights), to, threads);
        to += phase_packed_bytes(phase);
    }
}

/* The phases take turns with one block of scratch; before them, what the bias alone makes. */
static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    const fc_transpose_problem *p = &plan->transpose;
    packed = packed && packed_bytes(plan);
    if (p->side_by_side) return fc_transposed_planes_scratch_bytes(p, threads);
    size_t most = p->complete ? 0 : (size_t)p->desc.oc * fc_dtype_bytes(plan->dtype);
    for (int64_t i = 0; i < p->count; i++) {
        const fc_plan *phase = p->phases[i].plan;
        const size_t bytes = phase->operation->scratch_bytes(phase, threads, packed);
        if (bytes > most) most = bytes;
    }
    return most;
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    if (plan->transpose.desc.has_bias && !args->bias) return false;
    return args->weights || (args->packed && packed_bytes(plan));
}

typedef struct fill_job {
    const fc_transpose_problem *problem;
    void *dst;
    const void *value; /* of each channel */
} fill_job;

/* A plane of dst, row by row from its first, which is filled pixel by pixel unless it is of zeros. */
static void fill_plane(void *context, int64_t plane, int worker) {
    (void)worker;
    const fill_job *job = context;
    const fc_transpose_problem *p = job->problem;
    const fc_conv_transpose2d_desc *d = &p->desc;
    const size_t bytes = fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t n = plane / d->oc, c = plane % d->oc, step = d->dst_stride[3];
    const char *value = at(p, job->value, c);
    static const char zeros[sizeof(double)];
    const bool bare = step == 1 && !memcmp(value, zeros, bytes);
    for (int64_t y = 0; y < p->oh; y++) {
        char *row = (char *)job->dst +
                    (n * d->dst_stride[0] + c * d->dst_stride[1] + y * d->dst_stride[2]) * (int64_t)bytes;
        if (bare) {
            memset(row, 0, (size_t)p->ow * bytes);
            continue;
        }
        for (int64_t x = 0; x < p->ow; x++) memcpy(row + x * step * (int64_t)bytes, value, bytes);
    }
}

/* All of dst becomes act(bias); `value` has room for oc elements. */
static void fill_bias(const fc_transpose_problem *p, const fc_args *args, void *value, int threads) {
    const fc_conv_transpose2d_desc *d = &p->desc;
    const size_t bytes = fc_dtype_bytes((fc_dtype)d->dtype);
    if (d->has_bias)
        memcpy(value, args->bias, (size_t)d->oc * bytes);
    else
        memset(value, 0, (size_t)d->oc * bytes);
    fc_activate_args activate = {
        .src = value, .dst = value, .count = d->oc, .activation = d->activation};
    p->kernels->activate(&activate);
    fill_job job = {p, args->dst, value};
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, d->n * d->oc, fill_plane, &job);
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    const fc_transpose_problem *p = &plan->transpose;
    if (p->side_by_side) {
        fc_transposed_planes_execute(p, args, scratch, threads);
        return;
    }
    const char *packed = packed_bytes(plan) ? args->packed : NULL;
    if (!p->complete) fill_bias(p, args, scratch, threads);
    for (int64_t i = 0; i < p->count; i++) {
        const fc_phase *phase = &p->phases[i];
        fc_args part = {
            .struct_size = sizeof part,
            .src = at(p, args->src, phase->src),
            .weights = packed ? NULL : at(p, args->weights, phase->weights),
            .packed = packed,
            .bias = args->bias,
            .dst = (void *)at(p, args->dst, phase->dst),
        };
        phase->plan->operation->execute(phase->plan, &part, scratch, threads);
        if (packed) packed += phase_packed_bytes(phase);
    }
}

static void destroy(fc_plan *plan) {
    fc_transpose_problem *p = &plan->transpose;
    for (int64_t i = 0; i < p->count; i++) fc_plan_destroy(p->phases[i].plan);
    fc_free(p->phases);
}

static void extents(const fc_plan *plan, fc_extents *e) {
    const fc_transpose_problem *p = &plan->transpose;
    const fc_conv_transpose2d_desc *d = &p->desc;
    const int64_t src[] = {d->n, d->ic, d->ih, d->iw}, dst[] = {d->n, d->oc, p->oh, p->ow};
    e->src = fc_extent_strided(src, d->src_stride, 4);
    e->dst = fc_extent_strided(dst, d->dst_stride, 4);
}

const fc_operation fc_operation_conv_transpose2d = {
    .op = FC_OP_CONV_TRANSPOSE2D,
    .counts_flops = true,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
    .destroy = destroy,
    .extents = extents,
};

fc_status fc_conv_transpose2d_create(const fc_conv_transpose2d_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (desc->struct_size != sizeof *desc) return FC_ERR_VERSION;
    int64_t oh, ow;
    fc_status status = check(desc, &oh, &ow);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_conv_transpose2d, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    fc_transpose_problem *p = &plan->transpose;
    p->desc = *desc;
    p->oh = oh;
    p->ow = ow;
    settle(desc->ih, desc->kh, oh, desc->pad_top, desc->dilation_h, &p->desc.stride_h);
    settle(desc->iw, desc->kw, ow, desc->pad_left, desc->dilation_w, &p->desc.stride_w);
    p->kernels = fc_registry_kernels(plan->dtype);
    if (!desc->weights_strided)
        fc_weight_stride_dense(p->desc.weight_stride, desc->ic / desc->groups,
                               desc->oc / desc->groups, desc->kh, desc->kw);
    status = create_phases(p);
    if (status != FC_OK) {
        fc_plan_destroy(plan);
        return status;
    }
    plan->algorithm = p->side_by_side ? FC_ALGO_DEPTHWISE : FC_ALGO_PHASES;
    plan->reason = p->side_by_side
                       ? "one input channel a group: both phases of a row side by side"
                       : "each phase of the result is a convolution of stride 1 with its own taps";
    const int64_t shape[4] = {desc->n, desc->oc, oh, ow};
    const int64_t weights = desc->ic * (desc->oc / desc->groups) * desc->kh * desc->kw;
    fc_plan_describe(plan, shape, 2.0 * (double)(desc->n * desc->ih * desc->iw) * (double)weights,
                     desc->n * desc->ic * desc->ih * desc->iw, weights);
    *out = plan;
    return FC_OK;
}
