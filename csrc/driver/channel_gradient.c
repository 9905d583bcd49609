/* channel_gradient.c: what sums over whole channels before its one pass: batch normalisation with the
 * batch's statistics, and the gradients of what has numbers for each channel.
 *
 * Every row of a channel (where inner is 1: the column of a channel) is cut into pieces of at most PIECE
 * elements (ROWS rows). Each piece leaves a few sums in the type of the data, in scratch; then each
 * channel adds up its pieces' sums in double, in their order. Neither depends on threads.
 *
 * The variance: with m, s and q of each piece (its rounded mean, the sums of what is left and of that
 * squared) the mean is that of m + s / n, and the squared distances from it are q + 2 (m - mean) s +
 * n (m - mean)^2: nothing cancels, however large the mean is. */
#include <math.h>

#include "driver.h"

enum { PIECE = 2048, ROWS = 128, TILE = 256, MOST_SUMS = 3 };

typedef struct channel_job {
    const fc_channel_gradient_problem *problem;
    const fc_args *args;
    char *sums;                          /* [channel's piece][sum] or, by column, [piece][sum][channel] */
    char *mean, *scale, *slope, *bias;   /* of channels, for the pass */
    bool by_column;
    int64_t bytes, pieces, tiles; /* pieces of a row or of the columns; tiles of channels by column */
    int64_t units, chunk;         /* pieces of all rows or tiles; of these in a task */
} channel_job;

static channel_job cut(const fc_channel_gradient_problem *p) {
    const fc_channel_gradient_desc *d = &p->desc;
    channel_job job = {.problem = p, .by_column = d->inner == 1, .tiles = 1};
    job.bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    if (job.by_column) {
        job.pieces = fc_div_up(d->outer, ROWS);
        job.tiles = fc_div_up(d->channels, TILE);
        job.units = job.pieces * job.tiles;
    } else {
        job.pieces = fc_div_up(d->inner, PIECE);
        job.units = d->outer * d->channels * job.pieces;
    }
    return job;
}

static int64_t array_bytes(const channel_job *job) {
    return fc_round_up(job->problem->desc.channels * job->bytes, FC_CACHE_LINE);
}

static int64_t sum_bytes(const channel_job *job) {
    const int64_t channels = job->by_column ? job->problem->desc.channels * job->pieces : job->units;
    return fc_round_up(MOST_SUMS * channels * job->bytes, FC_CACHE_LINE);
}

size_t fc_channel_gradient_scratch_bytes(const fc_channel_gradient_problem *p) {
    const channel_job job = cut(p);
    return (size_t)(sum_bytes(&job) + 4 * array_bytes(&job));
}

static double value_at(const void *array, int64_t i, int64_t bytes) {
    return bytes == 8 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void put(void *array, int64_t i, double value, int64_t bytes) {
    if (bytes == 8)
        ((double *)array)[i] = value;
    else
        ((float *)array)[i] = (float)value;
}

static double rounded(double value, int64_t bytes) { return bytes == 8 ? value : (double)(float)value; }

static int moments_kind(int32_t kind) {
    return kind == FC_CHANNEL_BATCH_NORM       ? FC_MOMENTS_SPREAD
           : kind == FC_CHANNEL_PRELU_GRADIENT ? FC_MOMENTS_PRELU
                                               : FC_MOMENTS_NORM;
}

static const char *moved(const void *array, int64_t bytes) {
    return array ? (const char *)array + bytes : NULL;
}

static void sum_task(void *context, int64_t task, int worker) {
    (void)worker;
    const channel_job *job = context;
    const fc_channel_gradient_desc *d = &job->problem->desc;
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        fc_channel_moments_args args = {.kind = moments_kind(d->kind), .stride = 1, .width = 1,
                                        .dst_plane = 1};
        int64_t at, channel, sums = MOST_SUMS * unit;
        if (job->by_column) {
            const int64_t piece = unit / job->tiles;
            channel = unit % job->tiles * TILE;
            at = piece * ROWS * d->channels + channel;
            args.length = fc_min64(ROWS, d->outer - piece * ROWS);
            args.stride = args.dst_plane = d->channels;
            args.width = fc_min64(TILE, d->channels - channel);
            sums = piece * MOST_SUMS * d->channels + channel;
        } else {
            const int64_t row = unit / job->pieces, x = unit % job->pieces * PIECE;
            channel = row % d->channels;
            at = row * d->inner + x;
            args.length = fc_min64(PIECE, d->inner - x);
        }
        args.src = moved(job->args->src, at * job->bytes);
        args.grad = moved(job->args->diff_dst, at * job->bytes);
        args.mean = moved(job->args->mean, channel * job->bytes);
        args.dst = job->sums + sums * job->bytes;
        job->problem->kernels->channel_moments(&args);
    }
}

/* Sum k of a channel's piece, counted over all its rows; *count: the piece's elements. */
static double piece_sum(const channel_job *job, int64_t channel, int64_t piece, int k,
                        int64_t *count) {
    const fc_channel_gradient_desc *d = &job->problem->desc;
    if (job->by_column) {
        *count = fc_min64(ROWS, d->outer - piece * ROWS);
        return value_at(job->sums, (piece * MOST_SUMS + k) * d->channels + channel, job->bytes);
    }
    const int64_t row = piece / job->pieces * d->channels + channel, part = piece % job->pieces;
    *count = fc_min64(PIECE, d->inner - part * PIECE);
    return value_at(job->sums, (row * job->pieces + part) * MOST_SUMS + k, job->bytes);
}

/* Beyond the mean that the type holds, what it leaves out goes into the bias. */
static void finish_statistics(const channel_job *job, int64_t c, int64_t pieces) {
    const fc_channel_gradient_desc *d = &job->problem->desc;
    const fc_args *args = job->args;
    const double elements = (double)d->outer * (double)d->inner;
    double far = 0, squares = 0;
    int64_t n;
    const double origin = piece_sum(job, c, 0, 2, &n);
    for (int64_t i = 0; i < pieces; i++) {
        const double middle = piece_sum(job, c, i, 2, &n) - origin;
        far += piece_sum(job, c, i, 0, &n) + (double)n * middle;
    }
    far /= elements;
    for (int64_t i = 0; i < pieces; i++) {
        const double middle = piece_sum(job, c, i, 2, &n) - origin - far;
        squares += piece_sum(job, c, i, 1, &n) +
                   middle * (2 * piece_sum(job, c, i, 0, &n) + (double)n * middle);
    }
    const double mean = origin + far;
    const double variance = squares < 0 ? 0 : squares / elements; /* NaN stays */
    const double deviation = 1 / sqrt(variance + d->epsilon);
    put(args->channel_dst[0], c, mean, job->bytes);
    put(args->channel_dst[1], c, deviation, job->bytes);
    put(args->channel_dst[2], c, variance, job->bytes);
    const double weight = d->has_weights ? value_at(args->weights, c, job->bytes) : 1;
    const double bias = d->has_bias ? value_at(args->bias, c, job->bytes) : 0;
    const double rest = (origin - rounded(mean, job->bytes)) + far;
    put(job->mean, c, mean, job->bytes);
    put(job->scale, c, weight * deviation, job->bytes);
    put(job->bias, c, bias - rest * weight * deviation, job->bytes);
}

static void finish_gradient(const channel_job *job, int64_t c, int64_t pieces) {
    const fc_channel_gradient_desc *d = &job->problem->desc;
    const fc_args *args = job->args;
    double first = 0, second = 0;
    int64_t n;
    for (int64_t i = 0; i < pieces; i++) {
        first += piece_sum(job, c, i, 0, &n);
        if (d->kind != FC_CHANNEL_PRELU_GRADIENT) second += piece_sum(job, c, i, 1, &n);
    }
    if (d->kind == FC_CHANNEL_PRELU_GRADIENT) {
        if (args->channel_dst[0]) put(args->channel_dst[0], c, first, job->bytes);
        return;
    }
    double deviation = value_at(args->variance, c, job->bytes);
    if (d->kind == FC_CHANNEL_NORM_GRADIENT) deviation = 1 / sqrt(deviation + d->epsilon);
    const double weight = d->has_weights ? value_at(args->weights, c, job->bytes) : 1;
    if (args->channel_dst[0]) put(args->channel_dst[0], c, second * deviation, job->bytes);
    if (args->channel_dst[1]) put(args->channel_dst[1], c, first, job->bytes);
    const double scale = weight * deviation, elements = (double)d->outer * (double)d->inner;
    put(job->scale, c, scale, job->bytes);
    put(job->slope, c, -scale * deviation * deviation * second / elements, job->bytes);
    put(job->bias, c, -scale * first / elements, job->bytes);
}

static void finish_task(void *context, int64_t task, int worker) {
    (void)worker;
    const channel_job *job = context;
    const fc_channel_gradient_desc *d = &job->problem->desc;
    const int64_t pieces = job->by_column ? job->pieces : d->outer * job->pieces;
    const int64_t end = fc_min64(d->channels, (task + 1) * job->chunk);
    for (int64_t c = task * job->chunk; c < end; c++) {
        if (d->kind == FC_CHANNEL_BATCH_NORM)
            finish_statistics(job, c, pieces);
        else
            finish_gradient(job, c, pieces);
    }
}

/* `rows` rows of `count` elements, the first of which are row `first`, beginning at `at`. */
static void pass(const channel_job *job, int64_t first, int64_t at, int64_t rows, int64_t count) {
    const fc_channel_gradient_desc *d = &job->problem->desc;
    const void *src = moved(job->args->src, at * job->bytes);
    void *dst = (char *)job->args->dst + at * job->bytes;
    if (d->kind == FC_CHANNEL_BATCH_NORM) {
        const fc_channel_rows_args args = {
            .src = src, .dst = dst, .mean = job->mean, .scale = job->scale, .bias = job->bias,
            .rows = rows, .count = count, .first = first, .channels = d->channels,
            .by_column = job->by_column, .kind = FC_CHANNELWISE_NORM, .activation = d->activation};
        job->problem->kernels->channel_rows(&args);
        return;
    }
    const bool prelu = d->kind == FC_CHANNEL_PRELU_GRADIENT;
    const fc_channel_gradient_args args = {
        .src = src, .grad = moved(job->args->diff_dst, at * job->bytes), .dst = dst,
        .mean = job->args->mean, .scale = prelu ? job->args->weights : job->scale,
        .slope = job->slope, .bias = job->bias,
        .rows = rows, .count = count, .first = first, .channels = d->channels,
        .by_column = job->by_column,
        .kind = prelu                                         ? FC_GRADIENT_PRELU
                : d->kind == FC_CHANNEL_BATCH_NORM_GRADIENT ? FC_GRADIENT_NORM
                                                            : FC_GRADIENT_SCALE};
    job->problem->kernels->channel_gradient(&args);
}

static void pass_task(void *context, int64_t task, int worker) {
    (void)worker;
    const channel_job *job = context;
    const fc_channel_gradient_desc *d = &job->problem->desc;
    const int64_t begin = task * job->chunk, end = fc_min64(job->units, begin + job->chunk);
    if (job->by_column) {
        for (int64_t row = begin; row < end; row++)
            pass(job, row, row * d->channels, 1, d->channels);
    } else if (job->pieces == 1) {
        pass(job, begin, begin * d->inner, end - begin, d->inner);
    } else {
        for (int64_t unit = begin; unit < end; unit++) {
            const int64_t row = unit / job->pieces, x = unit % job->pieces * PIECE;
            pass(job, row, row * d->inner + x, 1, fc_min64(PIECE, d->inner - x));
        }
    }
}

static void run(channel_job *job, int64_t units, double unit_bytes, fc_task_fn task, int threads) {
    threads = fc_threads_for_bytes(threads, (double)units * unit_bytes);
    job->chunk = units;
    if (threads > 1) /* at least 64 KiB a task */
        job->chunk = fc_min64(units, fc_max64(fc_div_up(units, 8 * threads),
                                              (int64_t)(65536 / unit_bytes) + 1));
    fc_parallel_tasks(threads, (fc_dtype)job->problem->desc.dtype, fc_div_up(units, job->chunk), task,
                      job);
}

void fc_channel_gradient_execute(const fc_channel_gradient_problem *p, const fc_args *args,
                                 void *scratch, int threads) {
    const fc_channel_gradient_desc *d = &p->desc;
    channel_job job = cut(p);
    job.args = args;
    job.sums = scratch;
    job.mean = job.sums + sum_bytes(&job);
    job.scale = job.mean + array_bytes(&job);
    job.slope = job.scale + array_bytes(&job);
    job.bias = job.slope + array_bytes(&job);
    const double all = (double)d->outer * (double)d->channels * (double)d->inner * (double)job.bytes;
    const double arrays = d->kind == FC_CHANNEL_BATCH_NORM ? 1 : 2;
    run(&job, job.units, arrays * all / (double)job.units, sum_task, threads);
    const double sums = (double)sum_bytes(&job) / (double)d->channels;
    run(&job, d->channels, 4 * sums, finish_task, threads); /* double and two rounds: slower than memory */
    if (job.by_column) job.units = d->outer;
    run(&job, job.units, (arrays + 1) * all / (double)job.units, pass_task, threads);
}
