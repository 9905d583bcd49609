# Programs: compiled networks, each run by one call of the engine. Included by _core.pyx.

cdef enum:
    MOST_ARGUMENTS = 64


@cython.final
@cython.no_gc
cdef class Step:
    """A plan with its operands, and what keeps their memory alive."""

    cdef fc_step step
    cdef Plan plan
    cdef str op
    cdef tuple kept  # arrays and packed forms


@cython.final
cdef class Program:
    """A compiled network. Made by ProgramBuilder.build; nothing of it changes, so that any number of
    threads may run it at once."""

    cdef fc_program *handle
    cdef list work  # of Step
    cdef list repeats  # of each step
    cdef readonly int64_t arena_bytes, worker_bytes
    cdef readonly tuple argument_bytes, written
    cdef int kind
    cdef int count  # of arguments
    cdef int64_t sizes[MOST_ARGUMENTS]
    cdef bint writes[MOST_ARGUMENTS]

    def __dealloc__(self):
        fc_program_destroy(self.handle)

    def run(self, arrays, int threads):
        """Run the network: one call of the engine, which lets go of the GIL once.

        Args:
            arrays: a list or tuple of the arguments, C-contiguous, aligned arrays of the program's
                dtype and of argument_bytes; those written are writeable, and share no memory with
                another.
            threads: at least 1.

        Raises:
            TypeError: not such arrays. ValueError: another number, size or layout of them, or memory
            that is shared. MemoryError: no memory for arena and scratch. Nothing is written then.
        """
        self.call(arrays, threads, False)

    def profile(self, arrays, int threads):
        """Run the network; nanoseconds of each step, all of its repeats together."""
        return self.call(arrays, threads, True).tolist()

    def memory_bytes(self, int threads):
        """Bytes that a call on so many threads borrows from the pool: arena, workers' memory, scratch."""
        return fc_program_arena_bytes(self.handle, allowed_threads(threads))

    @property
    def steps(self):
        """What each step does: op, algorithm, tier, reason, dst_shape, flops, src_bytes, dst_bytes,
        weight_bytes, packed_bytes, each of one repeat, and repeats."""
        cdef Step step
        cdef const fc_plan_info *info
        described = []
        for step, repeats in zip(self.work, self.repeats):
            info = &step.plan.info
            described.append({
                "op": step.op,
                "algorithm": algorithm_name(info.algorithm),
                "tier": tier_name(info.isa),
                "reason": "" if info.reason == NULL else text(info.reason),
                "dst_shape": tuple([info.dst_shape[i] for i in range(4)]),
                "flops": info.flops,
                "src_bytes": info.src_bytes,
                "dst_bytes": info.dst_bytes,
                "weight_bytes": info.weight_bytes,
                "packed_bytes": info.packed_weight_bytes,
                "repeats": repeats,
            })
        return described

    cdef object call(self, object arrays, int threads, bint timed):
        """Run; an array of nanoseconds, if `timed` or watched."""
        cdef void *addresses[MOST_ARGUMENTS]
        cdef fc_status status
        cdef int used = allowed_threads(threads)
        cdef uint64_t *times = NULL
        cdef cnp.ndarray elapsed = None
        arrays = tuple(arrays)  # which keeps them while the GIL is gone
        self.accept(<tuple>arrays, addresses)
        if threads < 1:
            raise ValueError(f"program: threads is {threads}, expected at least 1")
        if timed or _watched:
            elapsed = np.zeros(len(self.work), dtype=np.uint64)
            times = <uint64_t *>cnp.PyArray_DATA(elapsed)
        with nogil:
            status = fc_program_execute(self.handle, addresses, used, times)
        if status == FC_ERR_INVALID_ARGUMENT:
            raise ValueError(
                "program: an array that is written shares memory with another; give each its own"
            )
        if status != FC_OK:
            raise_status("program", status, fc_program_arena_bytes(self.handle, used))
        if _watched:
            self.tell(elapsed.tolist(), used)
        return elapsed

    cdef int accept(self, tuple arrays, void **addresses) except -1:
        cdef int i
        cdef cnp.ndarray a
        if len(arrays) != self.count:
            raise ValueError(
                f"program: {len(arrays)} arrays were given, {self.count} are expected: of "
                f"{self.argument_bytes} bytes"
            )
        for i in range(self.count):
            if float_kind(arrays[i]) != self.kind:
                raise TypeError(
                    f"program: array {i} must be an ndarray of "
                    f"{'float64' if self.kind == cnp.NPY_DOUBLE else 'float32'}, not "
                    f"{getattr(arrays[i], 'dtype', type(arrays[i]).__name__)}; convert it"
                )
            a = <cnp.ndarray>arrays[i]
            if a.nbytes != self.sizes[i]:
                raise ValueError(
                    f"program: array {i} of shape {(<object>a).shape} has {a.nbytes} bytes, expected "
                    f"{self.sizes[i]}; give as many elements as the program was built for"
                )
            if not (is_native(a, self.kind) and cnp.PyArray_IS_C_CONTIGUOUS(a)):
                raise ValueError(
                    f"program: array {i} is not C-contiguous, aligned and in native byte order; give "
                    f"numpy.ascontiguousarray(array)"
                )
            if self.writes[i] and not cnp.PyArray_ISWRITEABLE(a):
                raise ValueError(f"program: array {i} is written and read-only; give a writeable one")
            addresses[i] = cnp.PyArray_DATA(a)
        return 0

    cdef int tell(self, list elapsed, int threads) except -1:
        """One record of each step, whatever its repeats, to _trace, and one line in verbose mode,
        which ends with one for the whole."""
        cdef Step step
        cdef int took, number = 0
        record = _record
        verbose = _verbose and sys.stderr is not None
        name = "float64" if self.kind == cnp.NPY_DOUBLE else "float32"
        for step, repeats in zip(self.work, self.repeats):
            algorithm = algorithm_name(step.plan.info.algorithm)
            tier = tier_name(step.plan.info.isa)
            took = fc_plan_threads(step.plan.handle, threads)
            if record is not None:
                record.append((step.op, algorithm, tier, took))
            if verbose:
                shape = "x".join([str(step.plan.info.dst_shape[i]) for i in range(4)])
                print(
                    f"fastconv: program step {number + 1}/{len(self.work)} {step.op} -> {shape} {name} "
                    f"{algorithm} {tier} {took} thread{'s' if took > 1 else ''} "
                    f"{elapsed[number] / 1e6:.3f} ms in {repeats} run{'s' if repeats > 1 else ''}",
                    file=sys.stderr,
                )
            number += 1
        if verbose:
            print(
                f"fastconv: program of {len(self.work)} steps {sum(elapsed) / 1e6:.3f} ms",
                file=sys.stderr,
            )
        return 0
