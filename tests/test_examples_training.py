"""What the lessons on training find, in their short forms."""

import importlib
import re

import lessons
import numpy as np
import photographs
import pytest

import fastconv

pytest.importorskip("PIL.Image", reason="Pillow draws the pictures")

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def one_thread():
    with fastconv.num_threads(1):
        yield


def test_the_computation_graph():
    found = lessons.found("12_computation_graph")
    assert found["by hand"] == {"J": 1, "v": 3, "a": 3, "u": 3, "b": 6, "c": 9}
    assert found["by tensors"] == found["by hand"]
    for name, slope in found["by differences"].items():
        assert slope == pytest.approx(found["by hand"][name], abs=1e-9)


# ---- logistic regression


@pytest.fixture(scope="module")
def logistic():
    return importlib.import_module("13_logistic_regression")


def test_four_forms_of_one_gradient(logistic):
    w, x = RNG.normal(size=7), RNG.normal(size=(7, 11))
    y = RNG.integers(2, size=11)
    cost, dw, db = logistic.two_loops(w, 0.3, x, y)
    for name, form in logistic.FORMS.items():
        found = form(w, 0.3, x, y)
        np.testing.assert_allclose(found[0], cost, rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(found[1], dw, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(found[2], db, rtol=1e-10, err_msg=name)
    step = 1e-6

    def at(w, b):
        return logistic.vectorised(w, b, x, y)[0]

    slopes = [(at(w + e, 0.3) - at(w - e, 0.3)) / (2 * step) for e in step * np.eye(7)]
    np.testing.assert_allclose(dw, slopes, rtol=1e-6)
    assert db == pytest.approx((at(w, 0.3 + step) - at(w, 0.3 - step)) / (2 * step), rel=1e-6)


def test_sure_and_wrong_answers_have_a_finite_cost(logistic):
    w, x, y = np.array([1.0]), np.array([[-800.0, 30.0]]), np.array([1, 1])
    with np.errstate(over="ignore"):
        cost, _, _ = logistic.vectorised(w, 0.0, x, y)
    assert cost == pytest.approx(400)


@pytest.mark.oracle
def test_logistic_regression_on_cats():
    found = lessons.found("13_logistic_regression")
    (cost, dw, _), *others = found["results"].values()
    for other in others:
        assert other[0] == pytest.approx(cost, rel=1e-9)
        np.testing.assert_allclose(other[1], dw, atol=1e-9)
    assert found["times"]["two loops"] > 3 * found["times"]["no loop"]
    assert found["costs"][0] == pytest.approx(np.log(2))
    assert np.diff(found["costs"]).max() < 0


@pytest.mark.oracle
def test_pixels_tell_faces_but_no_cats():
    found = lessons.found("14_cats_and_faces")
    assert found["faces, on other squares"][1] > 0.93
    assert found["cats, on other squares"][1] > 0.7
    seen, new = found["cats, on other photographs"]
    assert seen > 0.85
    assert 0.3 < new < 0.7


@pytest.mark.oracle
def test_photographs_are_held_out_as_wholes():
    folds = importlib.import_module("14_cats_and_faces").photograph_folds
    numbers = np.repeat(np.arange(15), 4)
    held = folds(numbers, np.random.default_rng(0))
    assert (sum(out.astype(int) for out in held) == 1).all()
    for out in held:
        assert len(np.unique(numbers[out])) == 3
        assert not set(numbers[out]) & set(numbers[~out])


def test_the_squared_error_is_flat_where_it_is_wrong():
    found = lessons.found("15_squared_error")
    squared, entropy = found["squared error"], found["cross-entropy"]
    assert np.diff(entropy[:, 0], 2).min() > 0 > np.diff(squared[:, 0], 2).min()
    assert squared[0, 0] > 0.9  # wrong
    assert squared[0, 1] < 0.02  # and no slope to get away from there
    assert entropy[0, 1] > 0.9


# ---- sets


@pytest.mark.oracle
def test_gaps_between_the_sets():
    lesson = importlib.import_module("16_train_dev_test")
    found = lessons.found("16_train_dev_test")
    rises = {
        name: lesson.gaps(lesson.HUMAN["textures" if "blurred" in name else "digits"], errors)
        for name, errors in found.items()
    }
    largest = {name: max(of, key=of.get) for name, of in rises.items()}
    assert largest["digits, too small a network"] == "avoidable bias"
    assert largest["digits, too few examples"] == "variance"
    assert largest["digits, for those of others"] == "data mismatch"
    assert largest["textures, for blurred ones"] == "data mismatch"
    mended = found["the same, half of theirs in"]
    assert mended[2] < found["digits, for those of others"][2] - 0.05
    for name, errors in found.items():
        total = sum(rises[name].values())
        human = lesson.HUMAN["textures" if "blurred" in name else "digits"]
        assert total == pytest.approx(errors[-1] - human)


def test_the_dev_set_chooses():
    found = lessons.found("17_choosing")
    scores = [trial.score for trial in found["ranked"]]
    assert scores == sorted(scores, reverse=True)
    assert len({trial.parameters["lr"] for trial in found["ranked"]}) == len(scores)
    assert found["dev"] <= 1 - scores[0] + 0.02
    assert found["dev"] < 0.2
    assert found["test"] == pytest.approx(found["dev"], abs=0.06)


# ---- depth


def test_gradients_vanish_and_explode():
    lesson = importlib.import_module("18_vanishing_gradients")
    assert lesson.powers(1.5, 50) == pytest.approx(1.5**50, rel=1e-9)
    assert lesson.powers(0.5, 50) == pytest.approx(0.5**50, rel=1e-9)
    found = lessons.found("18_vanishing_gradients")
    norms = found["norms"]
    assert {len(of) for of in norms.values()} == {lesson.LAYERS + 1}
    assert norms["sigmoid, Glorot"][0] < 1e-8 * norms["sigmoid, Glorot"][-1]
    assert max(norms["ReLU, deviation 0.05"]) < 1e-6
    assert min(norms["ReLU, deviation 0.3"]) > 1e4
    for good in ("tanh, Glorot", "ReLU, He"):
        assert 0.05 < min(norms[good]) < max(norms[good]) < 50
        assert np.mean(found["losses"][good][-5:]) < found["losses"][good][0] - 0.3
    assert np.mean(found["losses"]["sigmoid, Glorot"][-5:]) > 2.2


def test_deeper_is_worse_or_better():
    found = lessons.found("19_plain_and_residual")
    last = {key: errors[-1] for key, errors in found["errors"].items()}
    assert last["plain", 20] > last["plain", 8] + 0.05
    assert last["residual", 20] < last["residual", 8] - 0.05
    assert last["residual", 20] < last["plain", 20] - 0.2
    assert found["identity"]


# ---- a trained network


@pytest.mark.oracle
def test_transfer_knows_cats():
    shares = lessons.found("20_transfer")
    right = {name: int(np.sum(share > 0.5)) for name, share in shares.items()}
    assert right["fire9"] >= 12
    assert right["pixels"] <= right["fire9"] - 3


def test_what_decides_that_it_is_a_cat():
    found = lessons.found("21_what_it_sees")
    assert found["probabilities"].argmax() == 285
    likely = found["probabilities"][281:286].sum()
    assert found["occlusion"].min() < likely - 0.1
    top, left = np.unravel_index(found["occlusion"].argmin(), found["occlusion"].shape)
    assert 0 < top < 6  # an eye, not the edge
    assert 0 < left < 7
    saliency = found["saliency"]
    assert (
        0 < saliency[:, 205:].mean() < saliency[60:200, 50:180].mean() / 1.5
    )  # not the background
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert 60 < row < 200
    assert 50 < column < 180


@pytest.mark.oracle
def test_style_is_taken_on():
    found = lessons.found("22_style_transfer")
    content, style = zip(*found["costs"], strict=True)
    assert content[0] == 0 < content[-1] < 1.5
    assert style[-1] < style[0] / 3
    difference = np.abs(found["drawn"].astype(int) - found["photo"]).mean()
    assert 3 < difference < 90


# ---- pictures of other packages


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(photographs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(photographs.MissingPackage, match=r"--no-deps scikit-image==\d"):
        photographs.faces()


def test_the_same_versions_are_installed_and_named():
    wanted = set(photographs._PACKAGES.values())
    for file in ("Makefile", "docs/course/README.md", "examples/photographs.py"):
        text = (lessons.ROOT / file).read_text(encoding="utf-8")
        line = re.search(r"pip install --no-deps (.*==.*)|\$\(PIP\) install --no-deps (.*==.*)",
                         text)  # fmt: skip
        assert set((line[1] or line[2]).split()) == wanted, file


@pytest.mark.oracle
def test_pictures_of_other_packages():
    squares, cats, numbers = photographs.cat_crops(32, 4, 0)
    assert squares.shape == (40, 32, 32, 3)
    assert np.bincount(cats).tolist() == [20, 20]
    assert np.bincount(numbers).tolist() == [4] * 5 + [2] * 10
    again, _, _ = photographs.cat_crops(32, 4, 0)
    np.testing.assert_array_equal(again, squares)
    digits, labels = photographs.other_digits()
    assert digits.shape == (1797, 28, 28)
    assert len(np.unique(labels)) == 10
    assert (digits[:, :4] == 0).all()
    assert digits[:, 4:-4, 4:-4].max() == 255
    faces, is_face = photographs.faces()
    assert faces.shape == (200, 25, 25)
    assert is_face.sum() == 100
