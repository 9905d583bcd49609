"""The networks with torchvision's names: their states fit, and they give the same scores.

What torchvision has and computes stands in tests/torchvision.txt, which says of which version it is
and what it was made by; torchvision is not needed.
"""

import hashlib
import pathlib

import formula_weights
import numpy as np
import pytest

from fastconv import Tensor, models, nn, no_grad

TEXT = (pathlib.Path(__file__).parent / "torchvision.txt").read_text(encoding="utf-8")
ROWS = [line.split() for line in TEXT.splitlines() if not line.startswith("#")]
NAMES = list(dict.fromkeys(row[0] for row in ROWS))
# By torchvision's name, where ours is another.
OURS = {"alexnet": "alexnet_torchvision"}
QUICK = ("squeezenet1_1", "mobilenet_v2", "googlenet", "resnet18", "densenet121")


def make(name, dtype=None):
    with nn.init.skip():
        return models.create(OURS.get(name, name), dtype=dtype)


@pytest.mark.parametrize("name", NAMES)
def test_states_have_the_same_names_and_shapes_in_the_same_order(name):
    told = {}
    for child, part in make(name).named_children():
        state = part.state_dict()
        text = "".join(f"{key} {value.shape}\n" for key, value in state.items())
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        elements = sum(value.numel() for value in state.values())
        if state:
            told[child] = [str(len(state)), str(elements), digest]
    assert told == {row[1]: row[2:] for row in ROWS if row[0] == name and row[1] != "scores"}
    assert len(told) >= 2


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_the_scores_are_torchvisions(name):
    """In float64: 12 digits were written down, and the sums are in another order."""
    (row,) = [row for row in ROWS if row[:2] == [name, "scores"]]
    size = map(int, row[2].split("x"))
    model = make(name, np.float64).eval()
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    model.load_state_dict(formula_weights.state(shapes))
    with no_grad():
        scores = model(Tensor(formula_weights.images((1, 3, *size)))).numpy()[0]
    expected = np.array(row[3:], np.float64)
    shown = scores[[0, 250, 500, 750, 999]]
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-10 * np.abs(scores).max())
    assert np.abs(expected).max() > 0.01 * np.abs(scores).max()
