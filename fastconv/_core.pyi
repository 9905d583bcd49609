"""The boundary between Python and the C engine; what ops and runtime may use of it.

An operation returns None when it refuses its arguments; diagnosis then says why.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import NoReturn, Self

import numpy as np

ALGORITHM_CODES: dict[str, int]
PRECISION_CODES: dict[str, int]
PRECISION_IN_FORCE: int
ACTIVATION_CODES: dict[str, int]
PARAMETERISED_CODES: dict[str, int]
BORDER_CODES: dict[str, int]
PADDING_CODES: dict[str, int]
NORM: int
PRELU: int
BATCH_NORM: int
BATCH_NORM_GRADIENT: int
NORM_GRADIENT: int
PRELU_GRADIENT: int
REDUCTION_CODES: dict[str, int]
INTERPOLATION_CODES: dict[str, int]
MAX_PAD_RANK: int
SGD: int
ADAM: int
RMSPROP: int
POOL_MAX: int
POOL_AVG: int
POOL_LP: int

Array = np.ndarray

class Probe:
    """Handed to an operation in place of a request to run it: filled with what would be done."""

    measure: bool
    calls: int
    algorithm: str
    tier: str
    reason: str
    refusals: dict[str, str]
    flops: int
    scratch_bytes: int
    packed_weight_bytes: int
    copied_bytes: int
    threads: int
    seconds: float
    peak: float
    @property
    def automatic(self) -> str: ...
    @property
    def precision(self) -> int | None: ...
    @property
    def within_precision(self) -> bool: ...
    @property
    def tuned_call(self) -> tuple[str | int | bool, ...] | None: ...
    def __init__(self, measure: bool = False, calls: int = 0) -> None: ...

def measure_peak(dtype: str, threads: int) -> float: ...

# Without a probe an operation returns its result, with one the probe.
def conv2d(
    op: str,
    input: object,
    weight: object,
    bias: object,
    residual: object,
    out: object,
    stride_h: int,
    stride_w: int,
    padding: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
    border: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    activation: int,
    algorithm: int,
    precision: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...

class PreparedConv2d:
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]] | str
    dilation: tuple[int, int]
    groups: int
    padding_mode: str
    activation: str | None
    algorithm: str | None
    precision: str | None
    def __new__(
        cls,
        op: str,
        weight: Array,
        bias: Array | None,
        stride_h: int,
        stride_w: int,
        padding: int,
        top: int,
        bottom: int,
        left: int,
        right: int,
        border: int,
        dilation_h: int,
        dilation_w: int,
        groups: int,
        activation: int,
        algorithm: int,
        precision: int,
        refuse: Callable[[PreparedConv2d, object, object, object], NoReturn],
        shown: tuple,
        borrowed: bool = False,
    ) -> Self: ...
    @property
    def weight(self) -> Array: ...
    @property
    def bias(self) -> Array | None: ...
    def __call__(
        self,
        input: Array,
        *,
        residual: Array | None = None,
        out: Array | None = None,
        threads: int | None = None,
    ) -> Array: ...
    def probe(
        self, probe: Probe, input: object, residual: object, out: object, threads: object
    ) -> Probe: ...

def conv_transpose2d(
    op: str,
    input: object,
    weight: object,
    bias: object,
    out: object,
    stride_h: int,
    stride_w: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
    extra_h: int,
    extra_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    activation: int,
    precision: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def conv2d_weight_gradient(
    op: str,
    grad: object,
    input: object,
    out: object,
    channels: int,
    per_group: int,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
    border: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    precision: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def channel_sums(
    op: str, grad: object, axis: int, out: object, threads: int, probe: Probe | None
) -> Array | Probe | None: ...
def pool2d(
    op: str,
    pool_kind: int,
    input: object,
    out: object,
    whole_plane: bool,
    adaptive: bool,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int,
    norm: float,
    with_indices: bool,
    threads: int,
    probe: Probe | None,
) -> Array | tuple[Array, Array] | Probe | None: ...
def max_unpool2d(
    op: str,
    input: object,
    indices: object,
    out: object,
    out_h: int,
    out_w: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def pool2d_gradient(
    op: str,
    pool_kind: int,
    grad: object,
    input: object,
    given: object,
    out: object,
    adaptive: bool,
    size_h: int,
    size_w: int,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int,
    norm: float,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def gradient_by_indices(
    op: str,
    unpooling: bool,
    grad: object,
    indices: object,
    out: object,
    size_h: int,
    size_w: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def pad_gradient(
    grad: object,
    out: object,
    sizes: tuple[int, ...],
    before: list[int],
    after: list[int],
    border: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def interpolate_gradient(
    grad: object,
    out: object,
    size_h: int,
    size_w: int,
    scale_h: float,
    scale_w: float,
    mode: int,
    doubling: bool,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def linear(
    input: object,
    weight: object,
    bias: object,
    out: object,
    activation: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def unary(
    op: str,
    activation: int,
    alpha: float,
    beta: float,
    input: object,
    out: object,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def add(op: str, a: object, b: object, out: object, threads: int) -> Array | None: ...
def softmax(
    op: str,
    logarithm: bool,
    input: object,
    dim: int,
    out: object,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def channelwise(
    op: str,
    kernel: int,
    input: object,
    weight: object,
    bias: object,
    mean: object,
    variance: object,
    out: object,
    epsilon: float,
    activation: int,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def local_response_norm(
    input: object,
    length: int,
    before: int,
    alpha: float,
    beta: float,
    k: float,
    out: object,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def unary_gradient(
    op: str,
    activation: int,
    alpha: float,
    beta: float,
    grad: object,
    saved: object,
    out: object,
    threads: int,
) -> Array | None: ...
def softmax_gradient(
    op: str, logarithm: bool, grad: object, saved: object, dim: int, out: object, threads: int
) -> Array | None: ...
def local_response_norm_gradient(
    grad: object,
    input: object,
    length: int,
    before: int,
    alpha: float,
    beta: float,
    k: float,
    out: object,
    threads: int,
) -> Array | None: ...
def channel_gradient(
    op: str,
    kernel: int,
    grad: object,
    input: object,
    weight: object,
    bias: object,
    mean: object,
    variance: object,
    epsilon: float,
    activation: int,
    out: object,
    threads: int,
) -> tuple[Array, Array, Array, Array] | None: ...
def cross_entropy(
    op: str,
    grad: object,
    input: object,
    target: object,
    saved: object,
    weight: object,
    ignored: int,
    reduction: int,
    smoothing: float,
    threads: int,
) -> Array | tuple[Array, Array]: ...
def pad(
    input: object,
    out: object,
    before: list[int],
    after: list[int],
    border: int,
    value: float,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def unfold(
    input: object,
    out: object,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def fold(
    input: object,
    out: object,
    output_size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def interpolate(
    input: object,
    out: object,
    out_h: int,
    out_w: int,
    scale_h: float,
    scale_w: float,
    mode: int,
    doubling: bool,
    threads: int,
    probe: Probe | None,
) -> Array | Probe | None: ...
def optimizer_step(
    op: str,
    kind: int,
    maximize: bool,
    nesterov: bool,
    decoupled: bool,
    amsgrad: bool,
    centered: bool,
    lr: float,
    weight_decay: float,
    momentum: float,
    dampening: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weights: list[Array],
    grads: list[Array],
    states: tuple[list[Array] | None, ...],
    steps: list[int],
    threads: int,
    check_only: bool,
) -> bool | None: ...
def gradient_norm(op: str, greatest: bool, grads: list[Array], threads: int) -> float | None: ...
def gradient_limit(
    op: str, clamp: bool, value: float, grads: list[Array], threads: int
) -> bool | None: ...
def overlap(a: Array, b: Array) -> bool: ...

# ---- runtime
def initialize() -> None: ...
def runtime_query() -> dict[str, object]: ...
def cores() -> int: ...
def limited(threads: int) -> int: ...

thread_scope: ContextVar[tuple | None]

def set_process_threads(threads: int) -> None: ...
def threads_in_force() -> int: ...
def thread_count(op: str, name: str, value: object) -> int: ...
def memory_query() -> dict[str, int]: ...
def pool_trim() -> None: ...

TUNED_FIELDS: tuple[str, ...]
TUNED_LAYOUTS: tuple[str, ...]

def set_tuning(
    choices: dict[tuple[str | int | bool, ...], int] | None, source: str | None
) -> None: ...
def tuning() -> tuple[str, int] | None: ...
def set_verbose(on: bool) -> None: ...

# ---- test hooks
def _trace(record: list[tuple[str, str, str, int]] | None) -> None: ...
def _plan_count() -> int: ...
def _limit_packings(most: int) -> int: ...
def _fail_allocation(nth: int) -> None: ...
def _measure_peak(dtype: str, threads: int) -> float: ...
def _fp_control() -> int: ...
def _fp_control_inside(dtype: str, threads: int) -> list[int]: ...

# ---- programs

ARENA: int
ARGUMENT: int
WORKER: int

# place, argument, offset_bytes, advance_bytes: from the beginning of the arena (argument 0) or an
# argument, so much further in each repeat of the step's section, or of a worker's memory (0).
Operand = tuple[int, int, int, int]
Numbers = tuple[int, ...] | list[int]

class Weight:
    shape: tuple[int, ...]
    dtype: np.dtype
    packed_nbytes: int
    bf16: bool
    @property
    def nbytes(self) -> int: ...
    @property
    def plain(self) -> Array | None: ...
    def retain(self) -> None: ...
    def convolution_forms(self) -> list[tuple[tuple[int, int, int], Array]]: ...
    def bf16_panels(self) -> Array: ...

class PackedStore:
    def __init__(self) -> None: ...
    def hold(self, array: Array) -> Weight: ...
    def adopt(
        self,
        array: Array,
        forms: list[tuple[tuple[int, int, int], Array]],
        check: Callable[[], None] | None = None,
    ) -> Weight: ...
    def adopt_bf16(self, outputs: int, features: int, panels: Array) -> Weight: ...
    def release(self) -> int: ...
    @property
    def packed_nbytes(self) -> int: ...
    @property
    def plain_nbytes(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

class Program:
    arena_bytes: int
    worker_bytes: int
    argument_bytes: tuple[int, ...]
    written: tuple[bool, ...]
    def run(self, arrays: list[Array] | tuple[Array, ...], threads: int) -> None: ...
    def profile(self, arrays: list[Array] | tuple[Array, ...], threads: int) -> list[int]: ...
    def memory_bytes(self, threads: int) -> int: ...
    @property
    def steps(self) -> list[dict[str, object]]: ...

# Each operation returns the number of its step. Sizes and strides are in elements; None: dense.
class ProgramBuilder:
    def __init__(self, dtype: str, store: PackedStore, threads: int = 1) -> None: ...
    def conv2d(
        self,
        n: int,
        ic: int,
        ih: int,
        iw: int,
        weight: Array | Weight,
        bias: Array | None,
        stride: Numbers,
        padding: Numbers,
        dilation: Numbers,
        groups: int,
        border: int,
        activation: int,
        precision: int,
        algorithm: int,
        src_stride: Numbers | None,
        dst_stride: Numbers | None,
        src: Operand,
        dst: Operand,
        residual: Operand | None = None,
        residual_stride: Numbers | None = None,
    ) -> int: ...
    def conv2d_estimate(
        self,
        ic: int,
        ih: int,
        iw: int,
        weight: Array | Weight,
        bias: Array | None,
        stride: Numbers,
        padding: Numbers,
        dilation: Numbers,
        groups: int,
        border: int,
        activation: int,
        precision: int,
        algorithm: int,
        src_stride: Numbers | None,
        dst_stride: Numbers | None,
        residual: bool,
        residual_stride: Numbers | None,
    ) -> float: ...
    def conv_transpose2d(
        self,
        n: int,
        ic: int,
        ih: int,
        iw: int,
        weight: Array | Weight,
        bias: Array | None,
        stride: Numbers,
        padding: Numbers,
        output_padding: Numbers,
        dilation: Numbers,
        groups: int,
        activation: int,
        precision: int,
        src_stride: Numbers | None,
        dst_stride: Numbers | None,
        src: Operand,
        dst: Operand,
    ) -> int: ...
    def linear(
        self,
        rows: int,
        weight: Array | Weight,
        bias: Array | None,
        activation: int,
        src_row_stride: int | None,
        src: Operand,
        dst: Operand,
    ) -> int: ...
    def pool2d(
        self,
        n: int,
        c: int,
        ih: int,
        iw: int,
        kind: int,
        kernel: Numbers,
        stride: Numbers,
        padding: Numbers,
        dilation: Numbers,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor: int,
        norm: float,
        src_stride: Numbers | None,
        src: Operand,
        dst: Operand,
        dst_stride: Numbers | None = ...,
    ) -> int: ...
    def adaptive_pool2d(
        self,
        n: int,
        c: int,
        ih: int,
        iw: int,
        kind: int,
        size: Numbers,
        src_stride: Numbers | None,
        src: Operand,
        dst: Operand,
        dst_stride: Numbers | None = ...,
    ) -> int: ...
    def interpolate(
        self,
        n: int,
        c: int,
        ih: int,
        iw: int,
        oh: int,
        ow: int,
        mode: int,
        scale_h: float,
        scale_w: float,
        doubling: bool,
        src_stride: Numbers | None,
        src: Operand,
        dst: Operand,
    ) -> int: ...
    def pad(
        self,
        size: Numbers,
        before: Numbers,
        after: Numbers,
        border: int,
        value: float,
        src_stride: Numbers | None,
        src: Operand,
        dst: Operand,
    ) -> int: ...
    def unary(
        self, count: int, activation: int, alpha: float, beta: float, src: Operand, dst: Operand
    ) -> int: ...
    def add(
        self,
        rows: int,
        length: int,
        activation: int,
        src_row_stride: int | None,
        residual_row_stride: int | None,
        dst_row_stride: int | None,
        src: Operand,
        dst: Operand,
        residual: Operand | None = None,
    ) -> int: ...
    def scale(
        self,
        rows: int,
        channels: int,
        inner: int,
        src_row_stride: int | None,
        dst_row_stride: int | None,
        src: Operand,
        factor: Operand,
        dst: Operand,
    ) -> int: ...
    def batch_norm(
        self,
        outer: int,
        channels: int,
        inner: int,
        weight: Array | None,
        bias: Array | None,
        mean: Array,
        variance: Array,
        epsilon: float,
        activation: int,
        src: Operand,
        dst: Operand,
    ) -> int: ...
    def prelu(
        self, outer: int, channels: int, inner: int, weight: Array, src: Operand, dst: Operand
    ) -> int: ...
    def lrn(
        self,
        outer: int,
        channels: int,
        inner: int,
        size: int,
        before: int,
        alpha: float,
        beta: float,
        k: float,
        src: Operand,
        dst: Operand,
    ) -> int: ...
    def softmax(
        self, outer: int, length: int, inner: int, logarithm: bool, src: Operand, dst: Operand
    ) -> int: ...
    def section(self, repeats: int, beside: bool = False) -> None: ...
    def result_shape(self, step: int) -> tuple[int, int, int, int]: ...
    def build(
        self,
        arena_bytes: int,
        argument_bytes: list[int] | tuple[int, ...],
        written: list[bool] | tuple[bool, ...],
        worker_bytes: int = 0,
    ) -> Program: ...
