"""The course: every lesson runs, its page shows what it makes, and the contents lists them all."""

import math
import re

import children
import course
import lessons
import numpy as np
import pytest

from fastconv.data import images

Image = pytest.importorskip("PIL.Image", reason="Pillow draws the pictures")

EXAMPLES = lessons.ROOT / "examples"
LARGEST_PICTURE = 120_000  # bytes


@pytest.fixture(params=lessons.params())
def name(request):
    return request.param


# ---- pages ---------------------------------------------------------------------------------------


def test_the_contents_lists_every_lesson_in_order():
    text = (lessons.PAGES / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d\d_\w+)\.md\)", text) == lessons.NAMES


def test_every_page_and_picture_belongs_to_a_lesson():
    files = {path.name for path in lessons.PAGES.iterdir()} - {"README.md"}
    of_lessons = {file for file in files if file[:-3] in lessons.NAMES}
    assert of_lessons == {f"{name}.md" for name in lessons.NAMES}
    pictures = {
        picture
        for name in lessons.NAMES
        for picture in re.findall(r"\]\(([\w-]+\.png)\)", page(name))
    }
    assert files - of_lessons == pictures


def page(name):
    return (lessons.PAGES / f"{name}.md").read_text(encoding="utf-8")


def test_the_page_shows_what_the_lesson_makes(name):
    lesson, _ = lessons.quick(name)
    text = page(name)
    assert f"examples/{name}.py" in text
    assert re.findall(r"<!-- begin (\S+) -->", text) == list(lesson.blocks)
    assert set(lessons.shown(name)) == set(lesson.blocks)
    assert re.findall(r"\]\(([\w-]+\.png)\)", text) == [p.name for p in lesson.pictures.values()]


def test_tables_are_not_stale(name):
    """Those that the short form makes, too; for the others see below."""
    lesson, _ = lessons.quick(name)
    shown = lessons.shown(name)
    for block, made in lesson.blocks.items():
        if made.within is None:
            assert lessons.differences(shown[block], made.text, None) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", lessons.params([name for name in lessons.NAMES if name not in lessons.LONG])
)
def test_pages_are_what_the_full_form_makes(name, tmp_path):
    lesson, _ = lessons.run(name, tmp_path, quick=False)
    shown = lessons.shown(name)
    for block, made in lesson.blocks.items():
        assert lessons.differences(shown[block], made.text, made.within) == [], block
    for path in lesson.pictures.values():
        ours, theirs = (
            np.asarray(Image.open(folder / path.name).convert("RGB"), float)
            for folder in (lessons.PAGES, tmp_path)
        )
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).mean() < 8, path.name


def test_pictures_are_small_and_drawn(name):
    lesson, _ = lessons.quick(name)
    for path in lesson.pictures.values():
        committed = lessons.PAGES / path.name
        assert committed.stat().st_size <= LARGEST_PICTURE
        for file in (path, committed):
            assert 8 < len(Image.open(file).getcolors()) <= 128


def test_the_script_is_short(name):
    lines = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert 30 <= len(lines) <= 150
    assert lines[0].startswith('"""')


# ---- the frame -----------------------------------------------------------------------------------


def test_the_command_line(tmp_path):
    name = lessons.NAMES[0]
    code = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    empty = course.block_pattern().sub(r"\1\n\4", page(name))
    (tmp_path / f"{name}.md").write_text(empty, encoding="utf-8")
    script = str(EXAMPLES / f"{name}.py")
    printed = children.run(code, script, "--out", str(tmp_path), FASTCONV_NUM_THREADS="2")
    lesson, _ = lessons.quick(name)
    for block in lesson.blocks.values():
        assert block.text in printed
    for picture in lesson.pictures.values():
        assert (tmp_path / picture.name).read_bytes() == picture.read_bytes()
    shown = course.block_pattern().findall((tmp_path / f"{name}.md").read_text(encoding="utf-8"))
    assert {block[1]: block[2] for block in shown} == lessons.shown(name)


def test_without_pillow_there_is_one_line(tmp_path, monkeypatch, capsys):
    def main(lesson):
        raise images.MissingPillow("what to install")

    monkeypatch.setattr("sys.argv", ["99_none.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="1"):
        course.run("99_none.py", main)
    assert capsys.readouterr().err == "what to install\n"


def test_blocks_go_into_the_page(tmp_path):
    lesson = course.Lesson("99_none", tmp_path)
    lesson.text("grid", "1  2\n3  4\n")
    lesson.table("table", ["name", "count"], [["a", 1200], ["bcd", -7]])
    path = tmp_path / "99_none.md"
    lesson.write_page()
    assert not path.exists()
    around = "Before\n<!-- begin grid -->\nold\n<!-- end grid -->\n\n<!-- begin table -->\n"
    path.write_text(around + "<!-- end table -->\nAfter\n", encoding="utf-8")
    for _ in range(2):
        lesson.write_page()
        assert path.read_text(encoding="utf-8") == (
            "Before\n<!-- begin grid -->\n```\n1  2\n3  4\n```\n<!-- end grid -->\n\n"
            "<!-- begin table -->\n| name | count |\n| ---- | ----: |\n| a    | 1,200 |\n"
            "| bcd  |    -7 |\n<!-- end table -->\nAfter\n"
        )
    path.write_text("<!-- begin grid -->\n<!-- end grid -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"\['grid'\], the lesson \['grid', 'table'\]"):
        lesson.write_page()
    with pytest.raises(ValueError, match="grid twice"):
        lesson.text("grid", "")


def test_stale_numbers_are_seen():
    assert lessons.differences("| 1,000 |", "| 1,010 |", 0.02) == []
    assert lessons.differences("| 99.5 % |", "| 100.0 % |", 0.02) == []
    assert lessons.differences("| 1,000 |", "| 1,030 |", 0.02)
    assert lessons.differences("| 1,000 a |", "| 1,000 b |", 0.02)
    assert lessons.differences("| 1 | 2 |", "| 1 |", 0.02)
    assert lessons.differences("| 1.0 |", "| 1.00 |", None)
    assert lessons.differences("| 1 |", "| 2 |", math.inf) == []


def test_the_seed_decides_what_is_drawn(tmp_path):
    import fastconv

    drawn = []
    for seed in (3, 3, 4):
        lesson = course.Lesson("99_none", tmp_path, seed=seed)
        drawn.append((lesson.rng.random(), fastconv.random.generator().random()))
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0]
    assert drawn[0][1] != drawn[2][1]
