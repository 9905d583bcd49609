# The engine's start, what it knows of the machine, memory statistics, test hooks. Included by
# _core.pyx.

from contextvars import ContextVar

from cpython.contextvars cimport get_value

# More threads than this are not started for anyone: what OpenMP does when the system refuses it a
# thread is to end the process.
cdef enum:
    MOST_THREADS = 1024

# (threads, the enclosing entry or None): leaving a scope needs no token, so that one num_threads
# object may be entered again, nested, and by several threads and tasks at once.
thread_scope = ContextVar("fastconv_num_threads", default=None)
cdef object _thread_scope = thread_scope
cdef int _process_threads = 1

cdef enum:
    IN_FORCE = -1  # the precision of a call that does not say

# (fc_precision, the enclosing entry or None), as threads have it
precision_scope = ContextVar("fastconv_precision", default=None)
cdef object _precision_scope = precision_scope
cdef int _process_precision = FC_PRECISION_DEFAULT


def set_process_threads(object threads):
    """Threads of calls that do not say, outside any scope; at least 1."""
    global _process_threads
    _process_threads = min(threads, MOST_THREADS)


cpdef int threads_in_force() except 0:
    """Threads of a call that does not say: context, set_num_threads, environment or cores."""
    scope = get_value(_thread_scope)
    return _process_threads if scope is None else <int>(<tuple>scope)[0]


def set_process_precision(int precision):
    """fc_precision of calls that do not say, outside any scope."""
    global _process_precision
    _process_precision = precision


cpdef int precision_in_force() except -1:
    """fc_precision of a call that does not say: context, set_precision or environment."""
    scope = get_value(_precision_scope)
    return _process_precision if scope is None else <int>(<tuple>scope)[0]


cpdef int thread_count(str op, str name, object value) except 0:
    """Check a number of threads, an int of 64 bits; more than 1024 count as 1024."""
    if type(value) is not int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(
                f"{op}: {name} must be an int, not {type(value).__name__} {value!r}; "
                f"give the number of threads"
            )
        value = value.__index__()
    if value < 1:
        raise ValueError(f"{op}: {name} is {value}, expected at least 1; give 1 to run on one")
    if value > INT64_MAX:
        raise ValueError(
            f"{op}: {name} is {value}, which is too large; give as many threads as cores, or None"
        )
    return min(value, MOST_THREADS)


cdef inline int thread_limit() noexcept:
    return fc_thread_limit()


def initialize():
    """Detect the CPU and choose the tier; ImportError when that is impossible."""
    cdef fc_status status = fc_init()
    if status == FC_ERR_UNKNOWN_ISA:
        raise ImportError(
            f"fastconv: the environment variable FASTCONV_MAX_ISA is "
            f"{environ.get('FASTCONV_MAX_ISA')!r}, expected one of {text(TIER_NAMES)} on this "
            f"architecture; unset it to use the best that the CPU has"
        )
    if status != FC_OK:
        raise ImportError(f"fastconv: the engine does not start: {text(fc_status_str(status))}")


def runtime_query():
    """What the engine found: tiers, OpenMP, cores, caches."""
    cdef fc_runtime_info info
    cdef int isa
    memset(&info, 0, sizeof(info))
    info.struct_size = sizeof(info)
    fc_runtime_query(&info)
    return {
        "tier_available": tier_name(info.isa_detected),
        "tier_in_use": tier_name(info.isa_used),
        "tiers_compiled": tuple(
            [tier_name(isa) for isa in range(64) if info.isa_compiled >> isa & 1]),
        "openmp": bool(info.openmp),
        "cores": info.cores,
        "forked_child": bool(info.forked_child),
        "l1d_bytes": info.l1d_bytes,
        "l2_bytes": info.l2_bytes,
        "l3_bytes": info.l3_bytes,
    }


def cores():
    """Usable cores now: affinity mask and cgroup quota respected."""
    return fc_cores()


def limited(int threads):
    """`threads`, within the OpenMP limit of the calling thread."""
    return allowed_threads(threads)


def measure_peak(str dtype not None, int threads):
    """Attained flop/s of independent multiply-adds: one turn of a millisecond or more."""
    cdef fc_dtype kind = FC_F64 if dtype == "float64" else FC_F32
    cdef int used = allowed_threads(threads)
    cdef double peak
    if dtype not in ("float32", "float64") or threads < 1:
        raise ValueError("measure_peak: dtype is 'float32' or 'float64', threads at least 1")
    with nogil:
        peak = fc_measure_peak(kind, used)
    return peak


def memory_query():
    cdef fc_memory_info info
    memset(&info, 0, sizeof(info))
    info.struct_size = sizeof(info)
    fc_memory_query(&info)
    return {
        "in_use_bytes": info.in_use_bytes,
        "cached_bytes": info.cached_bytes,
        "peak_bytes": info.peak_bytes,
        "limit_bytes": info.limit_bytes,
        "hits": info.hits,
        "misses": info.misses,
    }


def pool_trim():
    """Return all cached blocks to the operating system."""
    with nogil:
        fc_pool_trim()


# ---- test hooks ---------------------------------------------------------------------------------

def _fail_allocation(int64_t nth):
    """Let the nth allocation of the engine from now fail once (1: the next); 0 disarms."""
    fc_test_fail_allocation(nth)


def _fp_control():
    """The floating-point control word (MXCSR, FPCR) of the calling thread."""
    return fc_test_fp_control()


def _fp_control_inside(str dtype, int threads):
    """The control word inside a parallel region, of each of `threads` threads."""
    cdef uint64_t[64] control
    if dtype not in ("float32", "float64") or not 1 <= threads <= 64:
        raise ValueError("_fp_control_inside: dtype is 'float32' or 'float64', threads 1 to 64")
    memset(control, 0, sizeof(control))
    fc_test_fp_control_inside(FC_F64 if dtype == "float64" else FC_F32, threads, control)
    return [control[i] for i in range(threads)]


# ---- for benchmarks -----------------------------------------------------------------------------

def _measure_peak(str dtype, int threads):
    """Flops a second of independent multiply-adds on so many threads: about a millisecond's worth."""
    cdef double peak
    cdef fc_dtype code = FC_F64 if dtype == "float64" else FC_F32
    if dtype not in ("float32", "float64") or not 1 <= threads <= 64:
        raise ValueError("_measure_peak: dtype is 'float32' or 'float64', threads 1 to 64")
    with nogil:
        peak = fc_measure_peak(code, threads)
    return peak
