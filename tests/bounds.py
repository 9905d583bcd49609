"""How far a result computed in float32 or float64 may lie from the exact one.

u is the unit roundoff, half of eps: one rounded operation gives x(1 + d), |d| <= u. A sum of K
products, however it is ordered and whether or not its multiplications are fused, then lies within
(K + 1)·u·Σ|x||w| of the exact sum, but for terms in u² (N. J. Higham, "Accuracy and Stability of
Numerical Algorithms", section 3.1); bias and residual are two more terms, and the rest of the 4
covers u² and the reference's own roundings. Rounding errors also cancel: with a probability that
no test here comes near to missing, sqrt(K) takes the place of K (N. J. Higham, T. Mary, "A New
Approach to Probabilistic Rounding Error Analysis", 2019), which is the sharper one for long sums.

What is below the smallest normal number may be flushed to zero in float32, in any term.
"""

import numpy as np

from fastconv import reference

COMPUTED_IN = {np.float16: np.float32, np.float32: np.float32, np.float64: np.float64}
FUNCTION_ROUNDINGS = 8  # of sigmoid, tanh and exp, in units of u relative to the result


def roundoff(dtype):
    """u of the type that `dtype` is computed in."""
    return float(np.finfo(COMPUTED_IN[np.dtype(dtype).type]).eps) / 2


def sum_bound(terms, magnitude, dtype):
    """For a sum of `terms` products, and bias and residual, whose magnitudes add up to that."""
    smallest = float(np.finfo(COMPUTED_IN[np.dtype(dtype).type]).tiny)
    factor = min(terms + 4, 6 * np.sqrt(terms) + 4)
    return factor * roundoff(dtype) * magnitude + (2 * terms + 4) * smallest


def stored(bound, exact, dtype):
    """What rounding the result to `dtype` adds, which matters for float16 alone."""
    if np.dtype(dtype).type is not np.float16:
        return bound
    half_an_ulp = 2.0**-11
    return bound + (np.abs(exact) + bound) * half_an_ulp + 2.0**-25


def activation_bound(bound, before, activation, dtype):
    """Propagate the bound of the sum through the activation: the steepest slope nearby times it."""
    if activation in (None, "relu", "relu6"):
        return bound
    exact = reference.linear(before.reshape(-1, 1), np.ones((1, 1)), activation=activation)
    nearest_to_zero = np.maximum(np.abs(before) - bound, 0)
    match activation:
        case "sigmoid":
            slope = np.exp(-nearest_to_zero)  # s(1 - s) = 1/(2 + exp(x) + exp(-x)) <= exp(-|x|)
        case "tanh":
            slope = np.minimum(4 * np.exp(-2 * nearest_to_zero), 1)  # 1/cosh² <= 4·exp(-2|x|)
        case _:  # silu, hardsigmoid, hardswish, gelu and its approximation: hardswish is steepest
            slope = 1.5
    smallest = float(np.finfo(COMPUTED_IN[np.dtype(dtype).type]).tiny)
    own = function_bound(activation, before, exact.reshape(before.shape), dtype)
    return slope * bound + own + smallest


def function_bound(function, x, exact, dtype, scale=1.0):
    """What a function of exact x, computed in `dtype`, may be off. Where it rounds an exponential's
    argument first, the tail's relative error grows with that argument."""
    argument = {
        "gelu": 0.5 * x**2,
        "gelu_tanh": 1.6 * np.abs(x) * (1 + 0.045 * x**2),
        "softplus": np.abs(scale * x),
    }.get(function, 0.0)
    smallest = float(np.finfo(COMPUTED_IN[np.dtype(dtype).type]).tiny)
    roundings = FUNCTION_ROUNDINGS + 4 * argument
    with np.errstate(invalid="ignore", over="ignore"):
        return roundings * roundoff(dtype) * np.abs(exact) + smallest * (1 + np.abs(x))


def conv2d(x, w, bias=None, *, residual=None, activation=None, dtype, **how):
    """(exact result, bound) of conv2d for the values of float arrays x, w, bias, residual."""
    exact = reference.conv2d(x, w, bias, residual=residual, activation=activation, **how)
    before = reference.conv2d(x, w, bias, residual=residual, **how)
    magnitude = reference.conv2d(
        np.abs(x),
        np.abs(w),
        None if bias is None else np.abs(bias),
        residual=None if residual is None else np.abs(residual),
        **how,
    )
    terms = int(np.prod(w.shape[1:]))
    bound = sum_bound(terms, magnitude, dtype)
    bound = activation_bound(bound, before, activation, dtype)
    return exact, stored(bound, exact, dtype)


def linear(x, w, bias=None, *, activation=None, dtype):
    """(exact result, bound) of linear."""
    exact = reference.linear(x, w, bias, activation=activation)
    before = reference.linear(x, w, bias)
    magnitude = reference.linear(np.abs(x), np.abs(w), None if bias is None else np.abs(bias))
    bound = sum_bound(w.shape[1], magnitude, dtype)
    bound = activation_bound(bound, before, activation, dtype)
    return exact, stored(bound, exact, dtype)


def avg_pool2d(x, kernel, stride=None, padding=0, ceil_mode=False, *, dtype, **how):
    """(exact result, bound) of avg_pool2d; the division may be by a rounded reciprocal."""
    exact = reference.avg_pool2d(x, kernel, stride, padding, ceil_mode, **how)
    magnitude = np.abs(reference.avg_pool2d(np.abs(x), kernel, stride, padding, ceil_mode, **how))
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    return exact, stored(sum_bound(kh * kw, magnitude, dtype), exact, dtype)


def global_avg_pool2d(x, *, dtype):
    """(exact result, bound) of global_avg_pool2d."""
    exact = reference.global_avg_pool2d(x)
    magnitude = reference.global_avg_pool2d(np.abs(x))
    return exact, stored(sum_bound(x.shape[-2] * x.shape[-1], magnitude, dtype), exact, dtype)


def softmax(x, dim, *, dtype):
    """(exact result, bound) of softmax.

    The exponent x - m is rounded, which changes exp by a factor of 1 + |x - m|·u; exp itself by a
    few u; the sum of n powers and the division by n + 1 of them at most.
    """
    exact = reference.softmax(x, dim)
    exponent = np.abs(x.astype(np.float64) - x.astype(np.float64).max(axis=dim, keepdims=True))
    # exp is 0 beyond, and the sum feels each line's own spread only through terms that count.
    exponent = np.minimum(exponent, 800.0)
    spread = (exact * exponent).sum(axis=dim, keepdims=True)
    factor = exponent + spread + x.shape[dim] + 2 * FUNCTION_ROUNDINGS + 2
    smallest = float(np.finfo(COMPUTED_IN[np.dtype(dtype).type]).tiny)
    return exact, stored(factor * roundoff(dtype) * exact + smallest, exact, dtype)


def assert_within(result, exact, bound):
    """Each element of `result` lies within its bound, NaN where the exact one is NaN, and so on."""
    assert result.shape == exact.shape
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(result[~finite].astype(np.float64), exact[~finite])
    error = np.abs(result[finite].astype(np.float64) - exact[finite])
    limit = np.broadcast_to(bound, exact.shape)[finite]
    wrong = ~(error <= limit)  # so that NaN is wrong
    if wrong.any():
        worst = np.nanargmax(np.where(wrong, error / limit, -1))
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} elements are out of bounds; worst: "
            f"{result[finite][worst]!r} for {exact[finite][worst]!r}, "
            f"error {error[worst]:.3g}, bound {limit[worst]:.3g}"
        )
