# Plans, their cache, and the one place where the engine is executed. Included by _core.pyx.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItemWithError
from cpython.list cimport PyList_GET_ITEM


cdef enum:
    RECENT_PLANS = 64
    # Below both of these a call takes some microseconds at most, on any tier.
    BRIEF_FLOPS = 10_000
    BRIEF_BYTES = 16_384


@cython.final
@cython.no_gc
cdef class Plan:
    """Owner of an fc_plan. Whoever executes it holds a reference, so that eviction by another
    thread destroys it only afterwards."""

    cdef fc_plan *handle
    cdef fc_plan_info info
    cdef bytes key  # its descriptor
    cdef bint brief  # over before another thread could make use of the GIL
    cdef bytes reason  # of a tuned choice
    cdef int automatic  # the algorithm that the engine chooses itself
    cdef int64_t generation  # of the tuned choices that were in force

    def __dealloc__(self):
        fc_plan_destroy(self.handle)


@cython.final
cdef class PlanCache:
    """Plans of one operation by the bytes of their descriptor; the oldest leaves when it is full.

    The key is bytes, so hashing and comparing run no Python code: under the GIL each step is
    atomic, and there is no lock that a fork could leave taken. To make the key and hash it as
    Python does takes as long as computing a small image, so the plans used last are also found by
    a quicker hash, which keeps one plan for each of its values.
    """

    cdef dict plans
    cdef list recent  # by the quick hash; None or a plan of the dict
    cdef int code
    cdef Py_ssize_t limit

    def __cinit__(self, int code, Py_ssize_t limit):
        self.plans = {}
        self.recent = [None] * RECENT_PLANS
        self.code = code
        self.limit = limit

    cdef int forget(self) except -1:
        """Drop all plans. Who is making one now, keeps it with the old ones."""
        self.plans = {}
        self.recent = [None] * RECENT_PLANS
        return 0

    cdef inline Plan get(self, str op, const void *desc, Py_ssize_t size):
        cdef Py_ssize_t slot = quick_hash(desc, size) % RECENT_PLANS
        found = <object>PyList_GET_ITEM(self.recent, slot)
        if found is not None and memcmp(
                PyBytes_AS_STRING((<Plan>found).key), desc, <size_t>size) == 0:
            return <Plan>found
        return self.find(op, desc, size, slot)

    cdef Plan find(self, str op, const void *desc, Py_ssize_t size, Py_ssize_t slot):
        cdef bytes key = PyBytes_FromStringAndSize(<const char *>desc, size)
        cdef dict plans = self.plans  # set_tuning may put others in their place meanwhile
        cdef list recent = self.recent
        cdef PyObject *found = PyDict_GetItemWithError(plans, key)
        cdef Plan plan, oldest
        cdef Py_ssize_t its_slot
        if found != NULL:
            plan = <Plan>found
        else:
            plan = self.create(op, desc)
            plan.key = key
            if len(plans) >= self.limit:
                oldest = plans.pop(next(iter(plans)))
                its_slot = quick_hash(PyBytes_AS_STRING(oldest.key), size) % RECENT_PLANS
                if recent[its_slot] is oldest:
                    recent[its_slot] = None
            plans[key] = plan
        recent[slot] = plan
        return plan

    cdef Plan create(self, str op, const void *desc):
        cdef Plan plan = Plan.__new__(Plan)
        cdef fc_plan *tuned = NULL
        cdef fc_status status
        plan.generation = _tuned_generation
        if self.code == FC_OP_CONV2D:
            status = fc_conv2d_create(<const fc_conv2d_desc *>desc, &plan.handle)
        elif self.code == FC_OP_CONV_TRANSPOSE2D:
            status = fc_conv_transpose2d_create(
                <const fc_conv_transpose2d_desc *>desc, &plan.handle)
        elif self.code == FC_OP_CONV2D_WEIGHT_GRADIENT:
            status = fc_conv2d_weight_gradient_create(
                <const fc_conv2d_weight_gradient_desc *>desc, &plan.handle)
        elif self.code == FC_OP_CHANNEL_SUMS:
            status = fc_channel_sums_create(<const fc_channel_sums_desc *>desc, &plan.handle)
        elif self.code == FC_OP_POOL2D:
            status = fc_pool2d_create(<const fc_pool2d_desc *>desc, &plan.handle)
        elif self.code == FC_OP_LINEAR:
            status = fc_linear_create(<const fc_linear_desc *>desc, &plan.handle)
        elif self.code == FC_OP_UNARY:
            status = fc_unary_create(<const fc_unary_desc *>desc, &plan.handle)
        elif self.code == FC_OP_UNARY_GRADIENT:
            status = fc_unary_gradient_create(<const fc_unary_desc *>desc, &plan.handle)
        elif self.code == FC_OP_CHANNELWISE:
            status = fc_channelwise_create(<const fc_channelwise_desc *>desc, &plan.handle)
        elif self.code == FC_OP_CHANNEL_GRADIENT:
            status = fc_channel_gradient_create(
                <const fc_channel_gradient_desc *>desc, &plan.handle)
        elif self.code == FC_OP_UNPOOL:
            status = fc_unpool_create(<const fc_unpool_desc *>desc, &plan.handle)
        elif self.code == FC_OP_PAD:
            status = fc_pad_create(<const fc_pad_desc *>desc, &plan.handle)
        elif self.code == FC_OP_UNFOLD:
            status = fc_unfold_create(<const fc_unfold_desc *>desc, &plan.handle)
        elif self.code == FC_OP_FOLD:
            status = fc_fold_create(<const fc_unfold_desc *>desc, &plan.handle)
        elif self.code == FC_OP_INTERPOLATE:
            status = fc_interpolate_create(<const fc_interpolate_desc *>desc, &plan.handle)
        elif self.code == FC_OP_POOL2D_GRADIENT:
            status = fc_pool2d_gradient_create(<const fc_pool2d_desc *>desc, &plan.handle)
        elif self.code == FC_OP_MAX_POOL_GRADIENT:
            status = fc_max_pool_gradient_create(<const fc_unpool_desc *>desc, &plan.handle)
        elif self.code == FC_OP_UNPOOL_GRADIENT:
            status = fc_unpool_gradient_create(<const fc_unpool_desc *>desc, &plan.handle)
        elif self.code == FC_OP_PAD_GRADIENT:
            status = fc_pad_gradient_create(<const fc_pad_desc *>desc, &plan.handle)
        elif self.code == FC_OP_INTERPOLATE_GRADIENT:
            status = fc_interpolate_gradient_create(
                <const fc_interpolate_desc *>desc, &plan.handle)
        elif self.code == FC_OP_LRN:
            status = fc_lrn_create(<const fc_lrn_desc *>desc, &plan.handle)
        elif self.code == FC_OP_LRN_GRADIENT:
            status = fc_lrn_gradient_create(<const fc_lrn_desc *>desc, &plan.handle)
        elif self.code == FC_OP_SOFTMAX_GRADIENT:
            status = fc_softmax_gradient_create(<const fc_softmax_desc *>desc, &plan.handle)
        elif self.code == FC_OP_ADD:
            status = fc_add_create(<const fc_add_desc *>desc, &plan.handle)
        elif self.code == FC_OP_SCALE:
            status = fc_scale_create(<const fc_scale_desc *>desc, &plan.handle)
        elif self.code == FC_OP_CROSS_ENTROPY:
            status = fc_cross_entropy_create(<const fc_cross_entropy_desc *>desc, &plan.handle)
        else:
            status = fc_softmax_create(<const fc_softmax_desc *>desc, &plan.handle)
        if status != FC_OK:
            plan.handle = NULL
            if (status == FC_ERR_UNSUPPORTED and self.code == FC_OP_CONV2D
                    and (<const fc_conv2d_desc *>desc).algorithm != FC_ALGO_AUTO):
                self.explain_refusal(op, <const fc_conv2d_desc *>desc)
            raise_status(op, status, 0)
        plan.info.struct_size = sizeof(fc_plan_info)
        fc_plan_query(plan.handle, &plan.info)
        plan.automatic = plan.info.algorithm
        if self.code == FC_OP_CONV2D:
            tuned = tuned_plan(<const fc_conv2d_desc *>desc)
        if tuned != NULL:
            fc_plan_destroy(plan.handle)
            plan.handle = tuned
            fc_plan_query(tuned, &plan.info)
            plan.reason = (
                f"measured as faster than {algorithm_name(plan.automatic)} by fastconv.tune: "
                f"{_tuned_source}"
            ).encode("utf-8", "replace")
            plan.info.reason = plan.reason
        plan.brief = plan.info.flops <= BRIEF_FLOPS and (
            plan.info.src_bytes + plan.info.weight_bytes + plan.info.dst_bytes <= BRIEF_BYTES)
        return plan

    cdef int explain_refusal(self, str op, const fc_conv2d_desc *forced) except -1:
        """Raise with the engine's own reason for not taking the forced algorithm."""
        cdef fc_conv2d_desc automatic = forced[0]
        cdef Plan plan
        cdef const char *reason
        automatic.algorithm = FC_ALGO_AUTO
        plan = self.get(op, &automatic, sizeof(automatic))
        reason = plan.info.refusal[forced.algorithm]
        raise ValueError(
            f"{op}: algorithm {algorithm_name(forced.algorithm)!r} does not take this shape: "
            f"{'no reason given' if reason == NULL else text(reason)}; give algorithm=None to let "
            f"the engine choose (here {algorithm_name(plan.info.algorithm)!r})"
        )


# At most some 1500 plans in all.
cdef PlanCache _conv2d_plans = PlanCache(FC_OP_CONV2D, 512)
cdef PlanCache _conv_transpose2d_plans = PlanCache(FC_OP_CONV_TRANSPOSE2D, 64)
cdef PlanCache _conv2d_weight_gradient_plans = PlanCache(FC_OP_CONV2D_WEIGHT_GRADIENT, 128)
cdef PlanCache _channel_sums_plans = PlanCache(FC_OP_CHANNEL_SUMS, 64)
cdef PlanCache _pool2d_plans = PlanCache(FC_OP_POOL2D, 256)
cdef PlanCache _linear_plans = PlanCache(FC_OP_LINEAR, 128)
cdef PlanCache _unary_plans = PlanCache(FC_OP_UNARY, 64)
cdef PlanCache _unary_gradient_plans = PlanCache(FC_OP_UNARY_GRADIENT, 32)
cdef PlanCache _softmax_plans = PlanCache(FC_OP_SOFTMAX, 64)
cdef PlanCache _softmax_gradient_plans = PlanCache(FC_OP_SOFTMAX_GRADIENT, 32)
cdef PlanCache _cross_entropy_plans = PlanCache(FC_OP_CROSS_ENTROPY, 32)
cdef PlanCache _add_plans = PlanCache(FC_OP_ADD, 32)
cdef PlanCache _scale_plans = PlanCache(FC_OP_SCALE, 32)
cdef PlanCache _channelwise_plans = PlanCache(FC_OP_CHANNELWISE, 64)
cdef PlanCache _channel_gradient_plans = PlanCache(FC_OP_CHANNEL_GRADIENT, 64)
cdef PlanCache _lrn_plans = PlanCache(FC_OP_LRN, 16)
cdef PlanCache _lrn_gradient_plans = PlanCache(FC_OP_LRN_GRADIENT, 16)
cdef PlanCache _unpool_plans = PlanCache(FC_OP_UNPOOL, 32)
cdef PlanCache _pad_plans = PlanCache(FC_OP_PAD, 64)
cdef PlanCache _unfold_plans = PlanCache(FC_OP_UNFOLD, 32)
cdef PlanCache _fold_plans = PlanCache(FC_OP_FOLD, 32)
cdef PlanCache _interpolate_plans = PlanCache(FC_OP_INTERPOLATE, 64)
cdef PlanCache _pool2d_gradient_plans = PlanCache(FC_OP_POOL2D_GRADIENT, 64)
cdef PlanCache _max_pool_gradient_plans = PlanCache(FC_OP_MAX_POOL_GRADIENT, 64)
cdef PlanCache _unpool_gradient_plans = PlanCache(FC_OP_UNPOOL_GRADIENT, 32)
cdef PlanCache _pad_gradient_plans = PlanCache(FC_OP_PAD_GRADIENT, 64)
cdef PlanCache _interpolate_gradient_plans = PlanCache(FC_OP_INTERPOLATE_GRADIENT, 64)


def _plan_count():
    """Test hook: the number of plans kept, of all operations."""
    return sum([len((<PlanCache>cache).plans) for cache in (
        _conv2d_plans, _conv_transpose2d_plans, _conv2d_weight_gradient_plans, _channel_sums_plans,
        _pool2d_plans, _linear_plans, _unary_plans,
        _softmax_plans, _channelwise_plans, _lrn_plans, _unpool_plans, _add_plans, _scale_plans,
        _unary_gradient_plans, _softmax_gradient_plans, _cross_entropy_plans,
        _channel_gradient_plans, _lrn_gradient_plans,
        _pad_plans, _unfold_plans, _fold_plans, _interpolate_plans,
        _pool2d_gradient_plans, _max_pool_gradient_plans, _unpool_gradient_plans,
        _pad_gradient_plans, _interpolate_gradient_plans)])


cdef inline str text(const char *message):
    return message.decode("utf-8", "replace")


cdef inline str algorithm_name(int algorithm):
    return text(fc_algorithm_name(<fc_algorithm>algorithm))


cdef inline str tier_name(int isa):
    return text(fc_isa_name(<fc_isa>isa))


cdef int raise_status(str op, fc_status status, size_t scratch) except -1:
    message = text(fc_status_str(status))
    if status == FC_ERR_OUT_OF_MEMORY:
        if scratch:
            raise MemoryError(
                f"{op}: {message}: {scratch} bytes of scratch were asked for; nothing was written; "
                f"free other arrays or give fewer threads"
            )
        raise MemoryError(f"{op}: {message}, where a few kilobytes were asked for; free arrays")
    if status == FC_ERR_OVERFLOW:
        raise ValueError(
            f"{op}: the arguments describe something too large: {message}; work on smaller pieces"
        )
    if (status == FC_ERR_INVALID_ARGUMENT or status == FC_ERR_INVALID_SHAPE
            or status == FC_ERR_UNSUPPORTED):
        raise ValueError(
            f"{op}: the engine refused the arguments: {message}; see help(fastconv.functional)"
        )
    raise RuntimeError(f"{op}: {message} (status {<int>status})")


cdef int check_shape(str op, Plan plan, int64_t a, int64_t b, int64_t c, int64_t d) except -1:
    """The engine writes the shape it derived itself: a different one would overrun the result."""
    cdef const int64_t *shape = plan.info.dst_shape
    if shape[0] != a or shape[1] != b or shape[2] != c or shape[3] != d:
        raise RuntimeError(
            f"{op}: the engine derives the result shape "
            f"{(shape[0], shape[1], shape[2], shape[3])} where {(a, b, c, d)} was expected; "
            f"this is a defect of fastconv, please report it"
        )
    return 0


# ---- execution ----------------------------------------------------------------------------------

# One flag for both observers, so that an unobserved call pays one test.
cdef bint _watched = False
cdef bint _verbose = False
cdef list _record = None


def _trace(record):
    """Test hook: append (op, algorithm, tier, threads) to a list at each execution; None stops."""
    global _record, _watched
    _record = record
    _watched = _verbose or _record is not None


def set_verbose(bint on):
    """Write one line to stderr for each execution."""
    global _verbose, _watched
    _verbose = on
    _watched = _verbose or _record is not None


cdef inline int allowed_threads(int threads) noexcept:
    """`threads`, within what omp_set_num_threads (threadpoolctl) left to this thread."""
    cdef int limit = thread_limit()
    return limit if 0 < limit < threads else threads


cdef int execute(
    str op, Plan plan, fc_args *args, int threads, cnp.ndarray src, cnp.ndarray dst, int64_t copied
) except -1:
    cdef fc_status status
    cdef int used = allowed_threads(threads)
    args.struct_size = sizeof(fc_args)
    if _watched:
        status = execute_watched(op, plan, args, used, src, dst, copied)
    elif plan.brief:
        # To let the GIL go and take it again would cost a quarter as much as the call.
        status = fc_execute(plan.handle, args, used)
    else:
        with nogil:
            status = fc_execute(plan.handle, args, used)
    if status != FC_OK:
        raise_status(
            op, status, fc_plan_scratch_bytes(plan.handle, used, args.packed != NULL))
    return 0


cdef fc_status execute_watched(
    str op, Plan plan, fc_args *args, int threads, cnp.ndarray src, cnp.ndarray dst, int64_t copied
) except *:
    cdef fc_status status
    cdef str algorithm = algorithm_name(plan.info.algorithm), tier = tier_name(plan.info.isa)
    start = perf_counter_ns()
    with nogil:
        status = fc_execute(plan.handle, args, threads)
    elapsed = perf_counter_ns() - start
    if status != FC_OK:
        return status
    threads = fc_plan_threads(plan.handle, threads)
    record = _record
    if record is not None:
        record.append((op, algorithm, tier, threads))
    if _verbose and sys.stderr is not None:
        shapes = (
            "x".join(map(str, (<object>src).shape)) + " -> " + "x".join(map(str, (<object>dst).shape))
        )
        remark = "; scalar: no vector instructions" if plan.info.isa == FC_ISA_SCALAR else ""
        print(
            f"fastconv: {op} {shapes} {(<object>src).dtype.name} {algorithm} {tier} "
            f"{threads} thread{'s' if threads > 1 else ''} {elapsed / 1e6:.3f} ms "
            f"{copied} bytes copied{remark}",
            file=sys.stderr,
        )
    return status


# ---- explain ------------------------------------------------------------------------------------

cdef enum:
    MEASURE_NS = 200_000_000  # of the engine; the peak takes about as long again
    TURN_NS = 1_000_000
    MOST_CALLS = 4096
    LEAST_REPEATS = 5


@cython.final
cdef class Probe:
    """Handed to an operation in place of a request to run it: filled with what would be done.

    With `measure` the operation runs, in a loop, and the engine's time is taken: fc_execute alone,
    with neither the Python above it nor conversions of the input. With `calls` it runs that often
    and no peak is taken: one turn of several that the caller takes by turns.
    """

    cdef readonly bint measure
    cdef readonly int calls
    cdef readonly str algorithm, tier, reason
    cdef readonly dict refusals
    cdef readonly object flops, scratch_bytes, packed_weight_bytes, copied_bytes
    cdef readonly int threads
    cdef readonly object seconds, peak
    cdef Plan plan

    def __cinit__(self, bint measure=False, int calls=0):
        self.measure = measure or calls > 0
        self.calls = calls

    @property
    def automatic(self):
        """The algorithm that the engine chooses itself, whatever was tuned."""
        return algorithm_name(self.plan.automatic)

    @property
    def precision(self):
        """The precision that the call asked for, fc_precision; None where that means nothing."""
        cdef const char *desc = <const char *>self.plan.key
        if self.plan.info.op == FC_OP_CONV2D:
            return (<const fc_conv2d_desc *>desc).precision
        if self.plan.info.op == FC_OP_CONV_TRANSPOSE2D:
            return (<const fc_conv_transpose2d_desc *>desc).precision
        return None

    @property
    def within_precision(self):
        """Whether the engine itself might choose the algorithm at that precision."""
        return self.precision is None or self.plan.info.precision <= self.precision

    @property
    def tuned_call(self):
        """What a tuned choice for this convolution depends on: the values of TUNED_FIELDS."""
        if self.plan.info.op != FC_OP_CONV2D:
            return None
        return tuned_call(<const fc_conv2d_desc *><const char *>self.plan.key)

    cdef bint describe(
        self, str op, Plan plan, int threads, int64_t copied, bint empty, bint packed=False
    ) except -1:
        """Note what the plan says; True when that is all that was asked. `packed`: the call brings
        packed weights."""
        cdef fc_plan_info *info = &plan.info
        cdef int i
        self.plan = plan
        self.threads = fc_plan_threads(plan.handle, allowed_threads(threads))
        self.algorithm = algorithm_name(info.algorithm)
        self.tier = tier_name(info.isa)
        self.reason = "" if info.reason == NULL else text(info.reason)
        self.refusals = {
            algorithm_name(i): text(info.refusal[i])
            for i in range(<int>FC_ALGO_COUNT) if info.refusal[i] != NULL
        }
        # The plan of an empty batch is that of one image.
        self.flops = 0 if empty else info.flops
        self.scratch_bytes = fc_plan_scratch_bytes(plan.handle, self.threads, packed)
        self.packed_weight_bytes = info.packed_weight_bytes
        self.copied_bytes = copied
        if self.measure and empty:
            raise ValueError(
                f"{op}: measure=True, but input is empty; give at least one image to measure"
            )
        return not self.measure

    cdef int run(self, str op, Plan plan, fc_args *args) except -1:
        """Time the engine and the machine's peak by turns, and take the median of each.

        A clock that sinks under wide vectors, or a neighbour on the machine, then slows both alike;
        taken one after the other, or best against median, their ratio would tell of the machine.
        """
        cdef fc_status status = FC_OK
        cdef int i, count = 1
        cdef int threads = self.threads
        cdef fc_dtype dtype = <fc_dtype>plan.info.dtype
        cdef double peak
        args.struct_size = sizeof(fc_args)
        if self.calls:
            count = self.calls
        times, peaks = [], []
        spent = 0
        while spent < MEASURE_NS or len(times) < LEAST_REPEATS:
            start = perf_counter_ns()
            with nogil:
                for i in range(count):
                    status = fc_execute(plan.handle, args, threads)
                    if status != FC_OK:
                        break
            elapsed = perf_counter_ns() - start
            if status != FC_OK:
                raise_status(
                    op, status, fc_plan_scratch_bytes(plan.handle, threads, args.packed != NULL))
            if self.calls:
                self.seconds = elapsed * 1e-9 / count
                return 0
            spent += elapsed
            if elapsed < TURN_NS // 2 and count < MOST_CALLS:
                count *= 2  # not yet a turn as long as the peak's
                continue
            with nogil:
                peak = fc_measure_peak(dtype, threads)
            times.append(elapsed / count)
            peaks.append(peak)
        self.seconds = sorted(times)[len(times) // 2] * 1e-9
        self.peak = sorted(peaks)[len(peaks) // 2]
        return 0
