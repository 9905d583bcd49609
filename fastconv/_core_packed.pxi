# Weights of programs, and their packed forms, which several programs share. Included by _core.pyx.


cdef tuple form_of(Plan plan, int64_t groups):
    """What tells the packed form that a plan wants from others, where it has a key."""
    return <int>plan.info.op, groups, plan.info.packing, plan.info.packed_window


@cython.final
@cython.no_gc
cdef class Weight:
    """An array of weights in a PackedStore, with the packed forms that plans asked for.

    Made by PackedStore.hold. The array is not copied: it must not change as long as a program uses
    it, or a program that is yet to be built will.
    """

    cdef readonly tuple shape
    cdef readonly object dtype
    cdef readonly int64_t packed_nbytes
    cdef public bint bf16  # whether a linear layer rounds them to bfloat16
    cdef cnp.ndarray array  # None after a release
    cdef dict forms  # key -> Packed
    cdef list own  # Packed of plans whose forms have no key
    cdef bint read  # by a plan, as it lies
    cdef object check  # called before the array is first read, or None
    cdef cnp.npy_intp dims[4]

    @property
    def nbytes(self):
        """Bytes held: the array, unless it was released, and packed forms."""
        return self.packed_nbytes + (0 if self.array is None else self.array.nbytes)

    @property
    def plain(self):
        """The array, or None after a release."""
        self.checked()
        return self.array

    def retain(self):
        """Have a release leave the array."""
        self.read = True

    cdef Packed packed_for(self, str op, Plan plan, int64_t groups, int threads):
        """The weights as the plan wants them, or None where it takes them as they lie.

        Under the GIL: a few milliseconds once, in which no other thread can begin the same.
        """
        cdef Packed packed
        cdef size_t size = plan.info.packed_weight_bytes
        if size == 0:
            self.readable(op)
            self.read = True
            return None
        if not plan.info.packing:
            return self.packed_as_others(self.pack(op, plan, size, threads))
        form = form_of(plan, groups)
        if form not in self.forms:
            self.readable(op)  # its check may let other threads in, who pack the same
        packed = self.forms.get(form)
        if packed is not None:
            if packed.size != <Py_ssize_t>size:
                raise ValueError(
                    f"{op}: the packed weights that were adopted have {packed.size} bytes, expected "
                    f"{size}; they are of another shape or another engine"
                )
            return packed
        packed = self.pack(op, plan, size, threads)
        self.forms[form] = packed
        self.packed_nbytes += size
        return packed

    cdef Packed packed_as_others(self, Packed packed):
        """An equal form that there is, or else this one, which is kept."""
        cdef Packed other
        for other in self.own:
            if other.size == packed.size and memcmp(other.block, packed.block, packed.size) == 0:
                return other
        self.own.append(packed)
        self.packed_nbytes += packed.size
        return packed

    cdef Packed pack(self, str op, Plan plan, size_t size, int threads):
        cdef Packed packed
        cdef fc_status status
        self.readable(op)
        packed = Packed.__new__(Packed)
        packed.block = fc_pool_acquire(size)
        if packed.block == NULL:
            raise MemoryError(
                f"{op}: out of memory: {size} bytes were asked for the packed weights; free other "
                f"arrays"
            )
        packed.size = <Py_ssize_t>size
        if not plan.info.packing:
            memset(packed.block, 0, size)  # these are compared, gaps in them as well
        status = fc_plan_pack(
            plan.handle, cnp.PyArray_DATA(self.array), packed.block, allowed_threads(threads))
        if status != FC_OK:
            raise_status(op, status, 0)
        return packed

    def convolution_forms(self):
        """The packed forms that plans of conv2d have asked for, as (key, bytes): three numbers, which
        mean nothing to another version or instruction set, and a read-only array of bytes."""
        return [
            (form[1:], np.frombuffer(packed, np.uint8))
            for form, packed in self.forms.items()
            if form[0] == FC_OP_CONV2D
        ]

    def bf16_panels(self):
        """The bfloat16 that a linear layer packed, which are the same everywhere; for ``adopt_bf16``."""
        (packed,) = self.forms.values()
        return np.frombuffer(packed, np.uint32)

    cdef int readable(self, str op) except -1:
        if self.array is None:
            raise ValueError(
                f"{op}: the weights {self.shape} were released after packing, and this step needs them "
                f"in another form; compile with keep_weights=True, or build all programs before "
                f"PackedStore.release"
            )
        self.checked()
        return 0

    cdef int checked(self) except -1:
        if self.check is not None:
            self.check()
            self.check = None
        return 0


@cython.final
cdef class PackedStore:
    """Weights and their packed forms, each made once, for programs of several batch sizes and
    threads."""

    cdef dict held  # (address, shape, dtype) of an array -> the Weight that holds it
    cdef list weights

    def __cinit__(self):
        self.held = {}
        self.weights = []

    def hold(self, array):
        """The Weight of an array, always the same one for the same memory.

        Args:
            array: float32 or float64, one to four axes none of which is empty, C-contiguous, aligned
                and in native byte order. It is not copied and must not change.

        Raises:
            TypeError: not an ndarray of these types.
            ValueError: another layout.
        """
        cdef int kind = float_kind(array)
        cdef cnp.ndarray a
        cdef Weight weight
        if kind < 0 or kind == cnp.NPY_FLOAT16:
            raise TypeError(
                f"PackedStore.hold: array must be an ndarray of float32 or float64, not "
                f"{getattr(array, 'dtype', type(array).__name__)}; convert it first"
            )
        a = <cnp.ndarray>array
        if not (1 <= cnp.PyArray_NDIM(a) <= 4 and cnp.PyArray_SIZE(a) != 0 and is_native(a, kind)
                and cnp.PyArray_IS_C_CONTIGUOUS(a)):
            raise ValueError(
                f"PackedStore.hold: array of shape {(<object>a).shape} must have one to four axes, none "
                f"of them empty, and lie C-contiguous and aligned; give numpy.ascontiguousarray(array)"
            )
        key = <size_t>cnp.PyArray_DATA(a), (<object>a).shape, kind
        weight = self.held.get(key)
        if weight is None:
            weight = Weight.__new__(Weight)
            weight.shape = (<object>a).shape
            weight.dtype = (<object>a).dtype
            weight.array = a
            weight.forms = {}
            weight.own = []
            memcpy(weight.dims, cnp.PyArray_DIMS(a), cnp.PyArray_NDIM(a) * sizeof(cnp.npy_intp))
            self.held[key] = weight
            self.weights.append(weight)
        return weight

    def adopt(self, array, forms, check=None):
        """``hold``, with packed forms that ``convolution_forms`` once told of.

        Args:
            forms: (key, bytes) of each, arrays of bytes that begin at a multiple of 64; they are not
                copied. Whether they are what the key says is the caller's word; a step that asks
                for one compares its size.
            check: called before the array itself is first read, to raise where it cannot be.

        Raises:
            TypeError, ValueError: forms are no such pairs.
        """
        cdef Weight weight = self.hold(array)
        cdef cnp.ndarray block
        cdef Packed packed
        weight.check = check
        for key, block in forms:
            groups, packing, window = key
            if not (cnp.PyArray_TYPE(block) == cnp.NPY_UINT8 and cnp.PyArray_NDIM(block) == 1
                    and cnp.PyArray_IS_C_CONTIGUOUS(block)
                    and <size_t>cnp.PyArray_DATA(block) % 64 == 0):
                raise ValueError(
                    "PackedStore.adopt: a form must be contiguous bytes that begin at a multiple of 64"
                )
            packed = Packed.__new__(Packed)
            packed.owner = block
            packed.block = cnp.PyArray_DATA(block)
            packed.size = cnp.PyArray_SIZE(block)
            weight.forms[FC_OP_CONV2D, <int64_t>groups, <uint64_t>packing, <uint64_t>window] = packed
            weight.packed_nbytes += packed.size
        return weight

    def adopt_bf16(self, int64_t outputs, int64_t features, cnp.ndarray panels not None):
        """The Weight (outputs, features) of a linear layer, of which there is only what
        ``Weight.bf16_panels`` once told of. A step compares its size."""
        cdef Weight weight = Weight.__new__(Weight)
        cdef Packed packed = Packed.__new__(Packed)
        if not cnp.PyArray_IS_C_CONTIGUOUS(panels):
            raise ValueError("PackedStore.adopt_bf16: panels are not contiguous")
        packed.owner = panels
        packed.block = cnp.PyArray_DATA(panels)
        packed.size = weight.packed_nbytes = cnp.PyArray_NBYTES(panels)
        weight.shape = outputs, features
        weight.dims[0], weight.dims[1] = outputs, features
        weight.dtype = np.dtype(np.float32)
        weight.bf16 = True
        plan = linear_plan(cnp.NPY_FLOAT, 1, outputs, features, features, 0, False, True)
        weight.forms = {form_of(plan, 1): packed}
        self.weights.append(weight)
        return weight

    def release(self):
        """Let go of the arrays of which all plans made so far read packed forms; their bytes.

        Later steps find those forms by the Weight, and raise ValueError where they need another.
        """
        cdef Weight weight
        cdef int64_t released = 0
        for key, weight in list(self.held.items()):
            if (weight.forms or weight.own) and not weight.read:
                released += weight.array.nbytes
                weight.array = None
                del self.held[key]
        return released

    @property
    def packed_nbytes(self):
        """Bytes of packed forms."""
        return sum([weight.packed_nbytes for weight in self.weights])

    @property
    def plain_nbytes(self):
        """Bytes of arrays that were not released."""
        return self.nbytes - self.packed_nbytes

    @property
    def nbytes(self):
        """Bytes of arrays and packed forms."""
        return sum([weight.nbytes for weight in self.weights])
