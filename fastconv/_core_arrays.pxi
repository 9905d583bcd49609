# Arrays in and out of the engine: what it can read as it lies, what must be converted first, where
# results live, and what an `out` array must be. Included by _core.pyx.

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New

# From this size on a result comes from the engine's pool: touching fresh memory costs about as much
# as a convolution (a page fault each 4 KiB), and a pooled block has its pages. Below it NumPy's own
# small-object cache is as good.
cdef enum:
    POOLED_BYTES = 32768
    MAX_DIMS = 64  # NPY_MAXDIMS of NumPy 2

cdef const char *BLOCK_NAME = "fastconv.block"


cdef void release_block(object capsule) noexcept:
    """Give a result's memory back, when its last view, memoryview or DLPack alias is gone."""
    fc_pool_release(PyCapsule_GetPointer(capsule, BLOCK_NAME))


cdef cnp.ndarray new_array(str op, int ndim, cnp.npy_intp *dims, int type_num, int64_t size):
    """A new C-contiguous array of `size` bytes (any number where an axis is empty), contents
    undefined."""
    cdef int axis
    cdef bint small = size < POOLED_BYTES
    for axis in range(ndim):
        small |= dims[axis] == 0
    if small:
        return cnp.PyArray_EMPTY(ndim, dims, type_num, 0)
    return pooled_array(op, ndim, dims, type_num, size)


cdef cnp.ndarray pooled_array(str op, int ndim, cnp.npy_intp *dims, int type_num, int64_t size):
    """The same in a block of the engine's pool, 64-byte aligned; no axis is empty."""
    cdef void *block = fc_pool_acquire(<size_t>size)
    cdef cnp.ndarray array
    if block == NULL:
        raise MemoryError(
            f"{op}: out of memory: {size} bytes were asked for the result or a converted copy; "
            f"free other arrays or work on smaller batches"
        )
    try:
        owner = PyCapsule_New(block, BLOCK_NAME, release_block)
    except:
        fc_pool_release(block)
        raise
    array = cnp.PyArray_New(
        cnp.ndarray, ndim, dims, type_num, NULL, block, 0, cnp.NPY_ARRAY_CARRAY, None)
    cnp.set_array_base(array, owner)
    return array


cdef inline int float_kind(object value) noexcept:
    """NPY_FLOAT, NPY_DOUBLE or NPY_HALF for an ndarray of that type in any byte order, else -1."""
    cdef int kind
    if not cnp.PyArray_Check(value):
        return -1
    kind = cnp.PyArray_TYPE(<cnp.ndarray>value)
    if kind == cnp.NPY_FLOAT or kind == cnp.NPY_DOUBLE or kind == cnp.NPY_FLOAT16:
        return kind
    return -1


cdef inline int compute_kind(int kind) noexcept:
    """The type an array of type `kind` is computed in: float16 in float32."""
    return cnp.NPY_FLOAT if kind == cnp.NPY_FLOAT16 else kind


cdef inline fc_dtype engine_dtype(int kind) noexcept:
    return FC_F64 if kind == cnp.NPY_DOUBLE else FC_F32


cdef inline bint has_zero(cnp.ndarray a, int first) noexcept:
    """Whether an axis from `first` on is empty."""
    cdef int i
    for i in range(first, cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIMS(a)[i] == 0:
            return True
    return False


cdef cnp.ndarray frozen_copy(str op, cnp.ndarray a, int type_num):
    """A native C-contiguous copy that nobody can write: its memory belongs to no array, and so NumPy
    lets no flag be set on it. No axis is empty."""
    cdef int64_t item = 8 if type_num == cnp.NPY_DOUBLE else 4 if type_num == cnp.NPY_FLOAT else 2
    cdef cnp.ndarray copy = pooled_array(
        op, cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), type_num, item * cnp.PyArray_SIZE(a))
    copy_values(copy, a, cnp.PyArray_TYPE(a))
    cnp.PyArray_CLEARFLAGS(copy, cnp.NPY_ARRAY_WRITEABLE)
    return copy


cdef cnp.ndarray frozen_view(cnp.ndarray frozen):
    """Another array of the same memory: whatever is done to it, the first keeps its shape."""
    cdef cnp.ndarray array = cnp.PyArray_New(
        cnp.ndarray, cnp.PyArray_NDIM(frozen), cnp.PyArray_DIMS(frozen), cnp.PyArray_TYPE(frozen),
        NULL, cnp.PyArray_DATA(frozen), 0, cnp.NPY_ARRAY_CARRAY_RO, None)
    base = cnp.get_array_base(frozen)
    cnp.set_array_base(array, frozen if base is None else base)
    return array


cdef inline bint same_dims(cnp.ndarray a, int ndim, const cnp.npy_intp *dims) noexcept:
    return cnp.PyArray_NDIM(a) == ndim and memcmp(
        cnp.PyArray_DIMS(a), dims, ndim * sizeof(cnp.npy_intp)) == 0


# ---- inputs -------------------------------------------------------------------------------------

cdef inline bint is_native(cnp.ndarray a, int kind) noexcept:
    """Whether the elements can be read where they lie: aligned, native byte order, not float16."""
    return kind != cnp.NPY_FLOAT16 and cnp.PyArray_ISBEHAVED_RO(a)


cdef cnp.ndarray converted(str op, cnp.ndarray a, int kind, int64_t *copied):
    """A C-contiguous native copy in the type of computation; its bytes are added to `copied`."""
    cdef int type_num = compute_kind(kind)
    cdef int64_t size = cnp.PyArray_SIZE(a) * (8 if type_num == cnp.NPY_DOUBLE else 4)
    cdef cnp.ndarray copy = new_array(
        op, cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), type_num, size)
    copy_values(copy, a, kind)
    copied[0] += size
    return copy


cdef int copy_values(cnp.ndarray dst, cnp.ndarray src, int kind) except -1:
    """Copy with conversion. float16 overflows to infinity in silence, as float32 does inside."""
    if kind == cnp.NPY_FLOAT16:
        with errstate(all="ignore"):
            cnp.PyArray_CopyInto(dst, src)
    else:
        cnp.PyArray_CopyInto(dst, src)
    return 0


cdef inline cnp.ndarray dense(str op, cnp.ndarray a, int kind, int64_t *copied):
    """The array itself if it is native and C-contiguous, else a copy that is."""
    if is_native(a, kind) and cnp.PyArray_IS_C_CONTIGUOUS(a):
        return a
    return converted(op, a, kind, copied)


# An (N, C, H, W) view of an input; N is 1 when it has three axes.
cdef struct Images:
    int64_t size[4]
    int64_t stride[4]  # in elements


cdef bint describe_images(cnp.ndarray a, Images *view) noexcept:
    """Fill sizes and strides; False if a stride is no multiple of the element.

    NumPy leaves the stride of an axis of length 1 arbitrary, and all strides of an empty array. Here
    they become the dense ones, so that equal layouts give equal descriptors.
    """
    cdef int axis, i, first = 4 - cnp.PyArray_NDIM(a)
    cdef cnp.npy_intp *dims = cnp.PyArray_DIMS(a)
    cdef cnp.npy_intp *strides = cnp.PyArray_STRIDES(a)
    cdef int64_t item = cnp.PyArray_ITEMSIZE(a), packed = 1
    cdef bint empty = cnp.PyArray_SIZE(a) == 0
    for i in range(4):
        axis = 3 - i
        if axis < first:
            view.size[axis] = 1
        else:
            view.size[axis] = dims[axis - first]
        if view.size[axis] <= 1 or empty:
            view.stride[axis] = packed
        else:
            if strides[axis - first] % item != 0:
                return False
            view.stride[axis] = strides[axis - first] // item
        packed = view.stride[axis] * max(view.size[axis], 1)
    return True


cdef cnp.ndarray images(
    str op, cnp.ndarray a, int kind, bint unit_columns, Images *view, int64_t *copied
):
    """Describe an input of three or four axes, or a copy of it where the engine needs one."""
    if (is_native(a, kind) and describe_images(a, view)
            and (not unit_columns or view.stride[3] == 1)):
        return a
    a = converted(op, a, kind, copied)
    describe_images(a, view)
    return a


cdef cnp.ndarray weights(
    str op, cnp.ndarray a, int kind, int64_t groups, int64_t *stride, int64_t *copied
):
    """Describe weights of four axes, the first of which runs through the groups, or a copy: strides
    by group, first axis within the group, and the other three."""
    cdef Images view
    a = images(op, a, kind, False, &view, copied)
    stride[0] = view.size[0] // groups * view.stride[0]
    memcpy(&stride[1], view.stride, 4 * sizeof(int64_t))
    return a


# ---- out ----------------------------------------------------------------------------------------

cdef struct Bounds:
    char *low
    char *high


cdef Bounds memory_bounds(cnp.ndarray a) noexcept:
    """First byte and the byte past the last that any element occupies."""
    cdef Bounds bounds
    cdef int i
    cdef cnp.npy_intp reach
    bounds.low = bounds.high = <char *>cnp.PyArray_DATA(a)
    if cnp.PyArray_SIZE(a) == 0:
        return bounds
    for i in range(cnp.PyArray_NDIM(a)):
        reach = (cnp.PyArray_DIMS(a)[i] - 1) * cnp.PyArray_STRIDES(a)[i]
        if reach < 0:
            bounds.low += reach
        else:
            bounds.high += reach
    bounds.high += cnp.PyArray_ITEMSIZE(a)
    return bounds


cdef bint overlapping(cnp.ndarray a, cnp.ndarray b) except -1:
    """Whether two arrays share an element.

    Their bounds are apart in nearly every call. Interleaved views (two halves of the channels of an
    NHWC array) have common bounds and no common element, which NumPy's solver decides; where that
    gives up the answer is yes.
    """
    cdef Bounds x = memory_bounds(a), y = memory_bounds(b)
    if x.high <= y.low or y.high <= x.low or x.low == x.high or y.low == y.high:
        return False
    try:
        return np.shares_memory(a, b, max_work=10_000)
    except np.exceptions.TooHardError:
        return True


cdef bint repeats_itself(cnp.ndarray a) noexcept:
    """Whether an axis of more than one element has stride 0, as in a broadcast array."""
    cdef int i
    if cnp.PyArray_SIZE(a) == 0:
        return False  # NumPy's own strides of an empty array are 0
    for i in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIMS(a)[i] > 1 and cnp.PyArray_STRIDES(a)[i] == 0:
            return True
    return False


cdef bint usable_out(
    object out, int ndim, cnp.npy_intp *dims, int kind, object a, object b, object c, object d
) except -1:
    """Whether `out` may be written: type, shape, dtype, no overlap with the inputs (or None)."""
    cdef cnp.ndarray array
    if float_kind(out) != kind:
        return False
    array = <cnp.ndarray>out
    if not (same_dims(array, ndim, dims) and cnp.PyArray_ISWRITEABLE(array)
            and cnp.PyArray_ISNOTSWAPPED(array)) or repeats_itself(array):
        return False
    return not (
        a is not None and overlapping(array, <cnp.ndarray>a)
        or b is not None and overlapping(array, <cnp.ndarray>b)
        or c is not None and overlapping(array, <cnp.ndarray>c)
        or d is not None and overlapping(array, <cnp.ndarray>d))


cdef bint writable_images(cnp.ndarray a, int kind, Images *view) noexcept:
    """Describe `out` if the engine can write a convolution's result straight into it.

    That takes positive strides that nest, in any order of the axes, so that no two elements can
    meet; everything else is written through a temporary.
    """
    cdef int64_t reach = 1, smallest
    cdef int round_, axis, next_axis
    cdef bint[4] done
    if not (is_native(a, kind) and describe_images(a, view)):
        return False
    memset(done, 0, sizeof(done))
    for round_ in range(4):
        next_axis = -1
        smallest = 0
        for axis in range(4):
            if not done[axis] and (next_axis < 0 or view.stride[axis] < smallest):
                next_axis = axis
                smallest = view.stride[axis]
        done[next_axis] = True
        if view.size[next_axis] > 1:
            if smallest < reach:
                return False
            reach += (view.size[next_axis] - 1) * smallest
    return True


cdef inline bint is_dense_out(object out, int kind) noexcept:
    return is_native(<cnp.ndarray>out, kind) and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>out)


cdef object finish(str op, cnp.ndarray result, object out, int kind):
    """Deliver what the engine wrote: as it is, as float16, or copied into `out`."""
    cdef cnp.ndarray target
    if out is None:
        if kind != cnp.NPY_FLOAT16:
            return result
        target = new_array(op, cnp.PyArray_NDIM(result), cnp.PyArray_DIMS(result), cnp.NPY_FLOAT16,
                           cnp.PyArray_SIZE(result) * 2)
    elif result is out:
        return out
    else:
        target = <cnp.ndarray>out
    copy_values(target, result, kind)
    return target
