"""Nothing outside an operand is read or written: every buffer lies against forbidden pages.

Each test is one child process over one sweep, on this process's tier: an access outside kills it,
and the last shape it named is the culprit.
"""

import children
import pytest

PRELUDE = """
    import itertools, random, sys
    import numpy as np
    import sweeps
    import transforms
    from guard import Guarded
    import fastconv.functional as F
    from fastconv import reference

    def check(result, expected, out):
        assert result is out
        np.testing.assert_array_equal(out, expected.astype(out.dtype))

    def runs():
        # Flush with the end, then with the beginning, in both dtypes.
        return itertools.product((np.float32, np.float64), (True, False))
"""

CONV = """
    def conv(layers):
        count = 0
        for case in sweeps.with_epilogues(layers):
            problem = sweeps.conv_problem(case)
            for dtype, at_end in runs():
                memory = Guarded()
                x, w, bias, residual = (
                    memory.copy(array, at_end=at_end) for array in problem.operands(dtype)
                )
                how = {**case.how, "residual": residual, "activation": case.activation}
                how["precision"] = "strict"  # of the engine's choice, which is exact then
                for algorithm in (None, *sweeps.ALGORITHMS):
                    if algorithm and not sweeps.algorithm_must_take(algorithm, case.layer):
                        continue
                    print(case, dtype.__name__, f"{at_end=}", algorithm, flush=True)
                    out = memory.empty(problem.result.shape, dtype, at_end=at_end)
                    result = F.conv2d(x, w, bias, **how, algorithm=algorithm, out=out)
                    assert result is out
                    transforms.assert_meets(out, problem, case.layer, algorithm)
                    count += 1
        return count
"""

SWEEPS = {
    "widths": "sweeps.widths()",
    "pixels": "sweeps.pixels()[::5]",
    "channels": "sweeps.channels()[::3]",
    "kernels": "sweeps.kernels()[::2]",
    "geometries": "sweeps.geometries()[::3]",
    "groups": "sweeps.groups()",
    "depthwise": "sweeps.depthwise()",
    "mixtures": "sweeps.mixtures(60, seed=3)",
}


def last_line(text):
    return text.rstrip().rpartition("\n")[2]


@pytest.mark.parametrize("sweep", SWEEPS)
def test_conv2d(sweep):
    code = f"""{PRELUDE}{CONV}
    layers = {SWEEPS[sweep]}
    count = conv(layers)
    assert count >= 8 * len(layers), count
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_conv_variants():
    code = f"""{PRELUDE}
    def one(op, operands, how, memory, at_end, expected, dtype):
        out = memory.empty(expected.shape, dtype, at_end=at_end)
        print(op, [a.shape for a in operands if a is not None], how, dtype, at_end, flush=True)
        check(getattr(F, op)(*operands, **how, out=out), expected, out)
    for layer, mode in sweeps.bordered()[::3]:
        case = sweeps.ConvCase(layer)
        problem = sweeps.conv_problem(case)
        how = {{**case.how, "padding_mode": mode}}
        expected = reference.conv2d(problem.input, problem.weight, **how)
        for dtype, at_end in runs():
            memory = Guarded()
            operands = [memory.copy(a, at_end=at_end) for a in problem.operands(dtype)[:2]]
            for algorithm in ("direct", "im2col", *(["depthwise"] * (layer.ic == layer.g))):
                one("conv2d", operands, how | {{"algorithm": algorithm}}, memory, at_end, expected,
                    dtype)
    for rank in (1, 2):
        op = f"conv_transpose{{rank}}d"
        for case in sweeps.transposed(60, 9, rank):
            expected = getattr(reference, op)(*case.operands(), **dict(case.how))
            for dtype, at_end in runs():
                memory = Guarded()
                operands = [
                    None if a is None else memory.copy(a, at_end=at_end)
                    for a in case.operands(dtype)
                ]
                one(op, operands, dict(case.how), memory, at_end, expected, dtype)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_pools():
    code = f"""{PRELUDE}
    from test_pool2d import WINDOWS, DILATED
    def one(op, x, arguments, memory, at_end):
        expected = getattr(reference, op)(x, **arguments)
        out = memory.empty(expected.shape, x.dtype, at_end=at_end)
        print(op, x.shape, x.dtype, arguments, f"{{at_end=}}", flush=True)
        result = getattr(F, op)(x, **arguments, out=out)
        assert result is out
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    for shape, arguments in WINDOWS[::2] + DILATED[::2]:
        for dtype, at_end in runs():
            memory = Guarded()
            x = memory.copy(sweeps.integers(shape, shape, dtype=dtype), at_end=at_end)
            one("max_pool2d", x, arguments, memory, at_end)
            found = F.max_pool2d(x, **arguments, return_indices=True)[1]
            expected = reference.max_pool2d(x, **arguments, return_indices=True)[1]
            np.testing.assert_array_equal(found, expected)
            if "dilation" not in arguments:
                one("avg_pool2d", x, arguments, memory, at_end)
    for size in (*range(1, 70), 127, 128, 129):
        for dtype, at_end in runs():
            memory = Guarded()
            x = memory.copy(sweeps.integers((2, 3, 1, size), size, dtype=dtype), at_end=at_end)
            one("global_max_pool2d", x, {{}}, memory, at_end)
            one("global_avg_pool2d", x, {{}}, memory, at_end)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_pool_variants():
    code = f"""{PRELUDE}
    from test_pool_variants import OUTPUTS, SHAPES
    def one(op, memory, at_end, *arguments, **options):
        expected = getattr(reference, op)(*arguments, **options)
        out = memory.empty(expected.shape, arguments[0].dtype, at_end=at_end)
        print(op, arguments[0].shape, arguments[1:], options, f"{{at_end=}}", flush=True)
        assert getattr(F, op)(*arguments, **options, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    for shape in SHAPES:
        for dtype, at_end in runs():
            memory = Guarded()
            x = memory.copy(abs(sweeps.integers(shape, shape, dtype=dtype)), at_end=at_end)
            for output in OUTPUTS:
                one("adaptive_avg_pool2d", memory, at_end, x, output)
                one("adaptive_max_pool2d", memory, at_end, x, output)
                F.adaptive_max_pool2d(x, output, return_indices=True)
            kernel = (min(2, shape[-2]), min(3, shape[-1]))
            for norm in (1, 2, 3):
                one("lp_pool2d", memory, at_end, x, norm, kernel, 1, True)
            pooled, places = F.max_pool2d(x, kernel, return_indices=True)
            operands = (memory.copy(a, at_end=at_end) for a in (pooled, places))
            one("max_unpool2d", memory, at_end, *operands, kernel, None, 0, shape[-2:])
            row = x[:, :, 0]
            one("max_pool1d", memory, at_end, row, kernel[1], 1)
            one("avg_pool1d", memory, at_end, row, kernel[1], 2, 0, True)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_resampling():
    code = f"""{PRELUDE}
    from test_resampling import PADS, RESIZED, SHAPES, WINDOWS
    def one(op, memory, at_end, *arguments, **options):
        expected = getattr(reference, op)(*arguments, **options)
        out = memory.empty(expected.shape, arguments[0].dtype, at_end=at_end)
        print(op, arguments[0].shape, arguments[1:], options, f"{{at_end=}}", flush=True)
        assert getattr(F, op)(*arguments, **options, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
        return out
    for dtype, at_end in runs():
        memory = Guarded()
        def operand(shape):
            return memory.copy(sweeps.integers(shape, shape, dtype=dtype), at_end=at_end)
        for shape, sides in PADS:
            if shape != (0,):
                one("pad", memory, at_end, operand(shape), sides)
        for mode in sweeps.BORDERS:
            one("pad", memory, at_end, operand((2, 3, 7, 9)), (1, 2, 3, 4), mode)
        for window in WINDOWS[::3]:
            columns = one("unfold", memory, at_end, operand(SHAPES[0]), **window)
            one("fold", memory, at_end, operand(columns.shape), SHAPES[0][-2:], **window)
        for how in RESIZED:
            for mode in ("nearest", "nearest-exact", "bilinear"):
                one("interpolate", memory, at_end, operand((2, 3, 7, 9)), **how, mode=mode)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_elementwise_and_normalization():
    code = f"""{PRELUDE}
    from test_activations import CALLS, called
    from test_normalization import LRN_SHAPES, SHAPES, statistics
    def one(op, memory, at_end, *arguments, **options):
        expected = getattr(reference, op)(*arguments, **options)
        out = memory.empty(expected.shape, arguments[0].dtype, at_end=at_end)
        print(op, arguments[0].shape, options, f"{{at_end=}}", flush=True)
        assert getattr(F, op)(*arguments, **options, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
    for size in (*range(1, 70), 127, 128, 129):
        for dtype, at_end in runs():
            memory = Guarded()
            x = memory.copy(sweeps.integers(size, size, dtype=dtype), at_end=at_end)
            for name in CALLS:
                op, options = called(name)
                one(op, memory, at_end, x, **options)
            one("log_softmax", memory, at_end, x, 0)
            one("log_softmax", memory, at_end, x.reshape(1, 1, size), 1)
            one("prelu", memory, at_end, x, memory.copy(x[:1], at_end=at_end))
    for shape in SHAPES + LRN_SHAPES:
        for dtype, at_end in runs():
            memory = Guarded()
            x = memory.copy(sweeps.integers(shape, shape, dtype=dtype), at_end=at_end)
            numbers = [memory.copy(a, at_end=at_end) for a in statistics(shape[1], dtype)]
            one("batch_norm", memory, at_end, x, *numbers)
            one("batch_norm", memory, at_end, x, *numbers[:2], activation="relu")
            one("prelu", memory, at_end, x, numbers[0])
            if len(shape) > 2:
                for beta in (0.75, 0.6):
                    one("local_response_norm", memory, at_end, x, 5, beta=beta)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_linear_softmax_relu():
    code = f"""{PRELUDE}
    for rows, features, outputs in itertools.product(
        (1, 3, 6, 7, 14, 15), (1, 6, 16, 17, 31, 257), (1, 3, 16, 17, 31, 33, 65)
    ):
        for dtype, at_end in runs():
            memory = Guarded()
            operands = [
                memory.copy(sweeps.integers(shape, shape, dtype=dtype), at_end=at_end)
                for shape in ((rows, features), (outputs, features), (outputs,))
            ]
            print("linear", rows, features, outputs, dtype.__name__, f"{{at_end=}}", flush=True)
            out = memory.empty((rows, outputs), dtype, at_end=at_end)
            check(F.linear(*operands, out=out), reference.linear(*operands), out)
    for size in (*range(1, 70), 127, 128, 129, 1023, 1025):
        for dtype, at_end in runs():
            memory = Guarded()
            for shape, dim in (((size,), 0), ((2, size), 1), ((3, size), 0), ((2, 5, size), 1)):
                x = memory.copy(sweeps.integers(shape, shape, dtype=dtype), at_end=at_end)
                print(shape, dim, dtype.__name__, f"{{at_end=}}", flush=True)
                out = memory.empty(shape, dtype, at_end=at_end)
                check(F.relu(x, out=out), reference.relu(x), out)
                out = memory.empty(shape, dtype, at_end=at_end)
                assert F.softmax(x, dim, out=out) is out
                np.testing.assert_allclose(out, reference.softmax(x, dim), rtol=1e-4, atol=1e-30)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


def test_float16():
    code = f"""{PRELUDE}
    for case in sweeps.with_epilogues(sweeps.mixtures(40, seed=4)):
        problem = sweeps.conv_problem(case)
        for at_end in (True, False):
            memory = Guarded()
            x, w, bias, residual = (
                memory.copy(array, at_end=at_end) for array in problem.operands(np.float16)
            )
            out = memory.empty(problem.result.shape, np.float16, at_end=at_end)
            print(case, f"{{at_end=}}", flush=True)
            with np.errstate(over="ignore"):
                expected = problem.result.astype(np.float16)
            check(F.conv2d(x, w, bias, **case.how, residual=residual,
                           activation=case.activation, out=out), expected, out)
    print("end")
    """
    assert last_line(children.run(code, timeout=120)) == "end"


@pytest.mark.parametrize("at_end", [True, False], ids=("behind", "before"))
def test_the_guard_itself_kills(at_end):
    """One element outside ends the process: without this the tests above would prove nothing."""
    outside = "array.size" if at_end else "-1"
    code = f"""
    import ctypes
    import numpy as np
    from guard import Guarded
    memory = Guarded()
    array = memory.copy(np.ones(5, np.float32), at_end={at_end})
    assert array.sum() == 5
    ctypes.c_float.from_address(array.ctypes.data + 4 * ({outside})).value
    """
    done = children.run_unchecked(code)
    assert done.returncode == -11, children.describe(done)
