/* optimizer.c: one pass over the arrays of all parameters.
 *
 * The parameters lie behind each other on one line, each rounded up to whole grains, and the line is
 * cut into pieces: a piece is a task, and may hold many small parameters or a part of a large one.
 * Cuts are between grains, so that a part of an array begins as it is aligned. What is done to an element
 * depends on no other; a norm is one of pieces, whose sizes do not depend on the threads. */
#include "optimizer.h"

#include <math.h>

enum {
    GRAIN = 64,        /* elements; whole cache lines in either type */
    NORM_PIECE = 65536 /* elements */
};

typedef struct job job;
/* Elements begin to begin + count - 1 of a parameter. */
typedef void (*span_fn)(const job *job, const fc_parameter *parameter, int64_t begin, int64_t count,
                        double *partial);

struct job {
    const fc_kernels *kernels;
    const fc_parameter *parameters;
    int64_t count, piece;
    span_fn span;
    const fc_optimizer_desc *desc; /* of an update */
    int kind;                      /* of a norm or limit */
    double value;
    double *partial; /* of a norm: one for each piece */
};

bool fc_elements_padded(const fc_parameter *parameters, int64_t count, int64_t *total) {
    const int64_t most = INT64_C(1) << 58; /* as check.h bounds elements */
    *total = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t elements = parameters[i].count;
        if (elements < 0 || elements > most) return false;
        *total += fc_round_up(elements, GRAIN);
        if (*total > most) return false;
    }
    return true;
}

static void run_piece(void *context, int64_t task, int worker) {
    (void)worker;
    const job *j = context;
    double *partial = j->partial ? j->partial + task : NULL;
    if (partial) *partial = 0;
    const int64_t from = task * j->piece, to = from + j->piece;
    int64_t start = 0; /* of parameter i on the line */
    for (int64_t i = 0; i < j->count && start < to; i++) {
        const fc_parameter *p = &j->parameters[i];
        const int64_t begin = fc_max64(from - start, 0), end = fc_min64(to - start, p->count);
        if (begin < end) j->span(j, p, begin, end - begin, partial);
        start += fc_round_up(p->count, GRAIN);
    }
}

/* `arrays`: how many of the size of all weights are read or written. */
static void run(const job *j, fc_dtype dtype, int64_t total, int arrays, int threads) {
    threads = fc_threads_for_bytes(threads, (double)arrays * (double)total *
                                                (double)j->kernels->element_bytes);
    job cut = *j;
    if (cut.piece == 0) {
        cut.piece = total;
        if (threads > 1) /* 64 KiB or more */
            cut.piece = fc_round_up(fc_max64(65536 / (int64_t)j->kernels->element_bytes,
                                             fc_div_up(total, 8 * threads)), GRAIN);
    }
    if (total > 0)
        fc_parallel_tasks(threads, dtype, fc_div_up(total, cut.piece), run_piece, &cut);
}

static void *from_element(const job *j, const void *array, int64_t begin) {
    return array ? (char *)array + begin * (int64_t)j->kernels->element_bytes : NULL;
}

/* ---- updates ------------------------------------------------------------------------------------- */

static void sgd_span(const job *j, const fc_parameter *p, int64_t begin, int64_t count, double *partial) {
    (void)partial;
    const fc_optimizer_desc *d = j->desc;
    const fc_sgd_update_args args = {
        .weights = from_element(j, p->weights, begin),
        .buffer = from_element(j, p->state[0], begin),
        .grad = from_element(j, p->diff_weights, begin),
        .count = count,
        .lr = d->lr,
        .sign = d->maximize ? -1 : 1,
        .weight_decay = d->weight_decay,
        .momentum = d->momentum,
        .gain = 1 - d->dampening,
        .fresh = p->step == 1,
        .nesterov = d->nesterov,
    };
    j->kernels->sgd_update(&args);
}

/* The bias of a running mean that began with 0 is what its weights lack of 1. */
static void adam_span(const job *j, const fc_parameter *p, int64_t begin, int64_t count, double *partial) {
    (void)partial;
    const fc_optimizer_desc *d = j->desc;
    const double step = (double)p->step;
    const fc_adam_update_args args = {
        .weights = from_element(j, p->weights, begin),
        .mean = from_element(j, p->state[0], begin),
        .square = from_element(j, p->state[1], begin),
        .greatest = from_element(j, p->state[2], begin),
        .grad = from_element(j, p->diff_weights, begin),
        .count = count,
        .lr = d->lr,
        .sign = d->maximize ? -1 : 1,
        .weight_decay = d->weight_decay,
        .beta1 = d->beta1,
        .beta2 = d->beta2,
        .epsilon = d->epsilon,
        .rate = d->lr / (1 - pow(d->beta1, step)),
        .root = sqrt(1 - pow(d->beta2, step)),
        .decay = d->weight_decay == 0 ? FC_DECAY_NONE
                 : d->decoupled       ? FC_DECAY_WEIGHTS
                                      : FC_DECAY_GRADIENT,
    };
    j->kernels->adam_update(&args);
}

static void rmsprop_span(const job *j, const fc_parameter *p, int64_t begin, int64_t count,
                         double *partial) {
    (void)partial;
    const fc_optimizer_desc *d = j->desc;
    const fc_rmsprop_update_args args = {
        .weights = from_element(j, p->weights, begin),
        .square = from_element(j, p->state[0], begin),
        .mean = from_element(j, p->state[1], begin),
        .buffer = from_element(j, p->state[2], begin),
        .grad = from_element(j, p->diff_weights, begin),
        .count = count,
        .lr = d->lr,
        .sign = d->maximize ? -1 : 1,
        .weight_decay = d->weight_decay,
        .alpha = d->beta2,
        .epsilon = d->epsilon,
        .momentum = d->momentum,
    };
    j->kernels->rmsprop_update(&args);
}

void fc_optimizer_run(const fc_optimizer_desc *desc, const fc_kernels *kernels,
                      const fc_parameter *parameters, int64_t count, int64_t total, int threads) {
    const span_fn span[] = {[FC_OPTIMIZER_SGD] = sgd_span,
                            [FC_OPTIMIZER_ADAM] = adam_span,
                            [FC_OPTIMIZER_RMSPROP] = rmsprop_span};
    const job j = {.kernels = kernels, .parameters = parameters, .count = count,
                   .span = span[desc->kind], .desc = desc};
    run(&j, (fc_dtype)desc->dtype, total, 5, threads);
}

/* ---- gradients ----------------------------------------------------------------------------------- */

static void norm_span(const job *j, const fc_parameter *p, int64_t begin, int64_t count, double *partial) {
    double norm;
    const fc_gradient_norm_args args = {
        .src = from_element(j, p->diff_weights, begin), .dst = &norm, .count = count, .kind = j->kind};
    j->kernels->gradient_norm(&args);
    if (j->kind == FC_NORM_SUM_SQUARES)
        *partial += norm;
    else if (norm > *partial || norm != norm)
        *partial = norm;
}

int64_t fc_gradient_pieces(int64_t total) { return fc_div_up(total, NORM_PIECE); }

double fc_gradient_norm_run(fc_dtype dtype, fc_gradient_norm_kind kind, const fc_kernels *kernels,
                            const fc_parameter *parameters, int64_t count, int64_t total, int threads,
                            double *partial) {
    const job j = {.kernels = kernels, .parameters = parameters, .count = count, .span = norm_span,
                   .kind = kind, .piece = NORM_PIECE, .partial = partial};
    run(&j, dtype, total, 1, threads);
    double norm = 0;
    for (int64_t i = 0; i < fc_gradient_pieces(total); i++) {
        if (kind == FC_NORM_SUM_SQUARES)
            norm += partial[i];
        else if (partial[i] > norm || partial[i] != partial[i])
            norm = partial[i];
    }
    return norm;
}

static void limit_span(const job *j, const fc_parameter *p, int64_t begin, int64_t count, double *partial) {
    (void)partial;
    const fc_gradient_limit_args args = {.dst = from_element(j, p->diff_weights, begin),
                                         .count = count, .value = j->value, .kind = j->kind};
    j->kernels->gradient_limit(&args);
}

void fc_gradient_limit_run(fc_dtype dtype, fc_gradient_limit_kind kind, double value,
                           const fc_kernels *kernels, const fc_parameter *parameters, int64_t count,
                           int64_t total, int threads) {
    const job j = {.kernels = kernels, .parameters = parameters, .count = count, .span = limit_span,
                   .kind = kind, .value = value};
    run(&j, dtype, total, 2, threads);
}
