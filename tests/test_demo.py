"""The demonstration: SqueezeNet's weights and answers, edge maps, the table, the command line."""

import hashlib
import importlib.util
import io
import pickle
import re
import sys
from pathlib import Path

import children
import numpy as np
import pytest

import fastconv.functional as F
from fastconv import __main__ as command_line
from fastconv import models, reference
from fastconv.data import images
from fastconv.demo import classify, compare, edges, progress, sheet, tour
from fastconv.models import safetensors, squeezenet

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the photographs")

DATA = images.SAMPLE.parent
TOOLS = Path(__file__).resolve().parent.parent / "tools"


@pytest.fixture(scope="module")
def classifier():
    return classify.Classifier()


@pytest.fixture(scope="module")
def sample():
    return images.read(images.SAMPLE)


class TestNetwork:
    def test_sees_the_cat(self, classifier, sample):
        probabilities = classifier(sample)
        assert probabilities.dtype == np.float32
        assert classify.best(probabilities, 5) == [285, 282, 281, 287, 288]
        assert probabilities[285] == pytest.approx(0.4199, abs=1e-3)
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        names = [name for name, _ in classifier.top(probabilities, 3)]
        assert names == ["Egyptian cat", "tiger cat", "tabby"]

    def test_agrees_with_the_reference(self, classifier, sample):
        x = classifier.prepare(sample)
        found = models.squeezenet1_1_caffe(classifier.params, x)
        expected = models.squeezenet1_1_caffe(classifier.params, x, reference)
        assert expected.dtype == np.float64
        # Each of 26 convolutions adds up to 4608 products, in another order: a few 1e-6 of the
        # scores, which are at most about 30.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)

    def test_batch_is_its_images_one_by_one(self, classifier, sample):
        one = classifier.prepare(sample)
        batch = np.concatenate([one, one[:, :, :, ::-1]])
        together = models.squeezenet1_1_caffe(classifier.params, batch)
        apart = [models.squeezenet1_1_caffe(classifier.params, x[None])[0] for x in batch]
        np.testing.assert_array_equal(together, apart)
        assert models.squeezenet1_1_caffe(classifier.params, batch[:0]).shape == (0, 1000)

    def test_input_of_the_wrong_kind(self):
        with pytest.raises(TypeError, match="uint8"):
            models.preprocess_caffe(np.zeros((227, 227, 3), np.float32))
        with pytest.raises(ValueError, match=r"\(224, 224, 3\)"):
            models.preprocess_caffe(np.zeros((224, 224, 3), np.uint8))

    @pytest.mark.oracle
    def test_labelled_photographs(self, classifier):
        """The 20 photographs of ImageNet that foolbox brings along, labels in their names."""
        found = importlib.util.find_spec("foolbox")
        assert found is not None, "install it: pip install --no-deps foolbox==3.3.4"
        files = sorted(Path(found.submodule_search_locations[0], "data").glob("imagenet_*"))
        assert len(files) == 20
        first = five = 0
        for file in files:
            label = int(file.stem.split("_")[2])
            seen = classify.best(classifier(images.read(file)), 5)
            first += seen[0] == label
            five += label in seen
        assert (first, five) == (12, 19)


def data_files():
    """What lies in the package's folder of data and is not code."""
    return [
        file for file in DATA.iterdir() if file.is_file() and file.suffix not in (".py", ".pyc")
    ]


class TestData:
    def test_size_leaves_room_in_the_wheel(self):
        assert sum(file.stat().st_size for file in data_files()) < 3_000_000

    def test_every_file_has_its_licence(self):
        licences = (DATA / "LICENSES.md").read_text(encoding="utf-8")
        for file in data_files():
            assert file.name == "LICENSES.md" or f"\n## {file.name}\n" in licences
        digest = hashlib.sha256(images.SAMPLE.read_bytes()).hexdigest()
        assert digest in licences

    def test_names_are_short_and_different(self):
        names = models.imagenet_classes()
        assert len(names) == len(set(names)) == 1000
        assert all(name == name.strip() and 0 < len(name) <= 30 for name in names)
        assert [names[i] for i in (0, 134, 285, 517, 967, 999)] == [
            "tench",
            "crane (bird)",
            "Egyptian cat",
            "crane (machine)",
            "espresso",
            "toilet tissue",
        ]

    def test_weights_of_another_network_are_refused(self, tmp_path, classifier):
        path = tmp_path / "a.safetensors"
        for change in (
            {"conv1.weight": np.zeros((96, 3, 7, 7), np.float32)},
            {"conv11.bias": np.zeros(3, np.float32)},
            {"conv1.bias": np.full(64, np.nan, np.float32)},
            {"conv1.bias": np.zeros(64, np.int32)},
        ):
            safetensors.save(path, classifier.params | change)
            with pytest.raises(ValueError, match=next(iter(change))):
                models.load_squeezenet1_1(path)
        safetensors.save(path, classifier.params)
        assert set(models.load_squeezenet1_1(path)) == set(squeezenet.parameter_shapes())


class TestConversion:
    @pytest.fixture
    def convert(self, monkeypatch):
        """tools/convert_squeezenet.py as a module."""
        monkeypatch.syspath_prepend(str(TOOLS))
        spec = importlib.util.spec_from_file_location("convert", TOOLS / "convert_squeezenet.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def test_unpickler_makes_arrays_and_nothing_else(self, convert):
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        # As the NumPy of 2019 wrote it: the module has another name today.
        pickled = pickle.dumps({"a": [array]}, protocol=3)
        pickled = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        result = convert.ArrayUnpickler(io.BytesIO(pickled)).load()["a"][0]
        np.testing.assert_array_equal(result, array)
        with pytest.raises(pickle.UnpicklingError, match="no business"):
            convert.ArrayUnpickler(io.BytesIO(pickle.dumps(array, protocol=2))).load()
        for code in (b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR."):
            with pytest.raises(pickle.UnpicklingError, match="no business"):
                convert.ArrayUnpickler(io.BytesIO(code)).load()

    def test_another_archive_is_refused(self, convert):
        with pytest.raises(SystemExit, match="SHA-256"):
            convert.read_pickle(b"another archive")

    def test_weights_turn_from_hwio_to_oihw(self, convert, classifier):
        pickled = {}
        for name, array in classifier.params.items():
            layer, part = name.rsplit(".", 1)
            entry = pickled.setdefault(layer.replace(".", "/"), [None, None])
            entry[part == "bias"] = array if part == "bias" else array.transpose(2, 3, 1, 0)
        converted = convert.convert(pickled)
        assert all(array.dtype == np.float16 for array in converted.values())
        for name, array in classifier.params.items():
            np.testing.assert_array_equal(converted[name], array)


class TestEdges:
    @pytest.mark.parametrize("edge_map", edges.EDGE_MAPS, ids=lambda m: m.title)
    def test_agree_with_the_reference(self, edge_map, sample):
        grey = images.luminance(sample)
        found, expected = edge_map(grey), edge_map(grey, reference)
        assert found.dtype == np.float32
        # At most 32 units go into a response; the sum of the products rounds to 1e-7 of them.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)

    def test_sizes(self):
        grey = np.zeros((301, 450), np.float32)
        sizes = {edge_map.title: edge_map(grey).shape for edge_map in edges.EDGE_MAPS}
        assert sizes == {
            "Vertical edges": (299, 448),
            "Horizontal edges": (299, 448),
            "Sobel": (301, 450),
            "Scharr": (301, 450),
            "Sobel, stride 2": (151, 225),
        }

    def test_signs_and_directions(self):
        step = np.zeros((6, 8), np.float32)
        step[:, 4:] = 1
        vertical, horizontal, sobel = (edge_map(step) for edge_map in edges.EDGE_MAPS[:3])
        assert vertical.max() == 3
        assert vertical.min() == 0
        assert edges.EDGE_MAPS[0](1 - step).min() == -3
        assert not horizontal.any()
        assert edges.EDGE_MAPS[1](step.T).max() == 3
        assert sobel[2, 3:5].tolist() == [4, 4]

    @pytest.mark.parametrize("shape", [(300, 451), (700, 200), (3, 3), (40, 3), (5, 2000)])
    def test_sheet_holds_any_photograph(self, shape):
        rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        grey = images.luminance(rgb)
        picture = sheet.draw(rgb, "Zoë\n.png", [(m, m(grey)) for m in edges.EDGE_MAPS])
        assert picture.mode == "RGB"
        assert 900 < picture.width < 1600
        assert 200 < picture.height < 1400

    def test_black_photograph(self):
        black = np.zeros((20, 30, 3), np.uint8)
        maps = [(m, m(images.luminance(black))) for m in edges.EDGE_MAPS]
        assert np.asarray(sheet.draw(black, "black", maps)).max() == 255


class TestCompare:
    def test_flops_of_the_whole_network(self, classifier):
        recorder = compare.Recorder(F)
        models.squeezenet1_1_caffe(classifier.params, np.zeros((1, 3, 227, 227), "f4"), recorder)
        flops = 2 * 114**2 * 64 * 27
        channels = 64
        sizes = {"fire2": 56, "fire3": 56, "fire4": 27, "fire5": 27}
        for name, (squeeze, one, three) in squeezenet.FIRES.items():
            pixels = sizes.get(name, 13) ** 2
            flops += 2 * pixels * squeeze * (channels + one + 9 * three)
            channels = one + three
        flops += 2 * 13**2 * 512 * 1000
        assert sum(call.flops for call in recorder.calls) == flops
        assert len(recorder.calls) == 26 + 3 + 2

    def test_recorder_of_an_unknown_operation(self):
        with pytest.raises(AttributeError):
            compare.Recorder(reference).conv3d  # noqa: B018

    def test_median_runs_often_enough(self):
        calls = []
        assert compare.median_ms(lambda: calls.append(1), seconds=0, least=7) >= 0
        assert len(calls) == 2 + 7

    def test_rows(self):
        row = compare.Row("a", "b", engine_ms=2.0, reference_ms=50.0, flops=4_000_000, difference=0)
        assert (row.gflops, row.ratio) == (2.0, 25.0)
        lines = list(compare.table([row, compare.Row("pool", "c", 2.0, 3.0, 0, 1e-8)]))
        assert len({len(line) for line in lines}) == 1
        assert "25×" in lines[1]
        assert "1.5×" in lines[2]
        assert "–" in lines[2]


class TestProgress:
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def count(self, stream):
        with progress.Progress("counting", 2, stream) as counter:
            counter.step("one")
            counter.step("two")
        return stream.getvalue()

    def test_in_a_log(self):
        assert re.fullmatch(r"counting …\ncounting: \d\.\d\d s\n", self.count(io.StringIO()))

    def test_on_a_terminal(self):
        shown = self.count(self.Terminal())
        assert "\rcounting … 1 of 2  one\x1b[K" in shown
        assert re.search(r"\rcounting: \d\.\d\d s\x1b\[K\n$", shown)

    def test_a_failure_passes_on(self):
        stream = self.Terminal()
        with pytest.raises(KeyError), progress.Progress("counting", 2, stream):
            raise KeyError
        assert stream.getvalue().endswith("\r\x1b[K")


class TestCommandLine:
    def test_demo(self, tmp_path, capsys):
        assert command_line.main(["demo", "--output", str(tmp_path / "new" / "folder")]) == 0
        out, err = capsys.readouterr()
        target = tmp_path / "new" / "folder" / "edges.png"
        assert out.count(str(target)) == 2
        assert "42.0 %" in out
        assert "Egyptian cat" in out
        assert "the same top five; largest difference of a probability" in out
        assert all(name in out for name in ("conv1", "max_pool2d", "conv10", "SqueezeNet 1.1"))
        assert "fastconv.reference …" in err
        accuracy = float(re.search(r"8 epochs in \S+ s; (\S+) % right of 500", out)[1])
        assert accuracy > 85
        for name in ("edges", "curves", "filters", "confusion", "misread"):
            with Image.open(target.with_name(f"{name}.png")) as picture:
                picture.load()
                assert picture.format == "PNG"

    def test_demo_of_a_disagreement_fails(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(tour, "_EPOCHS", 1)
        answers = iter([[1, 2, 3, 4, 5], [1, 2, 3, 5, 4]])
        monkeypatch.setattr(tour, "best", lambda probabilities, count: next(answers))
        assert command_line.main(["demo", "--output", str(tmp_path)]) == 1
        assert "ANOTHER top five" in capsys.readouterr().out

    def test_demo_of_a_large_photograph_of_ones_own(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(tour, "_EPOCHS", 1)
        Image.new("RGB", (4000, 30), "teal").save(tmp_path / "wide.png")
        arguments = ["demo", "--photo", str(tmp_path / "wide.png"), "--output", str(tmp_path)]
        assert command_line.main(arguments) == 0
        assert "wide.png, 1600 × 12 pixels" in capsys.readouterr().out

    def test_demo_into_a_file_is_an_error_in_one_line(self, tmp_path, capsys):
        (tmp_path / "taken").touch()
        assert command_line.main(["demo", "--output", str(tmp_path / "taken")]) == 1
        err = capsys.readouterr().err
        assert err.startswith("fastconv: error: ")
        assert err.count("\n") == 1

    def test_classify(self, capsys):
        assert command_line.main(["classify", str(images.SAMPLE), "--top", "2"]) == 0
        out, err = capsys.readouterr()
        lines = out.splitlines()
        assert lines[0] == f"{images.SAMPLE} (451 × 300 pixels)"
        assert re.fullmatch(r"   42\.0 %  █+[▏▎▍▌▋▊▉]? +Egyptian cat", lines[1])
        assert len(lines) == 3
        assert err == ""

    def test_classify_goes_on_after_a_bad_file(self, tmp_path, capsys):
        (tmp_path / "bad.jpg").write_bytes(images.SAMPLE.read_bytes()[:20_000])
        files = [str(tmp_path / "none.jpg"), str(tmp_path / "bad.jpg"), str(images.SAMPLE)]
        assert command_line.main(["classify", *files]) == 1
        out, err = capsys.readouterr()
        assert "Egyptian cat" in out
        errors = err.splitlines()
        assert len(errors) == 2
        assert errors[0] == f"fastconv: error: {files[0]}: no such file"
        assert errors[1].startswith(f"fastconv: error: {files[1]}: damaged")

    @pytest.mark.parametrize("command", ["demo", "classify"])
    def test_without_pillow(self, tmp_path, capsys, monkeypatch, command):
        monkeypatch.setitem(sys.modules, "PIL", None)
        options = ["--output", str(tmp_path)] if command == "demo" else [str(images.SAMPLE)]
        assert command_line.main([command, *options]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert "pip install fastconv[demo]" in err

    def test_info(self, capsys):
        assert command_line.main(["info"]) == 0
        assert "fastconv" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["dance"],
            ["classify"],
            ["classify", "a.png", "--top", "0"],
            ["classify", "a.png", "--top", "x"],
        ],
    )
    def test_wrong_usage(self, arguments, capsys):
        with pytest.raises(SystemExit) as ended:
            command_line.main(arguments)
        assert ended.value.code == 2
        assert "usage" in capsys.readouterr().err

    def test_interrupt(self, capsys, monkeypatch):
        monkeypatch.setattr(classify, "run", _interrupted)
        assert command_line.main(["classify", "a.png"]) == 130
        assert capsys.readouterr().err.strip() == "fastconv: interrupted"

    def test_narrow_terminal_encoding(self):
        done = _child("classify", str(images.SAMPLE), PYTHONIOENCODING="ascii")
        assert done.returncode == 0, children.describe(done)
        assert "Egyptian cat" in done.stdout

    def test_odd_file_name(self):
        done = _child("classify", "no\udcffsuch\n.png")
        assert done.returncode == 1
        assert done.stderr == "fastconv: error: no?such?.png: no such file\n"

    def test_reader_that_goes_away(self):
        done = children.run_unchecked(
            """
            import os, sys
            from fastconv.__main__ import main
            read, write = os.pipe()
            os.close(read)
            os.dup2(write, 1)
            sys.exit(main(["classify", sys.argv[1]]))
            """,
            str(images.SAMPLE),
        )
        assert done.returncode == 1
        assert done.stderr == ""


def _child(*arguments, **environment):
    code = "import sys; from fastconv.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return children.run_unchecked(code, *arguments, **environment)


def _interrupted(paths, count):
    raise KeyboardInterrupt
