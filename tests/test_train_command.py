"""The commands train, evaluate and predict, LeNet-5's recipe, and handwriting made into digits."""

import doctest
import gzip
import re
import signal
import subprocess
import sys

import children
import numpy as np
import pytest

import fastconv
from fastconv import __main__ as command_line
from fastconv import data, models
from fastconv.commands import handwriting, lenet5, networks
from fastconv.data.images import ImageError
from fastconv.training import read_checkpoint, save_checkpoint

Image = pytest.importorskip("PIL.Image", reason="Pillow draws the pictures")
ImageDraw = pytest.importorskip("PIL.ImageDraw", reason="Pillow draws the pictures")

PICTURES = ("curves.png", "filters.png", "confusion.png", "misread.png")


@pytest.fixture(autouse=True)
def one_thread():
    """Bits do not depend on it, and other tests may run beside this one."""
    with fastconv.num_threads(1):
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The output folder of a short training, and what it printed."""
    folder = tmp_path_factory.mktemp("lenet5")
    done = children.run_unchecked(
        "import sys; from fastconv.__main__ import main; sys.exit(main(sys.argv[1:]))",
        *("train", "lenet5", "--output", str(folder / "new"), "--epochs", "6", "--seed", "3"),
        FASTCONV_NUM_THREADS="1",
    )
    assert done.returncode == 0, children.describe(done)
    return folder / "new", done


def run(capsys, *arguments):
    status = command_line.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_examples():
    assert doctest.testmod(handwriting).failed == 0


# ---- train


def test_training_learns_and_says_so(trained):
    folder, done = trained
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PICTURES, lenet5.CHECKPOINT])
    lines = done.stdout.splitlines()
    epochs = [line for line in lines if line.startswith("  epoch ")]
    assert len(epochs) == 6
    losses = [float(re.search(r" loss (\S+)", line)[1]) for line in epochs]
    assert losses[-1] < 0.4 < 1.0 < losses[0]
    accuracy = float(re.search(r"^accuracy +(\S+)", done.stdout, re.MULTILINE)[1])
    assert accuracy > 0.85
    assert "\r" not in done.stderr  # no bar where there is no terminal
    for name in (*PICTURES, lenet5.CHECKPOINT):
        assert str(folder / name) in done.stdout


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(trained, name):
    with Image.open(trained[0] / name) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture)
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    # Nothing is cut off: the outermost pixels are paper.
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 255).all()


def test_the_checkpoint_is_what_was_tested(trained):
    folder, done = trained
    checkpoint = read_checkpoint(folder / lenet5.CHECKPOINT)
    assert checkpoint.config["network"] == "lenet5"
    split = parts(3)
    scores = networks.load(folder / lenet5.CHECKPOINT).scores(split.test.x[:, 0])
    accuracy = np.mean(scores.argmax(axis=1) == split.test.y)
    assert f"accuracy                          {accuracy:.3f}       500" in done.stdout


def parts(seed):
    images, labels = data.digits()
    return data.train_dev_test_split(images[:, None], labels, "80/10/10", seed=seed)


def test_learning_again_gives_the_same_bits(tmp_path):
    one = lenet5.learn(None, epochs=1, seed=5, progress=False)
    two = lenet5.learn(None, epochs=1, seed=5, progress=False)
    assert one.history.steps == two.history.steps
    np.testing.assert_array_equal(one.scores, two.scores)
    other = lenet5.learn(None, epochs=1, seed=6, progress=False)
    assert one.history.steps != other.history.steps
    assert np.bincount(one.labels).tolist() == [50] * 10
    assert not np.array_equal(one.images, other.images)


def test_the_modern_form_and_the_papers_table(tmp_path):
    learned = lenet5.learn(
        tmp_path, epochs=1, activation="relu", pooling="max", connections="table", progress=False
    )
    network = networks.load(tmp_path / lenet5.CHECKPOINT)
    assert repr(network.model) == repr(learned.network.model)
    assert "MaxPool2d" in repr(network.model)
    images, _ = data.digits()
    np.testing.assert_array_equal(network.scores(images[:50]), learned.network.scores(images[:50]))


def test_ctrl_c_and_resume(tmp_path, capsys):
    """A real process, a real signal, and the rest in another process."""
    whole = lenet5.learn(None, epochs=4, seed=2, progress=False)
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from fastconv.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["train", "lenet5", "--output", str(tmp_path), "--epochs", "4", "--seed", "2"]
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=children.environment(FASTCONV_NUM_THREADS="1"),
    )  # fmt: skip
    assert child.stdout.readline().startswith("LeNet-5 learns")
    assert child.stdout.readline().startswith("  epoch 1/4")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130, out + err
    assert err.startswith("\nfastconv: fit: interrupted in epoch ")
    assert "resume=True from" in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == [lenet5.CHECKPOINT]

    status, out, _ = run(capsys, *arguments, "--resume")
    assert status == 0
    assert f"loss {whole.history.epochs['loss'][-1]:.4f}" in out
    checkpoint = read_checkpoint(tmp_path / lenet5.CHECKPOINT)
    steps = checkpoint.state["run"]["history"]["steps"]
    assert steps["loss"].tolist() == whole.history.steps["loss"]
    last = {name: tensor.numpy() for name, tensor in whole.network.model.state_dict().items()}
    for name, array in last.items():
        np.testing.assert_array_equal(checkpoint.model[name], array)


def test_resume_without_a_checkpoint_and_with_a_bad_one(tmp_path, capsys):
    arguments = ["train", "lenet5", "--output", tmp_path, "--resume", "--epochs", "1"]
    status, _, err = run(capsys, *arguments)
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("fastconv: error: ")
    assert lenet5.CHECKPOINT in err
    (tmp_path / lenet5.CHECKPOINT).write_bytes(b"0123456789")
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert "not a usable safetensors file" in err
    assert (tmp_path / lenet5.CHECKPOINT).read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "alexnet"],
        ["train", "lenet5", "--epochs", "0"],
        ["train", "lenet5", "--learning-rate", "-1"],
        ["train", "lenet5", "--learning-rate", "nan"],
        ["train", "lenet5", "--pooling", "median"],
        ["evaluate", "x"],
        ["predict", "x"],
    ],
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "predict"])
def test_without_pillow(tmp_path, capsys, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "PIL", None)
    options = ["lenet5", "--output", tmp_path] if command == "train" else ["a", "b"]
    status, out, err = run(capsys, command, *options)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "pip install fastconv[demo]" in err


# ---- evaluate


@pytest.fixture(scope="module")
def idx(tmp_path_factory):
    """The test part of seed 3 as IDX files, the images gzipped."""
    folder = tmp_path_factory.mktemp("idx")
    test = parts(3).test
    data.write_idx(folder / "images.gz", test.x[:, 0])
    data.write_idx(folder / "labels", test.y.astype(np.uint8))
    return folder


def test_evaluate(trained, idx, tmp_path, capsys):
    status, out, err = run(
        capsys, "evaluate", trained[0] / lenet5.CHECKPOINT,
        *("--images", idx / "images.gz", "--labels", idx / "labels"),
        *("--picture", tmp_path / "c.png"),
    )  # fmt: skip
    assert (status, err) == (0, "")
    accuracy = float(re.search(r"accuracy (\S+) %", out)[1])
    assert f"accuracy                          {accuracy / 100:.3f}       500" in trained[1].stdout
    rows = [line.split() for line in out.splitlines() if re.match(r" {3}\d( +[\d·,]+){10}$", line)]
    matrix = np.array([[0 if c == "·" else int(c) for c in row[1:]] for row in rows])
    assert matrix.shape == (10, 10)
    assert matrix.sum(axis=1).tolist() == [50] * 10
    assert matrix.trace() == round(5 * accuracy)
    assert "precision" in out
    assert "recall" in out
    assert "F1" in out
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.format == "PNG"


def test_evaluate_refuses(trained, idx, tmp_path, capsys):
    checkpoint = trained[0] / lenet5.CHECKPOINT
    data.write_idx(tmp_path / "few", np.zeros(3, np.uint8))
    data.write_idx(tmp_path / "large", np.full(500, 10, np.uint8))
    data.write_idx(tmp_path / "small", np.zeros((500, 8, 8), np.uint8))
    (tmp_path / "cut.gz").write_bytes(gzip.compress((idx / "images.gz").read_bytes())[:100])
    (tmp_path / "text").write_text("no IDX file")
    cases = [
        (checkpoint, idx / "images.gz", tmp_path / "few", "a label for each image"),
        (checkpoint, idx / "images.gz", tmp_path / "large", "labels go from 10 to 10"),
        (checkpoint, tmp_path / "small", idx / "labels", r"expected (N, 28, 28) of uint8"),
        (checkpoint, idx / "labels", idx / "labels", r"expected (N, 28, 28) of uint8"),
        (checkpoint, tmp_path / "cut.gz", idx / "labels", "cut.gz"),
        (checkpoint, tmp_path / "text", idx / "labels", "IDX"),
        (checkpoint, tmp_path / "none", idx / "labels", "none"),
        (tmp_path / "text", idx / "images.gz", idx / "labels", "safetensors"),
        (tmp_path / "none", idx / "images.gz", idx / "labels", "none"),
    ]
    for file, images, labels, match in cases:
        status, out, err = run(capsys, "evaluate", file, "--images", images, "--labels", labels)
        assert (status, out, err.count("\n")) == (1, "", 1), (match, err)
        assert err.startswith("fastconv: error: ")
        assert match in err


def test_checkpoints_of_other_programs(tmp_path, capsys, idx):
    path = tmp_path / "a"
    for config, match in (
        ({}, "does not say which network"),
        ({"network": "lenet5", "options": 3}, "does not say which network"),
        ({"network": ["lenet5"], "options": {}}, "does not say which network"),
        ({"network": "lenet6", "options": {}}, "does not say which network"),
        ({"network": "lenet5", "options": {"depth": 3}}, "options do not fit"),
        ({"network": "lenet5", "options": {"pooling": "x"}}, "options do not fit"),
        ({"network": "lenet5", "options": {"classes": 7}}, "output.weight has shape"),
    ):
        save_checkpoint(path, models.LeNet5(), config=config)
        status, out, err = run(
            capsys, "evaluate", path, "--images", idx / "images.gz", "--labels", idx / "labels"
        )
        assert (status, out) == (1, "")
        assert match in err


# ---- predict


def page(digit, paper=245, ink=30, size=200, corner=(40, 90)):
    """A digit of MNIST, enlarged, somewhere on a page."""
    scale = 4
    large = np.kron(digit / 255, np.ones((scale, scale)))
    sheet = np.full((size, size + 60), float(paper))
    top, left = corner
    part = sheet[top : top + large.shape[0], left : left + large.shape[1]]
    part += (ink - paper) * large
    return np.repeat(np.rint(sheet).astype(np.uint8)[:, :, None], 3, axis=2)


def test_predict_reads_photographs(trained, tmp_path, capsys):
    network = networks.load(trained[0] / lenet5.CHECKPOINT)
    images, labels = data.digits()
    scores = network.scores(images)
    probabilities = models.lenet.F.softmax(scores, 1)
    # One of each class that the network is sure about.
    chosen = [int(np.argmax(probabilities[:, c] * (labels == c))) for c in range(10)]
    files = []
    for number, index in enumerate(chosen):
        dark = number % 2
        picture = page(images[index], *((20, 230) if dark else (245, 30)))
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(files[-1])
    status, out, err = run(capsys, "predict", trained[0] / lenet5.CHECKPOINT, *files)
    assert (status, err) == (0, "")
    found = re.findall(r"^(.*): (\d)  (\S+) %", out, re.MULTILINE)
    assert [path for path, _, _ in found] == [str(path) for path in files]
    assert [int(digit) for _, digit, _ in found] == list(range(10))
    assert all(float(share) > 50 for _, _, share in found)


def test_predict_goes_on_after_a_bad_file(trained, tmp_path, capsys):
    images, _ = data.digits()
    Image.fromarray(page(images[0])).save(tmp_path / "good.png")
    Image.new("RGB", (50, 50), "white").save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    names = ["none.png", "blank.png", "text.png", "good.png"]
    status, out, err = run(
        capsys, "predict", trained[0] / lenet5.CHECKPOINT, *(tmp_path / n for n in names), "--show"
    )
    assert status == 1
    errors = err.splitlines()
    assert len(errors) == 3
    for line, name in zip(errors, names, strict=False):
        assert line.startswith(f"fastconv: error: {tmp_path / name}: ")
    assert "no ink" in errors[1]
    lines = out.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'good.png'}: ")
    assert len(lines) == 1 + 28
    assert "@" in out


def photograph(digit, rng):
    """A page in slanting light, with noise and a little out of focus."""
    sheet = page(digit, 220, 60, corner=(int(rng.integers(5, 80)), int(rng.integers(5, 140))))
    height, width, _ = sheet.shape
    light = 1 + 0.08 * (np.arange(width) / width)[None, :, None]
    noisy = sheet * light * 0.95 + rng.normal(0, 4, sheet.shape)
    image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    return np.asarray(image.resize((width // 2, height // 2), Image.Resampling.BILINEAR))


def test_as_digit_loses_hardly_anything(trained):
    network = networks.load(trained[0] / lenet5.CHECKPOINT)
    test = parts(3).test
    images, labels = test.x[:, 0], test.y
    rng = np.random.default_rng(0)

    def accuracy(digits):
        return np.mean(network.scores(digits).argmax(axis=1) == labels)

    direct = accuracy(images)
    for make in (page, lambda digit: page(digit, 20, 230), lambda digit: photograph(digit, rng)):
        again = np.stack([handwriting.as_digit(make(digit)) for digit in images])
        assert (again.shape, again.dtype) == (images.shape, np.uint8)
        assert accuracy(again) >= direct - 0.03


def test_as_digit_does_not_depend_on_paper_place_or_size():
    images, _ = data.digits()
    expected = handwriting.as_digit(page(images[700])).astype(int)
    for other in (
        page(images[700], 10, 250),
        page(images[700], 200, 90),
        page(images[700], corner=(10, 20)),
        page(images[700], size=400, corner=(250, 30)),
    ):
        # By rounding a faint pixel may fall to the other side of what is taken for paper.
        difference = np.abs(handwriting.as_digit(other).astype(int) - expected)
        assert difference.max() <= 51
        assert difference.mean() < 1
    enlarged = np.kron(page(images[700]), np.ones((2, 2, 1), np.uint8))
    assert np.abs(handwriting.as_digit(enlarged).astype(int) - expected).mean() < 6


def test_as_digit_keeps_the_box_and_the_centre():
    picture = np.full((80, 60, 3), 255, np.uint8)
    picture[10:70, 20:26] = 0  # a stroke, and a weight at its foot
    picture[60:70, 20:50] = 0
    digit = handwriting.as_digit(picture)
    rows, columns = np.nonzero(digit)
    assert rows.max() - rows.min() + 1 == 20
    assert columns.max() - columns.min() + 1 == 10
    mass = digit / digit.sum()
    centre = (mass.sum(axis=1) @ (np.arange(28) + 0.5), mass.sum(axis=0) @ (np.arange(28) + 0.5))
    assert np.abs(np.array(centre) - 14).max() <= 0.5


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_as_digit_of_nothing(grey):
    with pytest.raises(ImageError, match="no ink"):
        handwriting.as_digit(np.full((30, 30, 3), grey, np.uint8))


def test_as_digit_of_the_smallest_pictures():
    one = np.full((3, 3, 3), 255, np.uint8)
    one[1, 1] = 0
    assert handwriting.as_digit(one).shape == (28, 28)
    wide = np.full((3, 300, 3), 255, np.uint8)
    wide[1, 2:-2] = 0
    assert np.count_nonzero(handwriting.as_digit(wide).any(axis=0)) == 20
