# Updates of parameters, and norms and limits of their gradients: lists of arrays in one call each.
# Included by _core.pyx.

from cpython.mem cimport PyMem_Calloc, PyMem_Free


cdef class Parameters:
    """What the engine is told of a list of arrays: those of float32 first, those of float64 from the
    end on."""

    cdef fc_parameter *each
    cdef Py_ssize_t singles, doubles, count
    cdef int64_t elements
    cdef list copies  # what the engine reads, or writes, in place of arrays that it cannot

    def __cinit__(self, Py_ssize_t count):
        self.each = <fc_parameter *>PyMem_Calloc(count if count else 1, sizeof(fc_parameter))
        if self.each == NULL:
            raise MemoryError()
        self.count = count
        self.copies = []

    def __dealloc__(self):
        PyMem_Free(self.each)

    cdef fc_parameter *add(self, int kind, int64_t elements) noexcept:
        """Room for an array of NPY_FLOAT or NPY_DOUBLE."""
        cdef fc_parameter *place
        if kind == cnp.NPY_DOUBLE:
            self.doubles += 1
            place = &self.each[self.count - self.doubles]
        else:
            place = &self.each[self.singles]
            self.singles += 1
        place.count = elements
        place.step = 1
        self.elements += elements
        return place


cdef inline bint apart(const void *a, const void *b, int64_t size) noexcept:
    """Whether two blocks of `size` bytes have none in common."""
    return <char *>a + size <= <char *>b or <char *>b + size <= <char *>a


def optimizer_step(
    str op, int kind, bint maximize, bint nesterov, bint decoupled, bint amsgrad, bint centered,
    double lr, double weight_decay, double momentum, double dampening, double beta1, double beta2,
    double epsilon, list weights, list grads, tuple states, list steps, int threads, bint check_only,
):
    """Update the arrays of weights by those of grads: of equal shape and dtype, as are those of each
    list of states (None: one that the optimiser does not keep). True, or None for what the
    checks refuse; `check_only` ends after them."""
    cdef Py_ssize_t i, k, n = len(weights)
    cdef Parameters parameters
    cdef fc_parameter *p
    cdef cnp.ndarray w, g, s
    cdef int type_num
    cdef int64_t size, copied = 0
    cdef fc_optimizer_desc desc

    # ---- acceptance
    if len(grads) != n or len(steps) != n or len(states) > 3 or threads < 1:
        return None
    for state in states:
        if state is not None and len(<list>state) != n:
            return None
    parameters = Parameters(n)
    for i in range(n):
        type_num = float_kind(weights[i])
        if type_num != cnp.NPY_FLOAT and type_num != cnp.NPY_DOUBLE:
            return None
        w = <cnp.ndarray>weights[i]
        if not cnp.PyArray_ISCARRAY(w) or float_kind(grads[i]) != type_num:
            return None
        g = <cnp.ndarray>grads[i]
        if not same_dims(g, cnp.PyArray_NDIM(w), cnp.PyArray_DIMS(w)):
            return None
        g = dense(op, g, type_num, &copied)
        if g is not grads[i]:
            parameters.copies.append(g)
        p = parameters.add(type_num, cnp.PyArray_SIZE(w))
        p.weights = cnp.PyArray_DATA(w)
        p.diff_weights = cnp.PyArray_DATA(g)
        p.step = steps[i]
        size = p.count * (8 if type_num == cnp.NPY_DOUBLE else 4)
        if not apart(p.weights, p.diff_weights, size):
            return None
        for k in range(len(states)):
            if states[k] is None:
                continue
            if float_kind((<list>states[k])[i]) != type_num:
                return None
            s = <cnp.ndarray>(<list>states[k])[i]
            if not (cnp.PyArray_ISCARRAY(s)
                    and same_dims(s, cnp.PyArray_NDIM(w), cnp.PyArray_DIMS(w))):
                return None
            p.state[k] = cnp.PyArray_DATA(s)
            if not (apart(p.state[k], p.weights, size) and apart(p.state[k], p.diff_weights, size)
                    and (k < 1 or p.state[0] == NULL or apart(p.state[k], p.state[0], size))
                    and (k < 2 or p.state[1] == NULL or apart(p.state[k], p.state[1], size))):
                return None

    # ---- execution
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.kind = kind
    desc.maximize = maximize
    desc.nesterov = nesterov
    desc.decoupled = decoupled
    desc.amsgrad = amsgrad
    desc.centered = centered
    desc.lr = lr
    desc.weight_decay = weight_decay
    desc.momentum = momentum
    desc.dampening = dampening
    desc.beta1 = beta1
    desc.beta2 = beta2
    desc.epsilon = epsilon
    desc.dtype = FC_F32
    raise_update(op, fc_optimizer_step(&desc, NULL, 0, 1))
    if not check_only:
        run_on_list(op, parameters, threads, &desc, 0, 0, 0.0)
    return True


def gradient_norm(str op, bint greatest, list grads, int threads):
    """The sum of the squares of all elements, or their greatest magnitude; None for what the checks
    refuse."""
    cdef Parameters parameters = gradient_list(op, grads, False)
    if parameters is None or threads < 1:
        return None
    return run_on_list(
        op, parameters, threads, NULL, FC_NORM_GREATEST if greatest else FC_NORM_SUM_SQUARES, 0, 0.0)


def gradient_limit(str op, bint clamp, double value, list grads, int threads):
    """Multiply all elements by value, or clamp them into -value to value, in place; None for what the
    checks refuse."""
    cdef Parameters parameters = gradient_list(op, grads, True)
    cdef Py_ssize_t i
    if parameters is None or threads < 1:
        return None
    run_on_list(
        op, parameters, threads, NULL, 0, FC_LIMIT_CLAMP if clamp else FC_LIMIT_SCALE, value)
    for i in range(0, len(parameters.copies), 2):
        cnp.PyArray_CopyInto(
            <cnp.ndarray>parameters.copies[i], <cnp.ndarray>parameters.copies[i + 1])
    return True


cdef Parameters gradient_list(str op, list grads, bint written):
    """The arrays, in the order of their memory where that has no gaps; of others copies, behind each
    of which stands its array."""
    cdef Parameters parameters = Parameters(len(grads))
    cdef cnp.ndarray g
    cdef fc_parameter *p
    cdef int type_num
    cdef int64_t copied = 0
    for array in grads:
        type_num = float_kind(array)
        if type_num != cnp.NPY_FLOAT and type_num != cnp.NPY_DOUBLE:
            return None
        g = <cnp.ndarray>array
        if written and (not cnp.PyArray_ISWRITEABLE(g) or repeats_itself(g)):
            return None
        if not (is_native(g, type_num)
                and (cnp.PyArray_IS_C_CONTIGUOUS(g) or cnp.PyArray_IS_F_CONTIGUOUS(g))):
            g = converted(op, g, type_num, &copied)
            parameters.copies += [array, g]
        p = parameters.add(type_num, cnp.PyArray_SIZE(g))
        p.diff_weights = cnp.PyArray_DATA(g)
    return parameters


cdef int raise_update(str op, fc_status status) except -1:
    if status == FC_ERR_INVALID_ARGUMENT:
        raise ValueError(
            f"{op}: the engine refused the options: a rate or factor is not a finite number, or "
            f"outside its range"
        )
    if status != FC_OK:
        raise_status(op, status, 0)
    return 0


cdef double run_on_list(
    str op, Parameters parameters, int threads, fc_optimizer_desc *desc, int norm, int limit,
    double value
) except? -1:
    """An update with `desc`, else the norm or the limit of that kind; a norm's value."""
    cdef fc_status status = FC_OK
    cdef int used = allowed_threads(threads)
    cdef double result = 0
    start = perf_counter_ns() if _watched else 0
    if parameters.elements * 20 <= BRIEF_BYTES:
        status = run_both(parameters, used, desc, norm, limit, value, &result)
    else:
        with nogil:
            status = run_both(parameters, used, desc, norm, limit, value, &result)
    raise_update(op, status)
    if _watched:
        report_list(op, parameters, used, perf_counter_ns() - start)
    return result


cdef fc_status run_both(
    Parameters parameters, int threads, fc_optimizer_desc *desc, int norm, int limit, double value,
    double *result
) noexcept nogil:
    """The arrays of float32, then those of float64."""
    cdef fc_parameter *each = parameters.each
    cdef Py_ssize_t count = parameters.singles
    cdef fc_dtype dtype = FC_F32
    cdef fc_status status
    cdef double part
    cdef int i
    for i in range(2):
        part = 0
        if count == 0:
            status = FC_OK
        elif desc != NULL:
            desc.dtype = dtype
            status = fc_optimizer_step(desc, each, count, threads)
        elif norm != 0:
            status = fc_gradient_norm(
                dtype, <fc_gradient_norm_kind>norm, each, count, threads, &part)
        else:
            status = fc_gradient_limit(
                dtype, <fc_gradient_limit_kind>limit, value, each, count, threads)
        if status != FC_OK:
            return status
        if norm == FC_NORM_SUM_SQUARES:
            result[0] += part
        elif part > result[0] or part != part:
            result[0] = part
        each = &parameters.each[parameters.count - parameters.doubles]
        count = parameters.doubles
        dtype = FC_F64
    return FC_OK


cdef int report_list(str op, Parameters parameters, int threads, object elapsed) except -1:
    """As execute_watched does of plans."""
    cdef fc_runtime_info info
    memset(&info, 0, sizeof(info))
    info.struct_size = sizeof(info)
    fc_runtime_query(&info)
    algorithm, tier = algorithm_name(FC_ALGO_ELEMENTWISE), tier_name(info.isa_used)
    record = _record
    if record is not None:
        record.append((op, algorithm, tier, threads))
    if _verbose and sys.stderr is not None:
        dtypes = " ".join(
            [name for name, count in (("float32", parameters.singles), ("float64", parameters.doubles))
             if count])
        remark = "; scalar: no vector instructions" if info.isa_used == FC_ISA_SCALAR else ""
        print(
            f"fastconv: {op} {parameters.count} arrays, {parameters.elements} elements {dtypes} "
            f"{algorithm} {tier} {threads} thread{'s' if threads > 1 else ''} "
            f"{elapsed / 1e6:.3f} ms{remark}",
            file=sys.stderr,
        )
    return 0
