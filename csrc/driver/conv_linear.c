/* conv_linear.c: a convolution whose window is the whole map, and so has one pixel an image: a linear
 * layer of each group. Its rows are the images, its features the group's channels, rows and columns in
 * the order of dense weights. The last convolution of LeNet-5, classifiers written as convolutions,
 * squeeze-and-excite blocks: their weights are used once an image, and packing them in each call would
 * take several times the products. Here they are read where they lie.
 *
 * A source whose features lie in another order is copied into rows, a bounded number of images at a
 * time. */
#include "cost.h"
#include "dense_weights.h"
#include "dot_rows.h"

static bool source_dense(const fc_conv2d_desc *d) {
    return (d->iw == 1 || d->src_stride[3] == 1) && (d->ih == 1 || d->src_stride[2] == d->iw) &&
           (d->ic == 1 || d->src_stride[1] == d->ih * d->iw);
}

static int64_t row_bytes(const fc_conv2d_desc *d) {
    return d->ic * d->ih * d->iw * (int64_t)fc_dtype_bytes(d->dtype);
}

/* Images whose rows are copied at a time: what the caches hold, but for whole tiles of large ones. */
static int64_t images_at_once(const fc_conv2d_desc *d) {
    enum { BYTES = 4 << 20, LEAST = 12 };
    return fc_min64(d->n, fc_max64(LEAST, BYTES / row_bytes(d)));
}

static const char *refuse(const fc_conv2d_desc *d) {
    if (d->residual_strided) return "it takes a residual in planes alone";
    if (d->kh != d->ih || d->kw != d->iw || d->pad_top || d->pad_bottom || d->pad_left || d->pad_right)
        return "the window is not the whole map";
    if (d->oc > 1 && d->dst_stride[1] != 1) return "the results of an image do not lie side by side";
    return NULL;
}

static double cost(const fc_conv_problem *p) {
    /* of a call, which takes no scratch and converts nothing; to begin with a group; to fold a number of
     * outputs; bytes of weights from the second level in the time of one vector operation; to gather an
     * element of another order */
    enum { CALL = 700, GROUP = 150, FOLD = 110, BYTES = 26, ELEMENT = 3 };
    const fc_conv2d_desc *d = &p->desc;
    const int64_t vlen = p->kernels->vlen, ocg = d->oc / d->groups;
    const int64_t features = d->ic / d->groups * d->kh * d->kw;
    const double vectors = (double)ocg * (double)fc_div_up(features, vlen);
    const double vector = 1 + (double)vlen * (double)fc_dtype_bytes(d->dtype) / BYTES;
    const double folds = (double)fc_div_up(ocg, fc_max64(vlen, 8)) *
                         (double)fc_div_up(features, FC_DOT_PIECE);
    const double gathered = source_dense(d) ? 0 : (double)(d->ic * d->ih * d->iw);
    return CALL + (double)d->groups * (GROUP + vectors * vector + folds * FOLD) + gathered * ELEMENT;
}

static void prepare(fc_conv_problem *p) { (void)p; }

static size_t scratch_bytes(const fc_conv_problem *p, int threads) {
    (void)threads;
    return source_dense(&p->desc) ? 0 : (size_t)(images_at_once(&p->desc) * row_bytes(&p->desc));
}

typedef struct gather_job {
    const fc_conv_problem *problem;
    const void *src;
    char *rows;
} gather_job;

static void gather_image(void *context, int64_t image, int worker) {
    (void)worker;
    const gather_job *job = context;
    const fc_conv2d_desc *d = &job->problem->desc;
    const fc_copy_rows_args copy = {
        .src = (const char *)job->src + image * d->src_stride[0] * (int64_t)fc_dtype_bytes(d->dtype),
        .dst = job->rows + image * row_bytes(d),
        .channels = d->ic,
        .rows = d->ih,
        .pixels = d->iw,
        .fill = d->ih * d->iw,
        .src_channel = d->src_stride[1],
        .src_row = d->src_stride[2],
        .src_step = d->src_stride[3],
        .dst_channel = d->ih * d->iw,
    };
    job->problem->kernels->copy_rows(&copy);
}

static void execute(const fc_conv_problem *p, const fc_args *args, void *scratch, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), features = d->ic * d->ih * d->iw;
    const bool dense = source_dense(d);
    const int64_t step = dense ? d->n : images_at_once(d);
    fc_dot_rows rows = {
        .kernels = p->kernels,
        .dtype = (fc_dtype)d->dtype,
        .activation = d->activation,
        .groups = d->groups,
        .features = features / d->groups,
        .outputs = d->oc / d->groups,
        .src_row = dense ? d->src_stride[0] : features,
        .dst_row = d->dst_stride[0],
        .weights = args->packed ? args->packed : args->weights,
        .bias = d->has_bias ? args->bias : NULL,
    };
    for (int64_t first = 0; first < d->n; first += step) {
        rows.rows = fc_min64(step, d->n - first);
        rows.src = (const char *)args->src + first * d->src_stride[0] * bytes;
        rows.dst = (char *)args->dst + first * d->dst_stride[0] * bytes;
        if (d->has_residual) rows.residual = (const char *)args->residual + first * d->oc * bytes;
        if (!dense) {
            gather_job job = {p, rows.src, scratch};
            fc_parallel_tasks(fc_threads_for_bytes(threads, 4.0 * (double)(rows.rows * row_bytes(d))),
                              rows.dtype, rows.rows, gather_image, &job);
            rows.src = scratch;
        }
        fc_dot_rows_execute(&rows, threads);
    }
}

const fc_conv_driver fc_conv_linear = {
    .algorithm = FC_ALGO_LINEAR,
    .why = "the window is the whole map: dot products with the weights where they lie",
    .refuse = refuse,
    .cost = cost,
    .prepare = prepare,
    .packed_bytes = fc_dense_weights_bytes,
    .pack = fc_dense_weights_pack,
    .packing = fc_dense_weights_packing,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};
