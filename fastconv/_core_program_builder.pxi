# Programs in the making, operation by operation. Included by _core.pyx.


cdef int set_strides(int64_t *stride, const int64_t *size, int rank, object given) except -1:
    """Those given, or with None the dense ones."""
    cdef int axis
    if given is None:
        stride[rank - 1] = 1
        for axis in range(rank - 2, -1, -1):
            stride[axis] = stride[axis + 1] * size[axis + 1]
        return 0
    if len(given) != rank:
        raise ValueError(f"program: strides {given!r} are {len(given)}, expected {rank}")
    for axis in range(rank):
        stride[axis] = given[axis]
    return 0


cdef inline int64_t stride_or(object given, int64_t dense) except? -1:
    return dense if given is None else given


@cython.final
cdef class ProgramBuilder(StepList):
    """Steps of a program, one method call each, which returns the step's number.

    Operands are tuples (place, argument, offset_bytes, advance_bytes): in the arena (argument 0), in a
    worker's memory (0) or in an argument, where the program's repeats of a section advance. Sizes and strides are in elements;
    strides that are None are dense. Weights are arrays or Weights of the store; they and all other
    parameters are of the program's dtype and must not change.

    Args:
        dtype: "float32" or "float64".
        store: where packed weights are found and kept.
        threads: to pack with.
    """

    # ---- convolutions and linear layers

    def conv2d(
        self, int64_t n, int64_t ic, int64_t ih, int64_t iw, weight, bias, stride, padding, dilation,
        int64_t groups, int border, int activation, int precision, int algorithm,
        src_stride, dst_stride, src, dst, residual=None, residual_stride=None,
    ):
        """weight (oc, ic/groups, kh, kw). residual, if any, is apart from dst, and dense or, as dst is,
        channels last."""
        cdef Weight w = self.weight("conv2d", weight, 4)
        cdef Plan plan = self.convolution(
            n, ic, ih, iw, w, bias is not None, stride, padding, dilation, groups, border, activation,
            precision, algorithm, src_stride, dst_stride, residual is not None, residual_stride)
        return self.append(
            "conv2d", plan, src, dst, residual, w, groups,
            {"bias": self.vector("conv2d", "bias", bias, w.dims[0])})

    def conv2d_estimate(
        self, int64_t ic, int64_t ih, int64_t iw, weight, bias, stride, padding, dilation,
        int64_t groups, int border, int activation, int precision, int algorithm, src_stride,
        dst_stride, bint residual, residual_stride,
    ):
        """Half cycles that one image is expected to take on one thread."""
        return self.convolution(
            1, ic, ih, iw, self.weight("conv2d", weight, 4), bias is not None, stride, padding, dilation,
            groups, border, activation, precision, algorithm, src_stride, dst_stride, residual,
            residual_stride).info.estimate

    cdef Plan convolution(
        self, int64_t n, int64_t ic, int64_t ih, int64_t iw, Weight w, bint biased, stride, padding,
        dilation, int64_t groups, int border, int activation, int precision, int algorithm, src_stride,
        dst_stride, bint residual, residual_stride,
    ):
        cdef Convolution how
        cdef Images x, y
        cdef int64_t beside[4]
        cdef cnp.npy_intp pixels[2]
        how.padding = PADDING_NUMBERS
        how.stride_h, how.stride_w = stride
        how.top, how.bottom, how.left, how.right = padding
        how.dilation_h, how.dilation_w = dilation
        how.groups = groups
        how.border = border
        how.activation = activation
        how.algorithm = algorithm
        how.precision = precision_in_force() if precision == IN_FORCE else precision
        if (n < 1 or groups < 1 or how.stride_h < 1 or how.stride_w < 1 or how.dilation_h < 1
                or how.dilation_w < 1 or ic % groups != 0 or ic // groups != w.dims[1]):
            raise ValueError(
                f"conv2d: weights {w.shape}, {n} images of {ic} channels, groups {groups}, stride "
                f"{stride} and dilation {dilation} do not go together"
            )
        pixels[0] = window_count(ih, how.top, how.bottom, w.dims[2], how.stride_h, how.dilation_h, 0)
        pixels[1] = window_count(iw, how.left, how.right, w.dims[3], how.stride_w, how.dilation_w, 0)
        if pixels[0] < 1 or pixels[1] < 1:
            raise ValueError(
                f"conv2d: {ih} x {iw} pixels with padding {padding} hold no window of {w.shape[2:]} with "
                f"dilation {dilation}"
            )
        x.size[0], x.size[1], x.size[2], x.size[3] = n, ic, ih, iw
        set_strides(x.stride, x.size, 4, src_stride)
        y.size[0], y.size[1], y.size[2], y.size[3] = n, w.dims[0], pixels[0], pixels[1]
        set_strides(y.stride, y.size, 4, dst_stride)
        if residual_stride is not None:
            set_strides(beside, y.size, 4, residual_stride)
        return convolution_plan(
            "conv2d", &how, self.kind, &x, w.dims, NULL, biased, residual,
            beside if residual_stride is not None else NULL, &y, pixels)

    def conv_transpose2d(
        self, int64_t n, int64_t ic, int64_t ih, int64_t iw, weight, bias, stride, padding,
        output_padding, dilation, int64_t groups, int activation, int precision,
        src_stride, dst_stride, src, dst,
    ):
        """weight (ic, oc/groups, kh, kw)."""
        cdef Weight w = self.weight("conv_transpose2d", weight, 4)
        cdef fc_conv_transpose2d_desc desc
        cdef int64_t shape[4]
        cdef Plan plan
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.activation = activation
        desc.precision = precision_in_force() if precision == IN_FORCE else precision
        desc.has_bias = bias is not None
        desc.stride_h, desc.stride_w = stride
        desc.pad_top, desc.pad_bottom, desc.pad_left, desc.pad_right = padding
        desc.output_pad_h, desc.output_pad_w = output_padding
        desc.dilation_h, desc.dilation_w = dilation
        desc.groups = groups
        if ic != w.dims[0] or groups < 1 or w.dims[1] > INT64_MAX // groups:
            raise ValueError(
                f"conv_transpose2d: weights {w.shape}, {ic} channels and groups {groups} do not go "
                f"together"
            )
        desc.n, desc.ic, desc.ih, desc.iw = n, ic, ih, iw
        desc.oc, desc.kh, desc.kw = w.dims[1] * groups, w.dims[2], w.dims[3]
        shape[0], shape[1], shape[2], shape[3] = n, ic, ih, iw
        set_strides(desc.src_stride, shape, 4, src_stride)
        shape[1] = desc.oc
        shape[2] = transposed_size(ih, desc.pad_top, desc.pad_bottom, desc.kh, desc.stride_h,
                                   desc.dilation_h, desc.output_pad_h)
        shape[3] = transposed_size(iw, desc.pad_left, desc.pad_right, desc.kw, desc.stride_w,
                                   desc.dilation_w, desc.output_pad_w)
        set_strides(desc.dst_stride, shape, 4, dst_stride)
        plan = _conv_transpose2d_plans.get("conv_transpose2d", &desc, sizeof(desc))
        return self.append(
            "conv_transpose2d", plan, src, dst, None, w, groups,
            {"bias": self.vector("conv_transpose2d", "bias", bias, desc.oc)})

    def linear(self, int64_t rows, weight, bias, int activation, src_row_stride, src, dst):
        """weight (out, in)."""
        cdef Weight w = self.weight("linear", weight, 2)
        cdef Plan plan = linear_plan(
            self.kind, rows, w.dims[0], w.dims[1], stride_or(src_row_stride, w.dims[1]), activation,
            bias is not None, w.bf16)
        return self.append(
            "linear", plan, src, dst, None, w, 1,
            {"bias": self.vector("linear", "bias", bias, w.dims[0])})

    # ---- pooling and resampling

    def pool2d(
        self, int64_t n, int64_t c, int64_t ih, int64_t iw, int kind, kernel, stride, padding,
        dilation, bint ceil_mode, bint count_include_pad, int64_t divisor, double norm, src_stride,
        src, dst, dst_stride=None,
    ):
        """kind: POOL_MAX, POOL_AVG or POOL_LP, whose norm is not 0. dst_stride: channels last, of src too.
        """
        cdef fc_pool2d_desc desc
        self.describe_pool(&desc, n, c, ih, iw, kind, src_stride, dst_stride)
        desc.kh, desc.kw = kernel
        desc.stride_h, desc.stride_w = stride
        desc.pad_top, desc.pad_bottom, desc.pad_left, desc.pad_right = padding
        desc.dilation_h, desc.dilation_w = dilation
        desc.ceil_mode = ceil_mode
        desc.count_include_pad = count_include_pad
        desc.divisor_override = divisor
        desc.norm = norm
        return self.append(
            "pool2d", _pool2d_plans.get("pool2d", &desc, sizeof(desc)), src, dst, None, None, 1, {})

    def adaptive_pool2d(
        self, int64_t n, int64_t c, int64_t ih, int64_t iw, int kind, size, src_stride, src, dst,
        dst_stride=None,
    ):
        """size: rows and columns of the result. dst_stride as in pool2d."""
        cdef fc_pool2d_desc desc
        self.describe_pool(&desc, n, c, ih, iw, kind, src_stride, dst_stride)
        desc.adaptive = True
        desc.count_include_pad = True
        desc.oh, desc.ow = size
        return self.append(
            "adaptive_pool2d", _pool2d_plans.get("adaptive_pool2d", &desc, sizeof(desc)), src, dst,
            None, None, 1, {})

    cdef int describe_pool(
        self, fc_pool2d_desc *desc, int64_t n, int64_t c, int64_t ih, int64_t iw, int kind, src_stride,
        dst_stride,
    ) except -1:
        cdef int64_t shape[4]
        memset(desc, 0, sizeof(desc[0]))
        desc.struct_size = sizeof(desc[0])
        desc.dtype = engine_dtype(self.kind)
        desc.direction = FC_FORWARD
        desc.src_layout = desc.dst_layout = FC_LAYOUT_STRIDED
        desc.kind = kind
        desc.n, desc.c, desc.ih, desc.iw = n, c, ih, iw
        shape[0], shape[1], shape[2], shape[3] = n, c, ih, iw
        set_strides(desc.src_stride, shape, 4, src_stride)
        desc.dst_strided = dst_stride is not None
        if desc.dst_strided:
            set_strides(desc.dst_stride, NULL, 4, dst_stride)
        return 0

    def interpolate(
        self, int64_t n, int64_t c, int64_t ih, int64_t iw, int64_t oh, int64_t ow, int mode,
        double scale_h, double scale_w, bint doubling, src_stride, src, dst,
    ):
        """mode: one of INTERPOLATION_CODES; scale: source pixels a result pixel."""
        cdef fc_interpolate_desc desc
        cdef int64_t shape[4]
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.mode = mode
        desc.doubling = doubling
        desc.n, desc.c, desc.ih, desc.iw, desc.oh, desc.ow = n, c, ih, iw, oh, ow
        desc.scale_h, desc.scale_w = scale_h, scale_w
        shape[0], shape[1], shape[2], shape[3] = n, c, ih, iw
        set_strides(desc.src_stride, shape, 4, src_stride)
        return self.append(
            "interpolate", _interpolate_plans.get("interpolate", &desc, sizeof(desc)), src, dst, None,
            None, 1, {})

    def pad(self, size, before, after, int border, double value, src_stride, src, dst):
        """size, before and after have a number for each of up to eight axes."""
        cdef fc_pad_desc desc
        cdef int rank = len(size), first = FC_PAD_RANK - rank, axis
        if not 1 <= rank <= FC_PAD_RANK or len(before) != rank or len(after) != rank:
            raise ValueError(
                f"pad: size {size!r}, before {before!r} and after {after!r} must have a number for each "
                f"of one to {FC_PAD_RANK} axes"
            )
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.border = border
        desc.rank = rank
        desc.value = value
        for axis in range(FC_PAD_RANK):
            desc.size[axis] = size[axis - first] if axis >= first else 1
            desc.before[axis] = before[axis - first] if axis >= first else 0
            desc.after[axis] = after[axis - first] if axis >= first else 0
        set_strides(&desc.src_stride[first], &desc.size[first], rank, src_stride)
        return self.append(
            "pad", _pad_plans.get("pad", &desc, sizeof(desc)), src, dst, None, None, 1, {})

    # ---- elements, rows and channels

    def unary(self, int64_t count, int activation, double alpha, double beta, src, dst):
        """An activation, or with none a copy. src may be dst."""
        cdef fc_unary_desc desc
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.activation = activation
        desc.alpha, desc.beta, desc.count = alpha, beta, count
        return self.append(
            "unary", _unary_plans.get("unary", &desc, sizeof(desc)), src, dst, None, None, 1, {})

    def add(
        self, int64_t rows, int64_t length, int activation, src_row_stride, residual_row_stride,
        dst_row_stride, src, dst, residual=None,
    ):
        """dst[r][i] = act(src[r][i] + residual[r][i]); src and residual may be dst."""
        cdef fc_add_desc desc
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.activation = activation
        desc.has_residual = residual is not None
        desc.rows, desc.length = rows, length
        desc.src_row_stride = stride_or(src_row_stride, length)
        desc.residual_row_stride = stride_or(residual_row_stride, length)
        desc.dst_row_stride = stride_or(dst_row_stride, length)
        return self.append(
            "add", _add_plans.get("add", &desc, sizeof(desc)), src, dst, residual, None, 1, {})

    def scale(
        self, int64_t rows, int64_t channels, int64_t inner, src_row_stride, dst_row_stride, src,
        factor, dst,
    ):
        """dst[r][c][p] = src[r][c][p] * factor[r][c], factor dense; src may be dst."""
        cdef fc_scale_desc desc
        cdef int64_t length
        if rows < 1 or channels < 1 or inner < 1 or inner > INT64_MAX // channels:
            raise ValueError(f"scale: {rows} rows of {channels} x {inner} elements")
        length = channels * inner
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.rows, desc.channels, desc.inner = rows, channels, inner
        desc.src_row_stride = stride_or(src_row_stride, length)
        desc.dst_row_stride = stride_or(dst_row_stride, length)
        return self.append(
            "scale", _scale_plans.get("scale", &desc, sizeof(desc)), src, dst, factor, None, 1, {})

    def batch_norm(
        self, int64_t outer, int64_t channels, int64_t inner, weight, bias, mean, variance,
        double epsilon, int activation, src, dst,
    ):
        """By known statistics; weight and bias may be None, src may be dst."""
        cdef fc_channelwise_desc desc
        self.describe_channels(&desc, FC_CHANNELWISE_NORM, outer, channels, inner)
        desc.activation = activation
        desc.has_weights = weight is not None
        desc.has_bias = bias is not None
        desc.epsilon = epsilon
        parameters = {
            name: self.vector("batch_norm", name, value, channels)
            for name, value in (
                ("weight", weight), ("bias", bias), ("mean", mean), ("variance", variance))
        }
        if mean is None or variance is None:
            raise ValueError("batch_norm: mean and variance must be arrays; both are None in training")
        return self.append(
            "batch_norm", _channelwise_plans.get("batch_norm", &desc, sizeof(desc)), src, dst, None,
            None, 1, parameters)

    def prelu(self, int64_t outer, int64_t channels, int64_t inner, weight not None, src, dst):
        """weight (channels,); src may be dst."""
        cdef fc_channelwise_desc desc
        self.describe_channels(&desc, FC_CHANNELWISE_PRELU, outer, channels, inner)
        desc.has_weights = True
        return self.append(
            "prelu", _channelwise_plans.get("prelu", &desc, sizeof(desc)), src, dst, None, None, 1,
            {"weight": self.vector("prelu", "weight", weight, channels)})

    cdef int describe_channels(
        self, fc_channelwise_desc *desc, int kind, int64_t outer, int64_t channels, int64_t inner
    ) except -1:
        memset(desc, 0, sizeof(desc[0]))
        desc.struct_size = sizeof(desc[0])
        desc.dtype = engine_dtype(self.kind)
        desc.kind = kind
        desc.outer, desc.channels, desc.inner = outer, channels, inner
        return 0

    def lrn(
        self, int64_t outer, int64_t channels, int64_t inner, int64_t size, int64_t before,
        double alpha, double beta, double k, src, dst,
    ):
        """`size` channels of each window, `before` of them before its own."""
        cdef fc_lrn_desc desc
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.alpha, desc.beta, desc.k = alpha, beta, k
        desc.size, desc.before = size, before
        desc.outer, desc.channels, desc.inner = outer, channels, inner
        return self.append(
            "lrn", _lrn_plans.get("lrn", &desc, sizeof(desc)), src, dst, None, None, 1, {})

    def softmax(self, int64_t outer, int64_t length, int64_t inner, bint logarithm, src, dst):
        """Over `length`; src may be dst."""
        cdef fc_softmax_desc desc
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(self.kind)
        desc.logarithm = logarithm
        desc.outer, desc.length, desc.inner = outer, length, inner
        return self.append(
            "softmax", _softmax_plans.get("softmax", &desc, sizeof(desc)), src, dst, None, None, 1, {})
