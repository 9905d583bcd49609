# Convolution with weights that are packed once. Included by _core.pyx.

from cpython.buffer cimport PyBuffer_FillInfo


cdef enum:
    MOST_REMEMBERED = 8  # input layouts that an object remembers

# Packed forms that an object keeps. One serves most programs: the form depends on the algorithm and
# on the channels, not on the size of the images. A variable for the tests, which need a smaller one.
cdef int _most_packings = 4


def _limit_packings(int most):
    """Test hook: how many packed forms objects keep from now on; the number it was."""
    global _most_packings
    before, _most_packings = _most_packings, most
    return before


@cython.final
@cython.no_gc
cdef class Packed:
    """Owner of weights in one packed form. A call holds a reference, so that the block outlives it
    when another thread makes the object forget the form."""

    cdef void *block
    cdef Py_ssize_t size  # bytes, of a program's
    cdef object owner  # of a block that is not of the pool

    def __dealloc__(self):
        if self.owner is None:
            fc_pool_release(self.block)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.block, self.size, 1, flags)


@cython.final
@cython.no_gc
cdef class Remembered:
    """What calls with an input of one layout come to: nothing is left to check or to look up."""

    cdef Plan plan
    cdef Packed packed  # or None: the plan reads weights as they lie
    cdef int ndim
    cdef bint residual
    cdef int precision
    cdef cnp.npy_intp dims[4]  # of the input
    cdef cnp.npy_intp strides[4]
    cdef cnp.npy_intp result[4]
    cdef int64_t size  # bytes of the result


cdef class PreparedConv2d:
    """Convolution by weights of its own, in packed form. fastconv.Conv2d is what users see.

    `refuse(self, input, residual, out)` raises for a call that the checks refused, `shown` are the
    attributes. All else is as in conv2d, and in order: a weight of four axes, none of them empty,
    a bias of its dtype and channels.

    `borrowed` weights are not copied, where they can be read as they lie: whoever gives them makes another
    object when they change.

    Nothing changes after construction but what is remembered, and that under the GIL, without a
    lock that a fork could leave taken.
    """

    cdef readonly object stride, padding, dilation, groups, padding_mode, activation, algorithm
    cdef readonly object precision
    cdef object __weakref__
    cdef str op
    cdef int kind
    cdef Convolution how
    cdef object refuse
    cdef cnp.ndarray given_weight, given_bias  # frozen copies, dense, of the dtype given
    cdef cnp.ndarray used_weight, used_bias  # the same in the type of computation
    cdef dict packings  # (packing, packed_window) -> Packed, oldest first
    cdef list calls  # of Remembered, oldest first
    cdef Remembered latest

    def __cinit__(
        self, str op, cnp.ndarray weight not None, cnp.ndarray bias,
        int64_t stride_h, int64_t stride_w,
        int padding, int64_t top, int64_t bottom, int64_t left, int64_t right,
        int border, int64_t dilation_h, int64_t dilation_w, int64_t groups,
        int activation, int algorithm, int precision, object refuse, tuple shown not None,
        bint borrowed=False,
    ):
        cdef int kind = float_kind(weight)
        self.op = op
        self.kind = kind
        self.how = Convolution(
            padding, stride_h, stride_w, top, bottom, left, right, dilation_h, dilation_w, groups,
            border, activation, algorithm, precision)
        (self.stride, self.padding, self.dilation, self.groups, self.padding_mode,
         self.activation, self.algorithm, self.precision) = shown
        self.refuse = refuse
        if borrowed and is_native(weight, kind) and cnp.PyArray_IS_C_CONTIGUOUS(weight):
            self.given_weight = weight
        else:
            self.given_weight = frozen_copy(op, weight, kind)
        self.used_weight = computable(op, self.given_weight, kind)
        if bias is not None:
            self.given_bias = frozen_copy(op, bias, kind)
            self.used_bias = computable(op, self.given_bias, kind)
        self.packings = {}
        self.calls = []

    @property
    def weight(self):
        """The weights, a read-only view (OC, C/groups, KH, KW) of the dtype given."""
        return frozen_view(self.given_weight)

    @property
    def bias(self):
        """The bias, a read-only view (OC,) of the dtype given, or None."""
        return None if self.given_bias is None else frozen_view(self.given_bias)

    def __call__(self, input, *, residual=None, out=None, threads=None):
        """The convolution of `input`, (N, C, H, W) or (C, H, W): what functional.conv2d gives.

        residual, out, threads: as in functional.conv2d.
        """
        return self.answer(input, residual, out, threads, None)

    def probe(self, Probe probe not None, input, residual, out, threads):
        """A call with a probe; returns that."""
        return self.answer(input, residual, out, threads, probe)

    cdef object answer(self, object input, object residual, object out, object threads, Probe probe):
        cdef int count
        if threads is None:
            count = threads_in_force()
        else:
            count = thread_count(self.op, "threads", threads)
        result = self.run(input, residual, out, count, probe)
        if result is None:
            self.refuse(self, input, residual, out)
        return result

    cdef object run(self, object input, object residual, object out, int threads, Probe probe):
        """The result, or None if the arguments are refused."""
        cdef int kind = self.kind, work = compute_kind(kind), ndim
        cdef int precision = self.how.precision
        cdef cnp.ndarray x, result
        cdef cnp.ndarray r = None
        cdef cnp.ndarray w = self.used_weight
        cdef cnp.ndarray b = self.used_bias
        cdef cnp.npy_intp *kernel = cnp.PyArray_DIMS(w)
        cdef cnp.npy_intp found[4]
        cdef cnp.npy_intp *dims = found
        cdef Images src, dst
        cdef int64_t size, copied = 0
        cdef Convolution how
        cdef fc_args args
        cdef bint empty = False, direct_out = False
        cdef Remembered known
        cdef Plan plan
        cdef Packed packed

        # ---- acceptance
        if float_kind(input) != kind:
            return None
        x = <cnp.ndarray>input
        ndim = cnp.PyArray_NDIM(x)
        if precision == IN_FORCE:
            precision = precision_in_force()
        known = self.recall(x, residual is not None, precision)
        if known is not None:
            dims = known.result
            size = known.size
        else:
            how = self.how
            how.precision = precision
            if not convolution_fits(x, kernel, &how, work, dims, &size):
                return None
        if residual is not None:
            if float_kind(residual) != kind:
                return None
            r = <cnp.ndarray>residual
            if not same_dims(r, ndim, dims):
                return None
        if out is not None and not usable_out(out, ndim, dims, kind, x, r, None, None):
            return None

        # ---- plan
        if known is not None and (out is None or is_dense_out(out, kind)):
            plan = known.plan
            packed = known.packed
            direct_out = out is not None
        else:
            if known is not None:  # but not for an `out` that lies like this one
                how = self.how
                how.precision = precision
                convolution_fits(x, kernel, &how, work, dims, &size)
            x = images(self.op, x, kind, False, &src, &copied)
            empty = src.size[0] == 0
            if out is not None:
                direct_out = writable_images(<cnp.ndarray>out, kind, &dst)
            plan = convolution_plan(
                self.op, &how, work, &src, kernel, NULL, b is not None, r is not None, NULL,
                &dst if direct_out else NULL, &dims[ndim - 2])
            packed = self.packed_for(plan, threads)
            if known is None and x is input and not empty and (
                    not direct_out or is_dense_out(out, kind)):
                self.remember(x, plan, packed, r is not None, precision, dims, size)
        if r is not None:
            r = dense(self.op, r, kind, &copied)
        if probe is not None and probe.describe(
                self.op, plan, threads, copied, empty, packed is not None):
            return probe

        # ---- execution
        result = <cnp.ndarray>out if direct_out else new_array(self.op, ndim, dims, work, size)
        if not empty:
            memset(&args, 0, sizeof(args))
            args.src = cnp.PyArray_DATA(x)
            args.weights = cnp.PyArray_DATA(w)
            if packed is not None:
                args.packed = packed.block
            if b is not None:
                args.bias = cnp.PyArray_DATA(b)
            if r is not None:
                args.residual = cnp.PyArray_DATA(r)
            args.dst = cnp.PyArray_DATA(result)
            if probe is not None:
                probe.run(self.op, plan, &args)
                return probe
            execute(self.op, plan, &args, threads, <cnp.ndarray>input, result, copied)
        return finish(self.op, result, out, kind)

    cdef inline Remembered recall(self, cnp.ndarray x, bint residual, int precision):
        """What an earlier call with an input like this one came to, or None."""
        cdef Remembered call = self.latest
        if not is_native(x, self.kind):
            return None
        if call is not None and matches(call, x, residual, precision):
            return call
        for call in self.calls:
            if matches(call, x, residual, precision):
                self.latest = call
                return call
        return None

    cdef int remember(
        self, cnp.ndarray x, Plan plan, Packed packed, bint residual, int precision,
        const cnp.npy_intp *dims, int64_t size
    ) except -1:
        cdef Remembered call = Remembered.__new__(Remembered)
        cdef int ndim = cnp.PyArray_NDIM(x)
        call.plan = plan
        call.packed = packed
        call.ndim = ndim
        call.residual = residual
        call.precision = precision
        memcpy(call.dims, cnp.PyArray_DIMS(x), ndim * sizeof(cnp.npy_intp))
        memcpy(call.strides, cnp.PyArray_STRIDES(x), ndim * sizeof(cnp.npy_intp))
        memcpy(call.result, dims, ndim * sizeof(cnp.npy_intp))
        call.size = size
        if len(self.calls) >= MOST_REMEMBERED:
            del self.calls[0]
        self.calls.append(call)
        self.latest = call
        return 0

    cdef Packed packed_for(self, Plan plan, int threads):
        """The weights as the plan wants them, or None where it takes them as they lie.

        Packing happens under the GIL: a few milliseconds once, in which no other thread can begin
        the same.
        """
        cdef Packed packed
        cdef fc_status status
        if plan.info.packing == 0:
            return None
        form = plan.info.packing, plan.info.packed_window
        packed = self.packings.get(form)
        if packed is not None:
            return packed
        packed = Packed.__new__(Packed)
        packed.block = fc_pool_acquire(plan.info.packed_weight_bytes)
        if packed.block == NULL:
            raise MemoryError(
                f"{self.op}: out of memory: {plan.info.packed_weight_bytes} bytes were asked for "
                f"the packed weights; free other arrays"
            )
        status = fc_plan_pack(
            plan.handle, cnp.PyArray_DATA(self.used_weight), packed.block,
            allowed_threads(threads))
        if status != FC_OK:
            raise_status(self.op, status, 0)
        while len(self.packings) >= _most_packings:
            self.forget(next(iter(self.packings)))
        self.packings[form] = packed
        return packed

    cdef int forget(self, tuple form) except -1:
        """Drop a packed form, and what is remembered of calls that use it."""
        cdef Remembered call
        packed = self.packings.pop(form)
        self.calls = [call for call in self.calls if call.packed is not packed]
        self.latest = None
        return 0


cdef cnp.ndarray computable(str op, cnp.ndarray a, int kind):
    """The frozen array itself, or where it is float16 a frozen copy in float32."""
    return frozen_copy(op, a, cnp.NPY_FLOAT) if kind == cnp.NPY_FLOAT16 else a


cdef inline bint matches(
    Remembered call, cnp.ndarray x, bint residual, int precision
) noexcept:
    cdef size_t bytes = call.ndim * sizeof(cnp.npy_intp)
    return (call.plan.generation == _tuned_generation and call.residual == residual
            and call.precision == precision and same_dims(x, call.ndim, call.dims)
            and memcmp(cnp.PyArray_STRIDES(x), call.strides, bytes) == 0)
