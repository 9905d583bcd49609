"""Networks drawn at random: branches, concatenations, shared values, odd shapes."""

import numpy as np
from hypothesis import strategies as st

from fastconv import autograd, nn
from fastconv import functional as F

# What a drawn network may do next to values (C, H, W).
_STEPS = (
    *("conv", "conv", "conv", "depthwise", "norm", "activation", "pool", "add", "concat"),
    *("pad", "transposed", "resize", "lrn", "gate", "affine", "siblings", "part"),
)
_ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh", "silu", "hardswish", "leaky_relu", "elu")


class Calls(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Drawn(nn.Module):
    """A network that does what it was drawn to: a list of (step, values, arguments)."""

    def __init__(self, steps, shape):
        super().__init__()
        self.steps = steps
        self.shape = shape
        for i, (_, _, arguments) in enumerate(steps):
            for name, array in arguments.get("arrays", {}).items():
                self.register_buffer(f"{name}{i}", array)

    def forward(self, x):
        values = [x]
        for i, (step, taken, arguments) in enumerate(self.steps):
            arrays = {name: getattr(self, f"{name}{i}") for name in arguments.get("arrays", {})}
            values.append(_DO[step](*(values[k] for k in taken), arrays, arguments))
        # Everything that nobody took, and the last one.
        used = {k for _, taken, _ in self.steps for k in taken}
        return tuple(v for k, v in enumerate(values[1:], 1) if k not in used)


def _conv(x, a, o):
    return F.conv2d(x, a["w"], a.get("b"), o["stride"], o["padding"], o["dilation"], o["groups"])


def _norm(x, a, o):
    return F.batch_norm(x, a["mean"], a["var"], a["w"], a["b"])


def _pool(x, a, o):
    if o["kind"] == "global":
        return F.adaptive_avg_pool2d(x, o["size"])
    function = F.max_pool2d if o["kind"] == "max" else F.avg_pool2d
    return function(x, o["kernel"], o["stride"], o["padding"], ceil_mode=o["ceil"])


def _gate(x, a, o):
    """Squeeze and excitation."""
    squeezed = F.adaptive_avg_pool2d(x, 1)
    return x * F.conv2d(squeezed, a["w"], a["b"], activation="sigmoid")


_DO = {
    "conv": _conv,
    "depthwise": _conv,
    "norm": _norm,
    "activation": lambda x, a, o: getattr(F, o["name"])(x),
    "pool": _pool,
    "add": lambda x, y, a, o: x + y,
    "concat": lambda *v: autograd.cat(list(v[:-2]), 1),
    "pad": lambda x, a, o: F.pad(x, o["sides"], o["mode"]),
    "transposed": lambda x, a, o: F.conv_transpose2d(x, a["w"], a["b"], o["stride"]),
    "resize": lambda x, a, o: F.interpolate(x, scale_factor=2, mode=o["mode"]),
    "lrn": lambda x, a, o: F.local_response_norm(x, 3),
    "gate": _gate,
    "part": lambda x, a, o: x[:, o["start"] : o["stop"]],
    "affine": lambda x, a, o: x * 0.5 - 1.0,
}


@st.composite
def networks(draw, dtype=np.float32, most_steps=12):
    """A Drawn network of that dtype, in eval mode."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def normal(*shape):
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(dtype)

    def depthwise(c):
        arrays = {"w": normal(c, 1, 3, 3), "b": normal(c)}
        return {"stride": 1, "padding": 1, "dilation": 1, "groups": c, "arrays": arrays}

    shape = draw(st.sampled_from(((3, 9, 11), (1, 8, 8), (16, 7, 7), (5, 12, 5))))
    shapes, steps = [shape], []
    for _ in range(draw(st.integers(1, most_steps))):
        step = draw(st.sampled_from(_STEPS))
        # Recent values are likelier: deep networks as well as wide ones.
        k = len(shapes) - 1 - draw(st.sampled_from((0, 0, 0, 1, 2))) % len(shapes)
        c, h, w = shapes[k]
        arguments, taken, result = {}, [k], (c, h, w)
        if step == "conv":
            kernel = draw(st.sampled_from((1, 3, 5)))
            stride, dilation = draw(st.sampled_from(((1, 1), (2, 1), (1, 2))))
            padding = draw(st.integers(0, kernel // 2 * dilation))
            groups = draw(st.sampled_from([g for g in (1, 2) if c % g == 0]))
            oc = groups * draw(st.sampled_from((1, 3, 8, 17)))
            reach = dilation * (kernel - 1) + 1
            if min(h, w) + 2 * padding < reach:
                continue
            arguments = {"stride": stride, "padding": padding, "dilation": dilation}
            arguments["groups"] = groups
            arguments["arrays"] = {"w": normal(oc, c // groups, kernel, kernel), "b": normal(oc)}
            result = oc, *((n + 2 * padding - reach) // stride + 1 for n in (h, w))
        elif step == "depthwise":
            arguments = depthwise(c)
        elif step == "norm":
            var = rng.uniform(0.5, 2, c).astype(dtype)
            arguments["arrays"] = {"mean": normal(c), "var": var, "w": normal(c), "b": normal(c)}
        elif step == "activation":
            arguments["name"] = draw(st.sampled_from(_ACTIVATIONS))
        elif step == "pool":
            kind = draw(st.sampled_from(("max", "avg", "global")))
            if kind == "global":
                size = draw(st.sampled_from((1, 3)))
                arguments, result = {"kind": kind, "size": size}, (c, size, size)
            else:
                kernel, stride = draw(st.sampled_from(((2, 2), (3, 1), (3, 2))))
                if min(h, w) < kernel:
                    continue
                padding = draw(st.integers(0, kernel // 2))
                arguments = {"kind": kind, "kernel": kernel, "stride": stride, "ceil": False}
                arguments["padding"] = padding
                result = c, *((n + 2 * padding - kernel) // stride + 1 for n in (h, w))
        elif step == "add":
            same = [i for i, other in enumerate(shapes) if other == (c, h, w)]
            taken = [k, draw(st.sampled_from(same))]
        elif step == "concat":
            same = [i for i, other in enumerate(shapes) if other[1:] == (h, w)]
            taken = [k, *draw(st.lists(st.sampled_from(same), max_size=3))]
            result = sum(shapes[i][0] for i in taken), h, w
        elif step == "pad":
            mode = draw(st.sampled_from(("constant", "reflect", "replicate")))
            if mode == "reflect" and min(h, w) < 3:
                continue
            left, right, top, bottom = (draw(st.integers(0, 2)) for _ in range(4))
            arguments = {"sides": (left, right, top, bottom), "mode": mode}
            result = c, h + top + bottom, w + left + right
        elif step == "transposed":
            stride = draw(st.sampled_from((1, 2)))
            oc = draw(st.sampled_from((2, 9)))
            arguments = {"stride": stride, "arrays": {"w": normal(c, oc, 2, 2), "b": normal(oc)}}
            result = oc, (h - 1) * stride + 2, (w - 1) * stride + 2
        elif step == "resize":
            arguments["mode"] = draw(st.sampled_from(("nearest", "bilinear")))
            result = c, 2 * h, 2 * w
        elif step == "part":
            start = draw(st.integers(0, c - 1))
            stop = draw(st.integers(start + 1, c))
            arguments, result = {"start": start, "stop": stop}, (stop - start, h, w)
        elif step == "siblings":
            if min(h, w) < 3 or 17 * h * w > 20_000:
                continue
            # Several values at once: 1 x 1 convolutions of one, then what is made of each.
            stride = draw(st.sampled_from((1, 1, 2)))
            same = {"stride": stride, "padding": 0, "dilation": 1, "groups": 1}
            made = range(len(shapes), len(shapes) + draw(st.integers(2, 3)))
            for _ in made:
                oc = draw(st.sampled_from((1, 3, 8, 17)))
                arrays = {"w": normal(oc, c, 1, 1)}
                if draw(st.booleans()):
                    arrays["b"] = normal(oc)
                steps.append(("conv", [k], {**same, "arrays": arrays}))
                shapes.append((oc, *((n - 1) // stride + 1 for n in (h, w))))
            for i in draw(st.permutations(made)):
                steps.append(("depthwise", [i], depthwise(shapes[i][0])))
                shapes.append(shapes[i])
            continue
        elif step == "gate":
            arguments["arrays"] = {"w": normal(c, c, 1, 1), "b": normal(c)}
        if np.prod(result) > 20_000 or min(result) < 1:
            continue
        steps.append((step, taken, arguments))
        shapes.append(result)
    if not steps:
        steps.append(("activation", [0], {"name": "relu"}))
    return Drawn(steps, shape).eval()
