#include "plan.h"

/* Each says in its own file what it cannot do, and estimates what it would take. */
static const fc_conv_driver *const conv_drivers[] = {
    &fc_conv_direct, &fc_conv_planar, &fc_conv_pointwise, &fc_conv_1x1,
    &fc_conv_im2col, &fc_conv_linear, &fc_conv_depthwise, &fc_conv_winograd_f2, &fc_conv_winograd_f4,
    &fc_conv_winograd_f6,
};

/* Best first; a later one is reached only through the refusals of the earlier ones. */
static const fc_pool_driver *const pool_drivers[] = {
    &fc_pool_indices,
    &fc_pool_channels,
    &fc_pool_global,
    &fc_pool_windows,
};

static const char *const not_asked = "another algorithm was asked for";
static const char *const later = "an earlier one took it";
static const char *const coarser = "it rounds more than the precision that was asked for";
static const char *const slower = "by its estimate it would take longer";

fc_precision fc_precision_of(const fc_conv_driver *driver, const fc_conv2d_desc *desc) {
    return driver->precision ? driver->precision(desc) : FC_PRECISION_STRICT;
}

fc_status fc_select_conv2d(fc_plan *plan) {
    const fc_algorithm asked = (fc_algorithm)plan->conv.desc.algorithm;
    double least = 0;
    for (size_t i = 0; i < sizeof conv_drivers / sizeof *conv_drivers; i++) {
        const fc_conv_driver *driver = conv_drivers[i];
        const char **refusal = &plan->refusal[driver->algorithm];
        *refusal = driver->refuse(&plan->conv.desc);
        if (!*refusal && asked != FC_ALGO_AUTO && asked != driver->algorithm) *refusal = not_asked;
        if (!*refusal && asked == FC_ALGO_AUTO && plan->conv.desc.precision < (int)fc_precision_of(driver, &plan->conv.desc))
            *refusal = coarser;
        if (*refusal) continue;
        const double cost = driver->cost(&plan->conv);
        if (plan->conv_driver && cost >= least) {
            *refusal = slower;
            continue;
        }
        if (plan->conv_driver) plan->refusal[plan->conv_driver->algorithm] = slower;
        plan->conv_driver = driver;
        least = cost;
    }
    if (!plan->conv_driver) return FC_ERR_UNSUPPORTED;
    plan->algorithm = plan->conv_driver->algorithm;
    plan->estimate = least;
    plan->reason = asked == FC_ALGO_AUTO ? plan->conv_driver->why : "asked for by the caller";
    return FC_OK;
}

fc_status fc_select_pool2d(const fc_pool2d_desc *desc, int64_t oh, int64_t ow, fc_plan *plan) {
    for (size_t i = 0; i < sizeof pool_drivers / sizeof *pool_drivers; i++) {
        const fc_pool_driver *driver = pool_drivers[i];
        const char **refusal = &plan->refusal[driver->algorithm];
        *refusal = driver->refuse(desc, oh, ow);
        if (!*refusal && plan->pool_driver) *refusal = later;
        if (!*refusal) plan->pool_driver = driver;
    }
    if (!plan->pool_driver) return FC_ERR_UNSUPPORTED;
    plan->algorithm = plan->pool_driver->algorithm;
    plan->reason = plan->pool_driver->why;
    return FC_OK;
}
