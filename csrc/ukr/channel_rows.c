/* channel_rows.c: batch normalisation with known statistics, and PReLU: memory-bound, one pass.
 * The mean is subtracted first, rather than folded into the bias: where it is large against the
 * deviation, folding would cancel. Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

FC_INLINE vec norm(vec x, vec mean, vec scale, vec bias, const int activation) {
    return vec_activate(vec_fma(vec_sub(x, mean), scale, bias), activation);
}

FC_INLINE vec prelu(vec x, vec scale) {
    return vec_where_gt(x, vec_zero(), x, vec_mul(scale, x));
}

FC_INLINE void rows(const fc_channel_rows_args *a, const int kind, const int activation) {
    const real *src = a->src, *mean = a->mean, *scale = a->scale, *bias = a->bias;
    real *dst = a->dst;
    for (ptrdiff_t r = 0; r < a->rows; r++, src += a->count, dst += a->count) {
        const ptrdiff_t k = a->by_column ? 0 : (a->first + r) % a->channels;
        vec m = vec_zero(), s = vec_set1(scale[k]), b = vec_zero();
        if (kind == FC_CHANNELWISE_NORM) {
            m = vec_set1(mean[k]);
            b = vec_set1(bias[k]);
        }
        for (ptrdiff_t i = 0; i < a->count; i += VLEN) {
            const ptrdiff_t lanes = at_most(a->count - i, VLEN);
            if (a->by_column) {
                s = vec_load_n(scale + i, lanes);
                if (kind == FC_CHANNELWISE_NORM) {
                    m = vec_load_n(mean + i, lanes);
                    b = vec_load_n(bias + i, lanes);
                }
            }
            vec x = vec_load_n(src + i, lanes);
            vec_store_n(dst + i,
                        kind == FC_CHANNELWISE_NORM ? norm(x, m, s, b, activation) : prelu(x, s),
                        lanes);
        }
    }
}

void FC_NAME(channel_rows)(const fc_channel_rows_args *a);
void FC_NAME(channel_rows)(const fc_channel_rows_args *a) {
    if (a->kind == FC_CHANNELWISE_PRELU)
        rows(a, FC_CHANNELWISE_PRELU, FC_ACT_NONE);
    else if (a->activation == FC_ACT_NONE)
        rows(a, FC_CHANNELWISE_NORM, FC_ACT_NONE);
    else if (a->activation == FC_ACT_RELU)
        rows(a, FC_CHANNELWISE_NORM, FC_ACT_RELU);
    else
        rows(a, FC_CHANNELWISE_NORM, a->activation);
}
