/* test_optimizer.c: updates of many parameters at once, through the public interface: against the
 * formula in double, on any number of threads, between pages that may not be touched; and what the
 * entries refuse. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <math.h>

#include "../driver/driver.h"
#include "check.h"
#include "integers.h"

enum { PARAMETERS = 9, ARRAYS = 5 };

static const int64_t sizes[PARAMETERS] = {1, 0, 63, 64, 65, 1000, 70000, 7, 130001};

/* weights, gradient and three states of each parameter */
typedef struct model {
    fc_dtype dtype;
    guarded array[PARAMETERS][ARRAYS];
    fc_parameter parameters[PARAMETERS];
} model;

static model begin(fc_dtype dtype, int states, int64_t step) {
    model m = {.dtype = dtype};
    random_state = 99;
    for (int i = 0; i < PARAMETERS; i++) {
        fc_parameter *p = &m.parameters[i];
        for (int k = 0; k < 2 + states; k++) {
            m.array[i][k] = integers(sizes[i], dtype, i % 2);
            if (k > 2) /* squares are not negative */
                for (int64_t e = 0; e < sizes[i]; e++)
                    put(m.array[i][k].data, e, dtype, fabs(get(m.array[i][k].data, e, dtype)));
        }
        p->weights = m.array[i][0].data, p->diff_weights = m.array[i][1].data;
        for (int k = 0; k < states; k++) p->state[k] = m.array[i][2 + k].data;
        p->count = sizes[i], p->step = step;
    }
    return m;
}

static void end(model *m) {
    for (int i = 0; i < PARAMETERS; i++)
        for (int k = 0; k < ARRAYS; k++)
            if (m->array[i][k].map) {
                CHECK_AT(guarded_intact(&m->array[i][k]), "parameter %d, array %d", i, k);
                guarded_free(&m->array[i][k]);
            }
}

static bool equal(const model *a, const model *b) {
    for (int i = 0; i < PARAMETERS; i++)
        for (int k = 0; k < ARRAYS; k++)
            if (a->array[i][k].map &&
                memcmp(a->array[i][k].data, b->array[i][k].data, a->array[i][k].bytes) != 0)
                return false;
    return true;
}

static fc_optimizer_desc sgd(fc_dtype dtype) {
    return (fc_optimizer_desc){.struct_size = sizeof(fc_optimizer_desc), .dtype = (int32_t)dtype,
                               .kind = FC_OPTIMIZER_SGD, .nesterov = 1, .lr = 0.25,
                               .weight_decay = 0.5, .momentum = 0.5, .dampening = 0.5};
}

/* Binary fractions: exact in either type. */
static void test_sgd(fc_dtype dtype) {
    for (int threads = 1; threads <= 3; threads++) {
        const fc_optimizer_desc d = sgd(dtype);
        model before = begin(dtype, 1, 2), m = begin(dtype, 1, 2);
        CHECK(fc_optimizer_step(&d, m.parameters, PARAMETERS, threads) == FC_OK);
        for (int i = 0; i < PARAMETERS; i++)
            for (int64_t e = 0; e < sizes[i]; e++) {
                const double w = get(before.array[i][0].data, e, dtype);
                const double g = get(before.array[i][1].data, e, dtype) + 0.5 * w;
                const double b = 0.5 * get(before.array[i][2].data, e, dtype) + 0.5 * g;
                const double wanted = w - 0.25 * (g + 0.5 * b);
                if (!CHECK_AT(get(m.array[i][2].data, e, dtype) == b &&
                                  get(m.array[i][0].data, e, dtype) == wanted,
                              "parameter %d, element %d", i, (int)e))
                    break;
            }
        end(&before), end(&m);
    }
}

/* Real numbers: the same bits on any number of threads. */
static void test_threads(const fc_optimizer_desc *d, int states) {
    model one = begin((fc_dtype)d->dtype, states, 3);
    CHECK(fc_optimizer_step(d, one.parameters, PARAMETERS, 1) == FC_OK);
    for (int threads = 2; threads <= 5; threads++) {
        model m = begin((fc_dtype)d->dtype, states, 3);
        CHECK(fc_optimizer_step(d, m.parameters, PARAMETERS, threads) == FC_OK);
        CHECK_AT(equal(&one, &m), "kind %d, %d threads", (int)d->kind, threads);
        end(&m);
    }
    end(&one);
}

static void test_gradients(fc_dtype dtype) {
    model m = begin(dtype, 0, 1);
    long double squares = 0;
    double first = 0;
    for (int i = 0; i < PARAMETERS; i++)
        for (int64_t e = 0; e < sizes[i]; e++) {
            put(m.array[i][1].data, e, dtype, 0.37 * get(m.array[i][1].data, e, dtype));
            const double g = get(m.array[i][1].data, e, dtype);
            squares += (long double)g * g;
        }
    for (int threads = 1; threads <= 5; threads++) {
        double norm = -1;
        CHECK(fc_gradient_norm(dtype, FC_NORM_SUM_SQUARES, m.parameters, PARAMETERS, threads, &norm) ==
              FC_OK);
        if (threads == 1) first = norm;
        CHECK_AT(norm == first, "%d threads", threads);
        CHECK_AT(fabsl(norm / squares - 1) < (dtype == FC_F64 ? 1e-15L : 2e-6L), "%Lg", norm / squares - 1);
        const double large = get(m.array[8][1].data, 100000, dtype), none = get(m.array[6][1].data, 3, dtype);
        put(m.array[8][1].data, 100000, dtype, -77);
        CHECK(fc_gradient_norm(dtype, FC_NORM_GREATEST, m.parameters, PARAMETERS, threads, &norm) ==
              FC_OK);
        CHECK(norm == 77);
        put(m.array[6][1].data, 3, dtype, (double)NAN);
        CHECK(fc_gradient_norm(dtype, FC_NORM_GREATEST, m.parameters, PARAMETERS, threads, &norm) ==
              FC_OK);
        CHECK(norm != norm);
        put(m.array[6][1].data, 3, dtype, none), put(m.array[8][1].data, 100000, dtype, large);
    }
    CHECK(fc_gradient_limit(dtype, FC_LIMIT_CLAMP, 1, m.parameters, PARAMETERS, 3) == FC_OK);
    CHECK(fc_gradient_limit(dtype, FC_LIMIT_SCALE, 0.5, m.parameters, PARAMETERS, 2) == FC_OK);
    model fresh = begin(dtype, 0, 1);
    for (int i = 0; i < PARAMETERS; i++)
        for (int64_t e = 0; e < sizes[i]; e++) {
            put(fresh.array[i][1].data, e, dtype, 0.37 * get(fresh.array[i][1].data, e, dtype));
            const double g = get(fresh.array[i][1].data, e, dtype);
            if (!CHECK_AT(get(m.array[i][1].data, e, dtype) == 0.5 * fmax(-1, fmin(1, g)),
                          "parameter %d, element %d", i, (int)e))
                break;
        }
    end(&m), end(&fresh);
}

static void test_refusals(void) {
    model m = begin(FC_F32, 1, 2), before = begin(FC_F32, 1, 2);
    fc_optimizer_desc d = sgd(FC_F32);
    double norm = -1;
#define REFUSED(status) CHECK(fc_optimizer_step(&d, m.parameters, PARAMETERS, 1) == (status)), d = sgd(FC_F32)
    d.struct_size--, REFUSED(FC_ERR_VERSION);
    d.dtype = 3, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.kind = 9, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.kind = 0, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.lr = (double)NAN, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.momentum = (double)INFINITY, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.weight_decay = -(double)INFINITY, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.momentum = 0, REFUSED(FC_ERR_INVALID_ARGUMENT); /* Nesterov's, with a buffer */
    d.nesterov = 2, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.centered = 1, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.beta2 = 0.5, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d.amsgrad = 1, REFUSED(FC_ERR_INVALID_ARGUMENT);
    m.parameters[8].count = -1, REFUSED(FC_ERR_INVALID_SHAPE);
    m.parameters[8].count = INT64_MAX, REFUSED(FC_ERR_INVALID_SHAPE);
    m.parameters[8].count = sizes[8];
    m.parameters[8].step = 0, REFUSED(FC_ERR_INVALID_ARGUMENT);
    m.parameters[8].step = 2;
    m.parameters[8].state[0] = NULL, REFUSED(FC_ERR_INVALID_ARGUMENT);
    m.parameters[8].state[0] = m.array[8][2].data;
    m.parameters[8].state[2] = m.array[8][2].data, REFUSED(FC_ERR_INVALID_ARGUMENT);
    m.parameters[8].state[2] = NULL;
    m.parameters[8].diff_weights = NULL, REFUSED(FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_gradient_norm(FC_F32, FC_NORM_GREATEST, m.parameters, PARAMETERS, 1, &norm) ==
          FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_gradient_limit(FC_F32, FC_LIMIT_SCALE, 0, m.parameters, PARAMETERS, 1) ==
          FC_ERR_INVALID_ARGUMENT);
    m.parameters[8].diff_weights = m.array[8][1].data;
    d.kind = FC_OPTIMIZER_ADAM, REFUSED(FC_ERR_INVALID_ARGUMENT); /* with Nesterov's momentum */
    d.kind = FC_OPTIMIZER_RMSPROP, REFUSED(FC_ERR_INVALID_ARGUMENT);
    const fc_optimizer_desc adam = {.struct_size = sizeof d, .dtype = FC_F32, .kind = FC_OPTIMIZER_ADAM,
                                    .lr = 0.1, .beta1 = 0.5, .beta2 = 0.5};
    d = adam, REFUSED(FC_ERR_INVALID_ARGUMENT); /* lacks a state */
    d = adam, d.beta1 = 1, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d = adam, d.beta2 = -0.1, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d = adam, d.beta2 = (double)NAN, REFUSED(FC_ERR_INVALID_ARGUMENT);
    d = adam, d.epsilon = -1, REFUSED(FC_ERR_INVALID_ARGUMENT);
#undef REFUSED
    CHECK(fc_optimizer_step(NULL, m.parameters, 1, 1) == FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_optimizer_step(&d, NULL, 1, 1) == FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_optimizer_step(&d, NULL, 0, 1) == FC_OK);
    CHECK(fc_gradient_norm(FC_F32, FC_NORM_GREATEST, m.parameters, 1, 1, NULL) ==
          FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_gradient_norm(FC_F32, (fc_gradient_norm_kind)3, m.parameters, 1, 1, &norm) ==
          FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_gradient_limit(FC_F32, FC_LIMIT_CLAMP, -1, m.parameters, 1, 1) == FC_ERR_INVALID_ARGUMENT);
    CHECK(fc_gradient_limit(FC_F32, FC_LIMIT_CLAMP, (double)NAN, m.parameters, 1, 1) ==
          FC_ERR_INVALID_ARGUMENT);
    CHECK(norm == -1);
    CHECK(equal(&before, &m));
    CHECK(fc_gradient_norm(FC_F32, FC_NORM_SUM_SQUARES, NULL, 0, 1, &norm) == FC_OK && norm == 0);
    end(&before), end(&m);
}

int main(void) {
    if (!CHECK(fc_init() == FC_OK)) return check_summary("test_optimizer");
    fc_test_all_threads = true;
    for (int dtype = FC_F32; dtype <= FC_F64; dtype++) {
        test_sgd((fc_dtype)dtype);
        fc_optimizer_desc d = sgd((fc_dtype)dtype);
        d.lr = 0.1, d.momentum = 0.9;
        test_threads(&d, 1);
        d = (fc_optimizer_desc){.struct_size = sizeof d, .dtype = dtype, .kind = FC_OPTIMIZER_ADAM,
                                .decoupled = 1, .amsgrad = 1, .lr = 0.1, .weight_decay = 0.1,
                                .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
        test_threads(&d, 3);
        d = (fc_optimizer_desc){.struct_size = sizeof d, .dtype = dtype, .kind = FC_OPTIMIZER_RMSPROP,
                                .centered = 1, .lr = 0.1, .weight_decay = 0.1, .momentum = 0.9,
                                .beta2 = 0.99, .epsilon = 1e-8};
        test_threads(&d, 3);
        test_gradients((fc_dtype)dtype);
    }
    test_refusals();
    return check_summary("test_optimizer");
}
