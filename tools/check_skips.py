"""Fail when a run of pytest skipped a test that it may not, or ran none, from its JUnit report.

    python -m pytest -m oracle --junitxml=report.xml && python tools/check_skips.py report.xml
    python tools/check_skips.py --allowed tests/allowed_skips.txt report.xml

Without a list no test may be skipped. With one, the tests in it (a line for each, as this program
prints them, up to " # " and the reason) are skipped and no others: a line whose test was run after
all is a failure too, so that the list cannot grow old. Says nothing when all is well, so that
pytest's own closing line stays the last one.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def skipped_tests(report: str) -> dict[str, str]:
    """Each skipped test and the reason it gave.

    Raises:
        OSError, xml.etree.ElementTree.ParseError: there is no report, or it is not one.
        ValueError: no test was run.
    """
    cases = list(ET.parse(report).getroot().iter("testcase"))
    if not cases:
        raise ValueError("no test was run")
    return {
        f"{case.get('classname')}::{case.get('name')}": skipped.get("message", "")
        for case in cases
        for skipped in case.iter("skipped")
        if skipped.get("type") != "pytest.xfail"
    }


def allowed_tests(listing: str) -> set[str]:
    """The tests that the list names; what follows " # " is for the reader."""
    lines = (line.partition(" # ")[0].strip() for line in listing.splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def problems(report: str, allowed: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """What is wrong with the run that the report tells of; empty: nothing."""
    try:
        skipped = skipped_tests(report)
    except ValueError as error:
        return [str(error)]
    found = [f"skipped: {test}: {why}" for test, why in skipped.items() if test not in allowed]
    found += [f"not skipped, but listed: {test}" for test in sorted(allowed - set(skipped))]
    return found


def main(arguments: list[str]) -> int:
    """Check each report; 1 when one of them tells of a problem."""
    allowed: set[str] = set()
    if arguments[:1] == ["--allowed"]:
        allowed = allowed_tests(Path(arguments[1]).read_text(encoding="utf-8"))
        arguments = arguments[2:]
    found = [problem for report in arguments for problem in problems(report, allowed)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found or not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
