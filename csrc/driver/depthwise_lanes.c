/* depthwise_lanes.c: depthwise convolution with channels in the lanes of a vector.
 *
 * As many channels as a vector has lanes are transposed, whole maps at a time, into a bordered map of
 * vectors; the kernel convolves them, and the results are transposed back:
 *
 *      src planes --pack_pixels--> | border | lanes of a pixel | ... --conv_lanes--> lanes of a result
 *                                                              --unpack_pixels--> dst planes
 *
 * The kernel then loads nothing but whole vectors on their own boundaries and shuffles nothing, whatever
 * the width of the map, the window or the stride. Planes (conv_plane.c) are vectorised along their rows:
 * rows of 7 pixels fill less than half a vector of 16, and of a long window nearly every load straddles two
 * cache lines or is a shuffle. Transposing costs as much as 8 to 12 taps of each pixel, nothing where
 * channels lie side by side already. Which way is faster does not matter to the result: either adds the
 * same products in the same order.
 *
 * Channels that lie side by side in source and result are read and written there (depthwise_channels.c).
 *
 * Weights are packed alike: [vector of channels][tap][lane]. The last vector's channels are the last there
 * are: where they are no multiple of its lanes, it repeats some of the one before. */
#include "depthwise_lanes.h"

#include <math.h>
#include <string.h>

#include "cost.h"
#include "depthwise_channels.h"
#include "depthwise_rows.h"

/* Of a worker: what fits beside the weights into the second-level cache of any machine of the last ten
 * years. A constant, for the form of packed weights depends on it. */
#define MOST_BYTES ((double)(512 << 10))

int fc_test_depthwise_lanes = 0;

/* A worker's scratch: head, table of the bordered map's pixels, this map, results. */
typedef struct worker_head {
    int64_t ready; /* 0 until the border is zero */
} worker_head;

typedef struct lanes_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *scratch;
    int threads;
    int64_t rows, pitch;     /* vectors: of the bordered map, whole */
    int64_t src_rows;        /* of these, rows of the image */
    int64_t table_cols;      /* vectors of a row of the table, behind the map any; 0 where there is none */
    size_t place_bytes, table_bytes, map_bytes, worker_bytes;
    int64_t vectors, units, chunk; /* vectors of channels; those of all images; of a task */
} lanes_job;

static int64_t image_rows(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t rows = (p->oh - 1) * d->stride_h + fc_window_rows(d) - d->pad_top;
    return fc_max64(0, fc_min64(d->ih, rows));
}

static int64_t map_pitch(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    return fc_max64(d->pad_left + d->iw, (p->ow - 1) * d->stride_w + fc_window_cols(d));
}

/* Of a bordered map of vectors and its results. */
static double map_bytes(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    const double rows = fmax((double)((p->oh - 1) * d->stride_h + fc_window_rows(d)),
                             (double)(d->pad_top + d->ih));
    return (rows * (double)map_pitch(p) + (double)p->oh * (double)p->ow) *
           (double)p->kernels->vlen * (double)fc_dtype_bytes(d->dtype);
}

static bool fits(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    if (fc_test_depthwise_lanes < 0 || d->oc != d->groups || d->border != FC_BORDER_ZEROS) return false;
    if (d->stride_w > 2 || (p->kernels->vlen < 2 && !fc_test_depthwise_lanes)) return false;
    return map_bytes(p) <= MOST_BYTES;
}

/* What one image takes, but for packing weights, whose vectors of channels are transposed or copied. */
static double copied_cost(const fc_conv_problem *p) {
    /* of a vector of channels; of a block of the kernel; of a sum's step; of a pixel in and out, for each
     * halving of a square; of a pixel that is copied, or gathered lane by lane */
    enum { UNIT = 120, BLOCK = 50, COPIED = 5, GATHERED = 4, COLLIDING = 12 };
    const double step = p->kernels->isa == FC_ISA_AVX2 ? 1.1 : 1.6, in = 3.2, out = 2.7;
    enum { MAP = 32 << 10, WIDE_MAP = 256 << 10, FARTHER = 6 }; /* maps that outgrow a cache */
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vlen = p->kernels->vlen;
    double halvings = 0;
    for (int64_t n = 1; n < vlen; n *= 2) halvings++;
    const double pixels = (double)(image_rows(p) * d->iw), results = (double)(p->oh * p->ow);
    const double bytes = map_bytes(p);
    double moved = pixels * (bytes > WIDE_MAP ? 2 * FARTHER : bytes > MAP ? FARTHER : 0);
    moved += pixels * (d->src_stride[3] == 1   ? in * halvings
                             : d->src_stride[1] == 1 ? COPIED
                                                     : GATHERED * (double)vlen);
    moved += results * (d->dst_stride[3] == 1   ? out * halvings
                        : d->dst_stride[1] == 1 ? COPIED
                                                : GATHERED * (double)vlen);
    /* pixels that share few sets of a cache */
    const int64_t element = (int64_t)fc_dtype_bytes(d->dtype);
    if (d->src_stride[1] == 1 && d->src_stride[3] * element % 1024 == 0) moved += COLLIDING * pixels;
    if (d->dst_stride[1] == 1 && d->dst_stride[3] * element % 1024 == 0) moved += COLLIDING * results;
    /* as conv_lanes cuts */
    const int64_t across = fc_div_up(p->ow, 14), high = 2 * p->ow <= 14 ? 2 : 1;
    const double blocks = (double)(fc_div_up(p->oh, high) * across);
    const double sums = fmax(FC_COST_LATENCY, (double)(high * p->ow) / (double)across + 1);
    return (double)fc_div_up(d->groups, vlen) *
           (UNIT + moved + blocks * (BLOCK + (double)(d->kh * d->kw) * step * sums));
}

/* Whether channels are read and written where they lie. */
static bool in_place(const fc_conv_problem *p) {
    if (!fc_depthwise_channels_fit(&p->desc) || fc_test_depthwise_lanes < 0) return p->desc.residual_strided;
    if (p->desc.residual_strided || fc_test_depthwise_lanes > 0) return true;
    return p->kernels->vlen > 1 && (!fits(p) || fc_depthwise_channels_cost(p) <= copied_cost(p));
}

double fc_depthwise_lanes_cost(const fc_conv_problem *p) {
    enum { PACKED_TAP = 20 };
    const fc_conv2d_desc *d = &p->desc;
    const bool lie = in_place(p);
    if (!lie && !fits(p)) return INFINITY;
    if (fc_test_depthwise_lanes > 0) return 0;
    const double taps = (double)(fc_div_up(d->groups, p->kernels->vlen) * d->kh * d->kw);
    return (d->weights_prepared ? 0 : PACKED_TAP * taps) +
           (lie ? fc_depthwise_channels_cost(p) : copied_cost(p));
}

/* ---- weights ---------------------------------------------------------------------------------------- */

size_t fc_depthwise_lanes_packed_bytes(const fc_conv_problem *p) {
    const fc_conv2d_desc *d = &p->desc;
    return (size_t)(fc_round_up(d->groups, p->kernels->vlen) * d->kh * d->kw) * fc_dtype_bytes(d->dtype);
}

/* The channel in lane 0 of a vector. */
static int64_t first_channel(const fc_conv_problem *p, int64_t vector) {
    const int64_t vlen = p->kernels->vlen;
    return fc_max64(0, fc_min64(vector * vlen, p->desc.groups - vlen));
}

typedef struct pack_job {
    const fc_conv_problem *problem;
    const char *weights;
    char *packed;
} pack_job;

static void pack_vector(void *context, int64_t task, int worker) {
    (void)worker;
    const pack_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), vlen = p->kernels->vlen;
    const int64_t *stride = d->weight_stride;
    const bool seamless = d->kh == 1 || stride[3] == d->kw * stride[4];
    const int64_t taps = seamless ? d->kh * d->kw : d->kw;
    fc_pack_pixels_args pack = {
        .channel_stride = stride[0],
        .pixel_stride = stride[4],
        .channels = fc_min64(vlen, d->groups),
        .pixels = taps,
        .block = vlen,
    };
    for (int64_t a = 0; a < (seamless ? 1 : d->kh); a++) {
        pack.src = job->weights + (first_channel(p, task) * stride[0] + a * stride[3]) * bytes;
        pack.dst = job->packed + (task * d->kh * d->kw + a * taps) * vlen * bytes;
        p->kernels->pack_pixels(&pack);
    }
}

void fc_depthwise_lanes_pack(const fc_conv_problem *p, const void *weights, void *packed, int threads) {
    pack_job job = {p, weights, packed};
    fc_parallel_tasks(fc_threads_for_bytes(threads, (double)fc_depthwise_lanes_packed_bytes(p)),
                      p->desc.dtype, fc_div_up(p->desc.groups, p->kernels->vlen), pack_vector, &job);
}

uint64_t fc_depthwise_lanes_packing(const fc_conv_problem *p) {
    return fc_packing_id(FC_PACKED_LANES, p->kernels->vlen, 0);
}

/* ---- execution -------------------------------------------------------------------------------------- */

static lanes_job cut(const fc_conv_problem *p, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vector = (int64_t)fc_dtype_bytes(d->dtype) * p->kernels->vlen;
    lanes_job job = {.problem = p, .src_rows = image_rows(p), .pitch = map_pitch(p)};
    job.rows = fc_max64(d->pad_top + job.src_rows, (p->oh - 1) * d->stride_h + fc_window_rows(d));
    job.vectors = fc_div_up(d->groups, p->kernels->vlen);
    job.units = d->n * job.vectors;
    job.threads = (int)fc_min64(fc_depthwise_threads(p, threads), job.units);
    job.chunk = job.threads <= 1 ? job.units : fc_div_up(job.units, 8 * job.threads);
    job.place_bytes = (size_t)fc_round_up(job.src_rows * d->iw * (int64_t)sizeof(ptrdiff_t), FC_CACHE_LINE);
    if (d->stride_w > 1)
        job.table_cols = fc_max64(job.pitch, (fc_round_up(p->ow, FC_CHANNELS_PIXELS) - 1) * d->stride_w +
                                                 fc_window_cols(d));
    job.table_bytes = (size_t)fc_round_up(job.rows * job.table_cols * (int64_t)sizeof(void *), FC_CACHE_LINE);
    job.map_bytes = (size_t)fc_round_up(job.rows * job.pitch * vector, FC_CACHE_LINE);
    job.worker_bytes = FC_CACHE_LINE + job.table_bytes + job.map_bytes +
                       (size_t)fc_round_up(p->oh * p->ow * vector, FC_CACHE_LINE);
    return job;
}

size_t fc_depthwise_lanes_scratch_bytes(const fc_conv_problem *p, int threads) {
    if (in_place(p)) return fc_depthwise_channels_scratch_bytes(p, threads);
    const lanes_job job = cut(p, threads);
    return job.place_bytes + job.worker_bytes * (size_t)job.threads;
}

static void pack_map(const lanes_job *job, const char *src, int64_t channels, char *map) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype);
    const int64_t *stride = d->src_stride;
    const bool seamless = stride[2] == d->iw * stride[3];
    fc_pack_pixels_args pack = {
        .dst = map,
        .channel_stride = stride[1],
        .pixel_stride = stride[3],
        .channels = channels,
        .pixels = seamless ? job->src_rows * d->iw : d->iw,
        .block = p->kernels->vlen,
    };
    for (int64_t y = 0; y < (seamless ? fc_min64(1, job->src_rows) : job->src_rows); y++) {
        pack.src = src + y * stride[2] * bytes;
        pack.place = (const ptrdiff_t *)(const void *)job->scratch + y * d->iw;
        p->kernels->pack_pixels(&pack);
    }
}

static void unpack_map(const lanes_job *job, const char *made, int64_t n, int64_t channel,
                       int64_t channels) {
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), vlen = p->kernels->vlen;
    const int64_t *stride = d->dst_stride;
    const bool seamless = p->oh == 1 || stride[2] == p->ow * stride[3];
    fc_unpack_pixels_args unpack = {
        .bias = d->has_bias ? (const char *)job->args->bias + channel * bytes : NULL,
        .src_pixel = vlen,
        .channel_stride = stride[1],
        .pixel_stride = stride[3],
        .residual_stride = p->oh * p->ow,
        .residual_pixel = 1,
        .channels = channels,
        .pixels = seamless ? p->oh * p->ow : p->ow,
        .activation = d->activation,
    };
    for (int64_t y = 0; y < (seamless ? 1 : p->oh); y++) {
        unpack.src = made + y * p->ow * vlen * bytes;
        unpack.dst = (char *)job->args->dst +
                     (n * stride[0] + channel * stride[1] + y * stride[2]) * bytes;
        if (d->has_residual)
            unpack.residual = (const char *)job->args->residual +
                              (((n * d->oc + channel) * p->oh + y) * p->ow) * bytes;
        p->kernels->unpack_pixels(&unpack);
    }
}

static void run_task(void *context, int64_t task, int worker) {
    const lanes_job *job = context;
    const fc_conv_problem *p = job->problem;
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), vlen = p->kernels->vlen;
    worker_head *head =
        (worker_head *)(job->scratch + job->place_bytes + (size_t)worker * job->worker_bytes);
    char *begin = (char *)head + FC_CACHE_LINE, *map = begin + job->table_bytes;
    char *made = map + job->map_bytes;
    const void **table = (const void **)(void *)begin;
    if (!head->ready) {
        memset(map, 0, job->map_bytes);
        for (int64_t y = 0; y < job->rows; y++)
            for (int64_t x = 0; x < job->table_cols; x++)
                table[y * job->table_cols + x] =
                    map + (x < job->pitch ? y * job->pitch + x : 0) * vlen * bytes;
    }
    head->ready = 1;
    fc_conv_lanes_args conv = {
        .src = map,
        .dst = made,
        .kh = d->kh,
        .kw = d->kw,
        .tap_row = d->dilation_h * job->pitch * vlen,
        .tap_col = d->dilation_w * vlen,
        .rows = p->oh,
        .pixels = p->ow,
        .row_step = d->stride_h * job->pitch * vlen,
        .dst_row = p->ow * vlen,
    };
    fc_conv_channels_args apart = {
        .src = table,
        .dst = made,
        .kh = d->kh,
        .kw = d->kw,
        .tap_row = d->dilation_h * job->table_cols,
        .tap_col = d->dilation_w,
        .row_step = d->stride_h * job->table_cols,
        .step = d->stride_w,
        .rows = p->oh,
        .pixels = p->ow,
        .dst_row = p->ow * vlen,
        .dst_pixel = vlen,
        .channels = vlen,
    };
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        const int64_t n = unit / job->vectors, vector = unit % job->vectors;
        const int64_t first = first_channel(p, vector), repeated = vector * vlen - first;
        const int64_t channels = fc_min64(vlen, d->groups);
        pack_map(job,
                 (const char *)job->args->src + (n * d->src_stride[0] + first * d->src_stride[1]) * bytes,
                 channels, map);
        conv.weights = (const char *)job->args->packed + vector * d->kh * d->kw * vlen * bytes;
        apart.weights = conv.weights;
        if (d->stride_w == 1)
            p->kernels->conv_lanes(&conv);
        else
            p->kernels->conv_channels(&apart);
        unpack_map(job, made + repeated * bytes, n, vector * vlen, channels - repeated);
    }
}

void fc_depthwise_lanes_execute(const fc_conv_problem *p, const fc_args *args, void *scratch,
                                int threads) {
    if (in_place(p)) {
        fc_depthwise_channels_execute(p, args, scratch, threads);
        return;
    }
    const fc_conv2d_desc *d = &p->desc;
    lanes_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    const int64_t vlen = p->kernels->vlen;
    ptrdiff_t *place = scratch;
    for (int64_t y = 0; y < job.src_rows; y++)
        for (int64_t x = 0; x < d->iw; x++)
            *place++ = ((d->pad_top + y) * job.pitch + d->pad_left + x) * vlen;
    for (int i = 0; i < job.threads; i++)
        *(worker_head *)(job.scratch + job.place_bytes + (size_t)i * job.worker_bytes) = (worker_head){0};
    fc_parallel_tasks(job.threads, d->dtype, fc_div_up(job.units, job.chunk), run_task, &job);
}
