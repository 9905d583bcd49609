"""The file of tuned choices: read without trust, written whole."""

import json
import os
import pathlib
import subprocess
import sys
import warnings

import children
import pytest
from tuned import (
    DEFAULT,
    W,
    X,
    choice,
    conv,
    fake_times,
    key,
    tune,
    written,
)

import fastconv
from fastconv import _core, tuning_file


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "tuning.json")


# ---- the file is not to be trusted ---------------------------------------------------------------


def document(**changes):
    """A good file's document with changes at its top (None removes)."""
    entry = dict(zip(_core.TUNED_FIELDS, key(), strict=True)) | choice()
    whole = {"format": "fastconv tuning", "version": 2, **tuning_file.machine()}
    whole |= {"choices": [entry]} | changes
    return {name: value for name, value in whole.items() if value is not None}


def entry(**changes):
    """A good file's document with changes in its choice (None removes)."""
    changed = document()["choices"][0] | changes
    return document(choices=[{k: v for k, v in changed.items() if v is not None}])


def raw(**changes):
    """The same, each of the new values as it stands in the text."""
    text = json.dumps(document()["choices"][0])
    for name, value in changes.items():
        text = text.replace(f'"{name}": {json.dumps(document()["choices"][0][name])}', value)
    return json.dumps(document(choices=[])).replace("[]", f"[{text}]")


GOOD = json.dumps(document())
MALFORMED = {
    "empty": "",
    "no JSON": "direct",
    "cut off": GOOD[:-20],
    "bytes": b"\xff\xfe\x00",
    "brackets": "[" * 200_000,
    "a list": "[]",
    "a number": "1e5",
    "no format": document(format=None),
    "another format": document(format="network"),
    "an earlier version": document(version=1),
    "a later version": document(version=3),
    "version true": document(version=True),
    "no version": document(version=None),
    "another CPU": document(cpu="Z80"),
    "another engine": document(engine="0.0.1"),
    "another tier": document(tier="mmx"),
    "a tier that is none": document(tier=["avx2"]),
    "a field too many": document(more=1),
    "no choices": document(choices=None),
    "choices by name": document(choices={}),
    "too many choices": document(choices=[{}] * 2001),
    "a choice that is none": document(choices=[None]),
    "the same call twice": document(choices=document()["choices"] * 2),
    "a name twice": GOOD.replace('"ic": 8', '"ic": 8, "ic": 9'),
    "a field of a choice too many": entry(n=1),
    "a field of a choice too few": entry(kh=None),
    "an unknown algorithm": entry(algorithm="fastest"),
    "an algorithm of another operation": entry(algorithm="softmax"),
    "an algorithm by number": entry(algorithm=3),
    "an unknown default": entry(default="auto"),
    "no channels": entry(ic=0),
    "a negative size": entry(ih=-1),
    "a negative padding": entry(top=-1),
    "a size beyond 64 bits": entry(iw=2**63),
    "a size of many digits": raw(iw='"iw": ' + "9" * 5000),
    "a broken size": entry(kw=3.0),
    "a size in words": entry(kw="3"),
    "a size that is true": entry(kw=True),
    "no groups": entry(groups=0),
    "an unknown dtype": entry(dtype="float16"),
    "an unknown layout": entry(layout="chwn"),
    "an unknown padding": entry(padding_mode="mirror"),
    "prepared by number": entry(prepared=0),
    "a time of nothing": entry(ms=0),
    "a negative time": entry(ms=-0.5),
    "NaN": raw(ms='"ms": NaN'),
    "infinite": raw(default_ms='"default_ms": Infinity'),
    "too large for a float": raw(ms='"ms": 1e999'),
    "a time in words": entry(ms="fast"),
    "a time that is true": entry(ms=True),
    "oversized": GOOD + " " * (1 << 20),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_ignored_with_a_warning(file, name):
    content = MALFORMED[name]
    if isinstance(content, dict):
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode()
    with open(file, "wb") as out:
        out.write(content)
    fastconv.load_tuning(written(file + ".good"))
    with pytest.warns(RuntimeWarning, match="the engine chooses by itself") as caught:
        assert fastconv.load_tuning(file) == 0
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith(f"fastconv: tuning file {file}: ")
    assert len(message) < len(file) + 300
    assert caught[0].filename == __file__
    assert conv() == DEFAULT
    with warnings.catch_warnings(action="error"):
        assert fastconv.load_tuning(file) == 0  # said already
    with open(file, "rb") as kept:
        assert kept.read() == content


def test_the_good_file_is_good(file):
    with open(file, "w") as out:
        out.write(GOOD)
    assert fastconv.load_tuning(file) == 1
    assert conv() == "im2col"
    with open(file, "w") as out:
        out.write(raw(iw='"iw": 13'))
    assert fastconv.load_tuning(file) == 1


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "beneath a file"])
def test_what_is_no_regular_file_is_ignored(tmp_path, kind):
    place = tmp_path / "tuning.json"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place = "/dev/zero"
    elif kind == "beneath a file":
        place.write_text("")
        place = place / "tuning.json"
    with pytest.warns(RuntimeWarning, match="regular file|cannot be read"):
        assert fastconv.load_tuning(place) == 0


# ---- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["cut off", "a later version", "another CPU", "empty"])
def test_a_file_of_another_time_is_replaced(file, monkeypatch, content):
    content = MALFORMED[content]
    with open(file, "w") as out:
        out.write(content if isinstance(content, str) else json.dumps(content))
    fake_times(monkeypatch, default=2.0, im2col=1.0)
    with pytest.warns(RuntimeWarning, match="it has been replaced"):
        tune(file)
    assert list(tuning_file.read(file)) == [key()]
    assert conv() == "im2col"


@pytest.mark.parametrize("kind", ["text", "folder", "pipe", "device"])
def test_what_is_not_ours_is_not_overwritten(tmp_path, kind):
    place = tmp_path / "tuning.json"
    if kind == "text":
        place.write_text("alias ll='ls -l'\n")
    elif kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place = "/dev/null"
    before = os.stat(place)
    with pytest.raises((ValueError, IsADirectoryError)):
        tune(place)
    assert os.stat(place).st_ino == before.st_ino
    assert os.stat(place).st_size == before.st_size


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_failure_leaves_the_old_file(file, monkeypatch, step):
    other = key(X[:, :4], W[:, :4])
    fastconv.load_tuning(written(file, other))
    before = pathlib.Path(file).read_bytes()
    fake_times(monkeypatch, default=2.0, im2col=1.0)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            tune(file)
    assert pathlib.Path(file).read_bytes() == before
    assert sorted(os.listdir(os.path.dirname(file))) == ["tuning.json", "tuning.json.lock"]
    assert conv() == DEFAULT
    assert conv(X[:, :4], W[:, :4]) == "im2col"


def test_a_link_stays_one(tmp_path):
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(target)
    path = tuning_file.path(link)
    written(path)
    assert link.is_symlink()
    assert fastconv.load_tuning(link) == 1


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "tuning.json.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        written(str(tmp_path / "tuning.json"))
    assert not (tmp_path / "elsewhere").exists()


def test_the_oldest_choices_leave(file):
    def numbered(i):
        call = list(key())
        call[_core.TUNED_FIELDS.index("ih")] = i + 1
        return tuple(call)

    most = tuning_file.MOST_CHOICES
    tuning_file.update(file, {numbered(i): choice() for i in range(most)})
    tuning_file.update(file, {numbered(0): choice(), numbered(most): choice()})
    kept = list(tuning_file.read(file))
    assert len(kept) == most
    assert numbered(1) not in kept
    assert kept[-2:] == [numbered(0), numbered(most)]
    assert os.path.getsize(file) < tuning_file.MOST_BYTES
    assert fastconv.load_tuning(file) == most


def test_a_file_of_long_numbers_stays_readable(file):
    def long(i):
        return tuple(2**62 + i if type(v) is int else v for v in key())

    tuning_file.update(file, {long(i): choice() for i in range(tuning_file.MOST_CHOICES)})
    kept = list(tuning_file.read(file))
    assert len(kept) >= 100
    assert kept[-1] == long(tuning_file.MOST_CHOICES - 1)


WRITE = """
import sys
from fastconv import _core, tuning_file
file, key, writer = sys.argv[1], eval(sys.argv[2]), int(sys.argv[3])
made = {"algorithm": "im2col", "ms": 0.5, "default": "direct", "default_ms": 1.0}
at = _core.TUNED_FIELDS.index("ih")
for i in range(25):
    _, why = tuning_file.update(file, {(*key[:at], 1 + 100 * writer + i, *key[at + 1:]): made})
    assert why is None, why
"""


def test_writers_at_the_same_time_lose_nothing(file):
    """And who reads meanwhile finds a whole file."""
    command = [sys.executable, "-P", "-c", WRITE, file, repr(key())]
    writers = [
        subprocess.Popen([*command, str(i)], env=children.environment(FASTCONV_TUNE_FILE=None))
        for i in range(3)
    ]
    try:
        seen = 0
        while any(writer.poll() is None for writer in writers):
            if os.path.exists(file):
                found = len(tuning_file.read(file))
                assert found >= seen
                seen = found
    finally:
        for writer in writers:
            writer.wait(60)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(tuning_file.read(file)) == 75
    assert sorted(os.listdir(os.path.dirname(file))) == ["tuning.json", "tuning.json.lock"]
