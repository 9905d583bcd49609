#include "conv_blocked.h"

int64_t fc_strip_block(int64_t icg) {
    /* Long contiguous runs (kw * block elements a kernel row) keep the tile kernel in its inner
     * loop; 64 channels a pixel is four cache lines, spread over the sets of the first level for
     * any 14 neighbouring pixels. Few channels stay whole, which is also what makes 3-channel stems
     * and odd counts as fast as regular ones. */
    enum { LEAST = 32, MOST = 64 };
    if (icg <= MOST) return icg;
    int64_t best = MOST;
    for (int64_t block = MOST - 1; block >= LEAST; block--)
        if (fc_round_up(icg, block) < fc_round_up(icg, best)) best = block;
    return best;
}

void fc_blocking_set(fc_conv_blocking *blocking, const fc_kernels *kernels, fc_dtype dtype,
                     int64_t icg, int64_t ocg, int64_t block, int64_t taps) {
    blocking->icg = icg;
    blocking->ocg = ocg;
    blocking->block = block;
    blocking->blocks = fc_div_up(icg, block);
    blocking->panel = 2 * kernels->vlen;
    blocking->panels = fc_div_up(ocg, blocking->panel);
    blocking->panel_bytes =
        blocking->blocks * block * taps * blocking->panel * (int64_t)fc_dtype_bytes(dtype);
}

fc_panel fc_panel_at(const fc_conv_problem *problem, const void *packed, int64_t group,
                     int64_t index) {
    const fc_conv_blocking *b = &problem->blocking;
    int64_t first = index * b->panel, lanes = fc_min64(b->ocg - first, b->panel);
    return (fc_panel){
        .oc = group * b->ocg + first,
        .vectors = lanes > problem->kernels->vlen ? 2 : 1,
        .lanes = (int)lanes,
        .weights = (const char *)packed + (group * b->panels + index) * b->panel_bytes,
    };
}

size_t fc_conv_packed_bytes(const fc_conv_problem *problem) {
    const fc_conv_blocking *b = &problem->blocking;
    return (size_t)(problem->desc.groups * b->panels * b->panel_bytes);
}

typedef struct pack_job {
    const fc_conv_problem *problem;
    const char *weights;
    void *packed;
} pack_job;

static void pack_panel(void *context, int64_t task, int worker) {
    (void)worker;
    const pack_job *job = context;
    const fc_conv_problem *problem = job->problem;
    const fc_conv_blocking *b = &problem->blocking;
    fc_panel panel = fc_panel_at(problem, job->packed, task / b->panels, task % b->panels);
    const int64_t *stride = problem->desc.weight_stride;
    fc_pack_weights_args args = {
        .src = job->weights + (panel.oc / b->ocg * stride[0] + panel.oc % b->ocg * stride[1]) *
                                  (ptrdiff_t)fc_dtype_bytes(problem->desc.dtype),
        .dst = (void *)panel.weights,
        .row = stride[1],
        .channel = stride[2],
        .tap_row = stride[3],
        .tap_col = stride[4],
        .ic = b->icg,
        .kh = problem->desc.kh,
        .kw = problem->desc.kw,
        .block = b->block,
        .panels = panel.vectors,
        .lanes = panel.lanes,
    };
    problem->kernels->pack_weights(&args);
}

void fc_conv_pack(const fc_conv_problem *problem, const void *weights, void *packed, int threads) {
    pack_job job = {problem, weights, packed};
    fc_parallel_tasks(fc_threads_for_bytes(threads, 4.0 * (double)fc_conv_packed_bytes(problem)),
                      problem->desc.dtype, problem->desc.groups * problem->blocking.panels,
                      pack_panel, &job);
}

uint64_t fc_conv_packing(const fc_conv_problem *problem) {
    return fc_packing_id(FC_PACKED_PANELS, problem->blocking.block, problem->blocking.panel);
}

void fc_tile_map(const fc_kernels *kernels, fc_conv_tile_args tile, int64_t rows, int64_t cols) {
    const size_t bytes = kernels->element_bytes;
    const char *src = tile.src, *residual = tile.residual;
    char *dst = tile.dst;
    int64_t widths = fc_div_up(cols, kernels->tile_pixels);
    int64_t step = 2 * fc_div_up(cols, widths) <= kernels->tile_pixels ? 2 : 1;
    for (int64_t y = 0; y < rows; y += step)
        for (int64_t i = 0; i < widths; i++) {
            int64_t begin, end;
            fc_split(cols, widths, i, &begin, &end);
            tile.rows = (int)fc_min64(step, rows - y);
            tile.cols = (int)(end - begin);
            tile.src = src + (y * tile.src_row + begin * tile.src_pixel) * (ptrdiff_t)bytes;
            const ptrdiff_t at = (y * tile.dst_row + begin * tile.dst_pixel) * (ptrdiff_t)bytes;
            tile.dst = dst + at;
            if (residual) tile.residual = residual + at;
            kernels->conv_tile(&tile);
        }
}

bool fc_conv_tiles_fit_dst(const fc_conv_problem *problem) {
    const fc_conv2d_desc *d = &problem->desc;
    const int64_t *dst = d->dst_stride, *residual = d->residual_stride;
    const bool alike = residual[1] == 1 && residual[2] == dst[2] && residual[3] == dst[3];
    return dst[1] == 1 && (!d->has_residual || alike);
}

void fc_store_pixels(const fc_conv_problem *problem, const fc_args *args, const fc_panel *panel,
                     const void *tiles, int64_t first, int64_t count) {
    const fc_conv2d_desc *d = &problem->desc;
    const size_t bytes = fc_dtype_bytes(d->dtype);
    const int64_t plane = problem->oh * problem->ow, columns = panel->vectors * problem->kernels->vlen;
    /* one call covers the rest of an image when its rows follow each other, else one row */
    const bool seamless = d->dst_stride[2] == problem->ow * d->dst_stride[3] &&
                          (!d->has_residual || d->residual_stride[2] == problem->ow * d->residual_stride[3]);
    const int64_t unit = seamless ? plane : problem->ow;
    while (count > 0) {
        int64_t n = first / plane, at = first % plane;
        int64_t pixels = fc_min64(count, unit - at % unit);
        int64_t y = at / problem->ow, x = at % problem->ow;
        fc_unpack_pixels_args store = {
            .src = tiles,
            .dst = (char *)args->dst + (n * d->dst_stride[0] + panel->oc * d->dst_stride[1] +
                                        y * d->dst_stride[2] + x * d->dst_stride[3]) *
                                           (ptrdiff_t)bytes,
            .src_pixel = columns,
            .channel_stride = d->dst_stride[1],
            .pixel_stride = d->dst_stride[3],
            .residual_stride = d->residual_stride[1],
            .residual_pixel = d->residual_stride[3],
            .channels = panel->lanes,
            .pixels = pixels,
            .activation = d->activation,
        };
        if (d->has_bias) store.bias = (const char *)args->bias + (size_t)panel->oc * bytes;
        if (d->has_residual)
            store.residual = (const char *)args->residual +
                             (n * d->residual_stride[0] + panel->oc * d->residual_stride[1] +
                              y * d->residual_stride[2] + x * d->residual_stride[3]) *
                                 (ptrdiff_t)bytes;
        problem->kernels->unpack_pixels(&store);
        tiles = (const char *)tiles + (size_t)(pixels * columns) * bytes;
        first += pixels;
        count -= pixels;
    }
}

const void *fc_conv_src_at(const fc_conv_problem *problem, const void *src, int64_t n, int64_t c,
                           int64_t y, int64_t x) {
    const int64_t *stride = problem->desc.src_stride;
    return (const char *)src + (n * stride[0] + c * stride[1] + y * stride[2] + x * stride[3]) *
                                   (ptrdiff_t)fc_dtype_bytes(problem->desc.dtype);
}
