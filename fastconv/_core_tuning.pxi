# Choices of algorithms that fastconv.tune measured, and which call each is for. Included by _core.pyx
# before the plans, which ask here when they are made.

# What of a call may decide: all that the engine's own choice may see, the shape of one image, its
# type, the kind of its layout, and the precision. Not the batch and not the threads, so that the bits of a result do
# not depend on them; `prepared` tells calls whose weights are packed already.
TUNED_FIELDS = (
    "dtype", "precision", "prepared", "layout", "padding_mode", "ic", "ih", "iw", "oc", "kh", "kw",
    "top", "bottom", "left", "right", "stride_h", "stride_w", "dilation_h", "dilation_w", "groups",
)
TUNED_LAYOUTS = ("nchw", "nhwc", "strided")

# TUNED_FIELDS' values -> algorithm, or None where nobody asked for tuned choices. Replaced as a
# whole and never changed, and read under the GIL by code that runs no Python.
cdef dict _tuned_choices = None
cdef str _tuned_source = None
cdef int64_t _tuned_generation = 0  # grows with each replacement: plans of an earlier one are stale


cdef str layout_kind(const fc_conv2d_desc *d):
    """Which neighbours in memory an image has; the stride of an axis of one element means nothing."""
    if d.iw == 1 or d.src_stride[3] == 1:
        return "nchw"
    if (d.ic == 1 or d.src_stride[1] == 1) and d.src_stride[3] >= d.ic:
        return "nhwc"
    return "strided"


cdef tuple tuned_call(const fc_conv2d_desc *d):
    """The values of TUNED_FIELDS."""
    return (
        "float64" if d.dtype == FC_F64 else "float32",
        ("strict", "default", "fast")[d.precision], not d.weights_strided, layout_kind(d),
        ("zeros", "reflect", "replicate", "circular")[d.border],
        d.ic, d.ih, d.iw, d.oc, d.kh, d.kw, d.pad_top, d.pad_bottom, d.pad_left, d.pad_right,
        d.stride_h, d.stride_w, d.dilation_h, d.dilation_w, d.groups,
    )


cdef fc_plan *tuned_plan(const fc_conv2d_desc *automatic) except? NULL:
    """The plan of the tuned choice for a call that names no algorithm; NULL if there is none, or the
    engine does not take it, or not at this precision (the file is not to be trusted)."""
    cdef dict choices = _tuned_choices
    cdef fc_conv2d_desc forced
    cdef fc_plan *plan = NULL
    cdef fc_plan_info info
    if choices is None or automatic.algorithm != FC_ALGO_AUTO:
        return NULL
    algorithm = choices.get(tuned_call(automatic))
    if algorithm is None:
        return NULL
    forced = automatic[0]
    forced.algorithm = algorithm
    if fc_conv2d_create(&forced, &plan) != FC_OK:
        return NULL
    info.struct_size = sizeof(info)
    fc_plan_query(plan, &info)
    if info.precision > automatic.precision:
        fc_plan_destroy(plan)
        return NULL
    return plan


def set_tuning(dict choices, str source):
    """Use these choices, {call: algorithm code}, from now on, or with None none; `source` is named
    where they are explained. Plans that were made before are forgotten."""
    global _tuned_choices, _tuned_source, _tuned_generation
    # In this order: whoever finds the new plans, or the new generation, finds the new choices too.
    _tuned_choices = None if choices is None else dict(choices)
    _tuned_source = source
    _tuned_generation += 1
    _conv2d_plans.forget()


def tuning():
    """(source, number of choices) in force, or None."""
    return None if _tuned_choices is None else (_tuned_source, len(_tuned_choices))
