#include "cost.h"

/* Squares of VLEN x VLEN that a transpose of `a` x `b` elements takes: whole ones, and those at the
 * edges, which go by masked or single elements. */
static void squares(int64_t a, int64_t b, int64_t vlen, double *whole, double *partial) {
    *whole = (double)((a / vlen) * (b / vlen));
    *partial = (double)(fc_div_up(a, vlen) * fc_div_up(b, vlen)) - *whole;
}

double fc_cost_conv_tiles(const fc_conv_problem *problem, int64_t rows, int64_t cols, int64_t depth) {
    enum { TILE = 10, VECTOR = 17 }; /* to begin a tile; to store a vector of sums and unpack it */
    const int64_t vlen = problem->kernels->vlen, most = problem->kernels->tile_pixels;
    const int64_t ocg = problem->desc.oc / problem->desc.groups;
    /* as fc_tile_map cuts */
    const int64_t across = fc_div_up(cols, most), width = fc_div_up(cols, across);
    const int64_t height = 2 * width <= most ? fc_min64(2, rows) : 1;
    const double tiles = (double)(fc_div_up(rows, height) * across);
    double sum = 0;
    for (int64_t left = ocg; left > 0;) {
        const int64_t vectors = left > vlen ? 2 : 1, pixels = width * height;
        const int64_t same = left > 2 * vlen ? left / (2 * vlen) : 1; /* panels of this width */
        const int64_t step = fc_max64(fc_max64(pixels * vectors, pixels + vectors), FC_COST_LATENCY);
        sum += (double)same * tiles *
               ((double)depth * (double)step + TILE + VECTOR * (double)(pixels * vectors));
        left -= same * vectors * vlen;
    }
    return sum;
}

double fc_cost_pack_pixels(const fc_conv_problem *problem, int64_t channels, int64_t pixels,
                           int64_t step) {
    enum { WHOLE = 8, PARTIAL = 11, COPIED = 2 }; /* of a row of a square; a vector of channels */
    const int64_t *stride = problem->desc.src_stride;
    if (stride[1] == 1 && stride[3] > 1) /* channels last */
        return (double)(fc_div_up(channels, problem->kernels->vlen) * pixels * COPIED);
    if (step > 2) return 2.7 * (double)(channels * pixels); /* element by element */
    const int64_t vlen = problem->kernels->vlen;
    double whole, partial;
    squares(channels, pixels, vlen, &whole, &partial);
    if (step == 2) return (whole + partial) * 1.4 * PARTIAL * (double)vlen;
    return (whole * WHOLE + partial * PARTIAL) * (double)vlen;
}

double fc_cost_unpack_pixels(const fc_conv_problem *problem) {
    enum {
        PARTIAL = 20, /* of a row of a square; whole ones are counted with the tiles' vectors, */
        SPARED = 12   /* too much of each when nothing is unpacked */
    };
    const int64_t vlen = problem->kernels->vlen, ocg = problem->desc.oc / problem->desc.groups;
    const int64_t pixels = problem->oh * problem->ow, *stride = problem->desc.dst_stride;
    if (stride[1] == 1 && stride[3] > 1) /* channels last: tiles lie where they belong */
        return -(double)(fc_div_up(ocg, vlen) * pixels * SPARED);
    double whole, partial;
    squares(ocg, pixels, vlen, &whole, &partial);
    return partial * PARTIAL * (double)vlen;
}

double fc_cost_far_pixels(const fc_conv_problem *problem, const int64_t *stride, int64_t channels,
                          int64_t pixels) {
    enum { FAR = 1 << 20, FARTHER = 2 << 20 };
    const double bytes = (double)(channels * pixels) * (double)fc_dtype_bytes(problem->desc.dtype);
    if (stride[1] != 1 || stride[3] == 1) return 0;
    return bytes > FARTHER ? bytes : bytes > FAR ? 0.5 * bytes : 0;
}

double fc_cost_pack_weights(const fc_conv_problem *problem, int64_t depth) {
    enum { VECTOR = 14 };
    if (problem->desc.weights_prepared) return 0;
    const int64_t ocg = problem->desc.oc / problem->desc.groups;
    return (double)fc_div_up(ocg, problem->kernels->vlen) * (double)depth * VECTOR;
}
