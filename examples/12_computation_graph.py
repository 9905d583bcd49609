"""A computation graph: J = 3 (a + bc), forwards for its value, backwards for its derivatives.

    forwards    u = bc,   v = a + u,   J = 3v
    backwards   dJ/dv = 3,   dJ/da = dJ/dv · 1,   dJ/du = dJ/dv · 1,   dJ/db = dJ/du · c,
                dJ/dc = dJ/du · b

Each step back multiplies what comes from the right by one local derivative: the chain rule. A
Tensor records the graph on the way forward and walks it back.
"""

from typing import Any

import course

from fastconv import tensor
from fastconv.autograd import grad
from fastconv.pictures.canvas import BLUE, FAINT, INK, ORANGE, Canvas

VALUES = {"a": 5.0, "b": 3.0, "c": 2.0}
NAMES = ("a", "b", "c", "u", "v", "J")


def forwards(a: Any, b: Any, c: Any) -> dict[str, Any]:
    """Every value of the graph; of floats, or of Tensors, which record it."""
    u = b * c
    v = a + u
    return {"a": a, "b": b, "c": c, "u": u, "v": v, "J": 3 * v}


def backwards(at: dict[str, float]) -> dict[str, float]:
    """dJ/d of every value, by hand."""
    d = {"J": 1.0}
    d["v"] = d["J"] * 3
    d["a"] = d["v"] * 1
    d["u"] = d["v"] * 1
    d["b"] = d["u"] * at["c"]
    d["c"] = d["u"] * at["b"]
    return d


def main(lesson: course.Lesson) -> dict[str, dict[str, float]]:
    """The derivatives by hand, by Tensors, and by differences."""
    at = forwards(**VALUES)
    by_hand = backwards(at)

    graph = forwards(**{name: tensor(value, requires_grad=True) for name, value in VALUES.items()})
    found = grad(graph["J"], [graph[name] for name in NAMES])
    by_tensors = {name: gradient.item() for name, gradient in zip(NAMES, found, strict=True)}

    # What a small change of a, b or c does to J.
    step = 1e-3
    by_differences = {
        name: (forwards(**VALUES | {name: value + step})["J"] - at["J"]) / step
        for name, value in VALUES.items()
    }
    rows = [
        (name, f"{at[name]:g}", f"{by_hand[name]:g}", f"{by_tensors[name]:g}",
         f"{by_differences[name]:.6g}" if name in by_differences else "")
        for name in NAMES
    ]  # fmt: skip
    header = ("", "value", "dJ/d… by hand", "by Tensors", "by differences")
    lesson.table("derivatives", header, rows)
    lesson.picture("graph", picture(at, by_hand))
    return {"by hand": by_hand, "by tensors": by_tensors, "by differences": by_differences}


def picture(at: dict[str, float], derivatives: dict[str, float]) -> Any:
    """The graph, with values above the boxes and derivatives below."""
    places = {
        "a": (90, 110), "b": (90, 220), "c": (90, 330), "u": (290, 275), "v": (490, 190),
        "J": (690, 190),
    }  # fmt: skip
    formulas = {"u": "u = bc", "v": "v = a + u", "J": "J = 3v"}
    canvas = Canvas(800, 410)
    canvas.text((24, 18), "J = 3 (a + bc)", 20, bold=True)
    canvas.text((200, 24), "forwards: values", 13, BLUE)
    canvas.text((320, 24), "backwards: dJ/d of each", 13, ORANGE)
    for left, right in (("a", "v"), ("b", "u"), ("c", "u"), ("u", "v"), ("v", "J")):
        (x0, y0), (x1, y1) = places[left], places[right]
        canvas.line([(x0, y0), (x1 - 55, y1)], FAINT, 1.5)
        canvas.dot((x1 - 55, y1), FAINT, 4)
    for name, (x, y) in places.items():
        canvas.box((x - 55, y - 18), (110, 36), (255, 255, 255), INK)
        canvas.text((x, y), formulas.get(name, name), 15, INK, "mm")
        canvas.text((x, y - 22), f"{at[name]:g}", 15, BLUE, "ms")
        canvas.text((x, y + 22), f"{derivatives[name]:g}", 15, ORANGE, "ma")
    return canvas.finish()


if __name__ == "__main__":
    course.run(__file__, main)
