# Programs in the making: the list of steps, and the program that it makes. Included by _core.pyx.


cdef int set_operand(str op, str name, fc_operand *to, object given) except -1:
    if type(given) is not tuple or len(<tuple>given) != 4:
        raise TypeError(
            f"{op}: {name} is {given!r}, expected a tuple (place, argument, offset_bytes, "
            f"advance_bytes)"
        )
    to.place, to.argument, to.offset_bytes, to.advance_bytes = given
    return 0


cdef object shown_operand(const fc_operand *o):
    if o.place == FC_PLACE_NONE:
        return None
    return o.place, o.argument, o.offset_bytes, o.advance_bytes


cdef class StepList:
    """What all steps of a ProgramBuilder have in common."""

    cdef PackedStore store
    cdef int kind, threads
    cdef list work  # of Step
    cdef list sections  # (steps, repeats, beside)
    cdef Py_ssize_t closed  # steps in sections

    def __cinit__(self, str dtype not None, PackedStore store not None, int threads=1):
        if dtype not in ("float32", "float64"):
            raise ValueError(f"ProgramBuilder: dtype is {dtype!r}, expected 'float32' or 'float64'")
        self.kind = cnp.NPY_DOUBLE if dtype == "float64" else cnp.NPY_FLOAT
        self.store = store
        self.threads = max(threads, 1)
        self.work = []
        self.sections = []

    def section(self, int64_t repeats, bint beside=False):
        """Let the steps since the last section be one, run `repeats` times.

        Args:
            beside: threads may run one repeat each: none reads or writes what another writes, but in
                a worker's memory.

        Raises:
            ValueError: no step since then, or repeats below 1.
        """
        if len(self.work) == self.closed or repeats < 1:
            raise ValueError(
                f"section: {len(self.work) - self.closed} steps {repeats} times; expected at least one "
                f"of both"
            )
        self.sections.append((len(self.work) - self.closed, repeats, beside))
        self.closed = len(self.work)

    def result_shape(self, Py_ssize_t step):
        """(n, c, h, w) of what a step writes."""
        cdef Step made = self.work[step]
        return tuple([made.plan.info.dst_shape[i] for i in range(4)])

    def build(self, int64_t arena_bytes, argument_bytes, written, int64_t worker_bytes=0):
        """The program of the sections so far.

        Args:
            arena_bytes: of the arena.
            argument_bytes: of each argument, at most 64.
            written: whether a step writes it, of each.
            worker_bytes: of each worker's memory.

        Raises:
            ValueError: steps in no section; an operand that leaves its place or is not aligned; a
                result over what it is computed from, or in an argument that is not written.
            MemoryError: no memory.
        """
        cdef Program program = Program.__new__(Program)
        cdef Step step
        cdef fc_program_desc desc
        cdef fc_argument arguments[MOST_ARGUMENTS]
        cdef cnp.ndarray steps = np.empty((max(len(self.work), 1), sizeof(fc_step)), np.uint8)
        cdef cnp.ndarray sections = np.empty((max(len(self.sections), 1), 4), np.int64)
        cdef int64_t fault = -1, first = 0
        cdef int i
        cdef fc_status status
        if len(argument_bytes) != len(written) or len(written) > MOST_ARGUMENTS:
            raise ValueError(
                f"build: {len(argument_bytes)} sizes and {len(written)} flags of arguments, expected as "
                f"many, and at most {MOST_ARGUMENTS}"
            )
        if not self.sections or self.closed != len(self.work):
            raise ValueError(
                f"build: {len(self.work) - self.closed} steps are in no section; end them with section()"
            )
        memset(arguments, 0, sizeof(arguments))
        program.count = len(written)
        program.kind = self.kind
        program.argument_bytes = tuple(argument_bytes)
        program.written = tuple([bool(flag) for flag in written])
        program.arena_bytes = arena_bytes
        program.worker_bytes = worker_bytes
        for i in range(program.count):
            program.sizes[i] = arguments[i].bytes = argument_bytes[i]
            program.writes[i] = arguments[i].written = program.written[i]
        program.work = list(self.work)
        program.repeats = []
        for i, step in enumerate(program.work):
            (<fc_step *>cnp.PyArray_DATA(steps))[i] = step.step
        for i, (count, repeats, beside) in enumerate(self.sections):
            (<fc_section *>cnp.PyArray_DATA(sections))[i] = fc_section(first, count, repeats, beside)
            first += count
            program.repeats += [repeats] * count
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.steps = <const fc_step *>cnp.PyArray_DATA(steps)
        desc.sections = <const fc_section *>cnp.PyArray_DATA(sections)
        desc.arguments = arguments
        desc.step_count = len(program.work)
        desc.section_count = len(self.sections)
        desc.argument_count = program.count
        desc.arena_bytes = arena_bytes
        desc.worker_bytes = worker_bytes
        status = fc_program_create(&desc, &program.handle, &fault)
        if status != FC_OK:
            program.handle = NULL
            self.explain(status, fault)
        return program

    cdef int explain(self, fc_status status, int64_t fault) except -1:
        cdef Step step
        if fault < 0 or status == FC_ERR_OUT_OF_MEMORY:
            raise_status("program", status, 0)
        step = self.work[fault]
        raise ValueError(
            f"program: step {fault}, {step.op}, is refused: {text(fc_status_str(status))}; src "
            f"{shown_operand(&step.step.src)}, residual {shown_operand(&step.step.residual)}, dst "
            f"{shown_operand(&step.step.dst)}: each must lie inside its place in every repeat, aligned "
            f"to its elements, dst apart from what it is computed from and in the arena or an argument "
            f"that is written"
        )

    cdef Weight weight(self, str op, object given, int ndim):
        cdef Weight weight = given if type(given) is Weight else self.store.hold(given)
        if len(weight.shape) != ndim or weight.dtype.num != self.kind:
            raise ValueError(
                f"{op}: weights {weight.shape} of {weight.dtype}, expected {ndim} axes of "
                f"{'float64' if self.kind == cnp.NPY_DOUBLE else 'float32'}"
            )
        return weight

    cdef cnp.ndarray vector(self, str op, str name, object given, int64_t size):
        """A parameter of a number for each channel, or None."""
        cdef cnp.npy_intp dims = size
        if given is None:
            return None
        if not (float_kind(given) == self.kind and same_dims(<cnp.ndarray>given, 1, &dims)
                and is_native(<cnp.ndarray>given, self.kind)
                and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>given)):
            raise ValueError(
                f"{op}: {name} must be a contiguous array ({size},) of "
                f"{'float64' if self.kind == cnp.NPY_DOUBLE else 'float32'}, not "
                f"{getattr(given, 'shape', type(given).__name__)} {getattr(given, 'dtype', '')}"
            )
        return <cnp.ndarray>given

    cdef object append(
        self, str op, Plan plan, object src, object dst, object residual, Weight weight,
        int64_t groups, dict parameters
    ):
        cdef Step step = Step.__new__(Step)
        cdef Packed packed = None
        memset(&step.step, 0, sizeof(step.step))
        step.op = op
        step.plan = plan
        step.step.plan = plan.handle
        set_operand(op, "src", &step.step.src, src)
        set_operand(op, "dst", &step.step.dst, dst)
        if residual is not None:
            set_operand(op, "residual", &step.step.residual, residual)
        step.step.weights = data_or_null(parameters.get("weight"))
        step.step.bias = data_or_null(parameters.get("bias"))
        step.step.mean = data_or_null(parameters.get("mean"))
        step.step.variance = data_or_null(parameters.get("variance"))
        if weight is not None:
            packed = weight.packed_for(op, plan, groups, self.threads)
            if packed is None:
                step.step.weights = cnp.PyArray_DATA(weight.array)
            else:
                step.step.packed = packed.block
        step.kept = (packed, None if packed is not None or weight is None else weight.array,
                     *parameters.values())
        self.work.append(step)
        return len(self.work) - 1
