"""Fail when a run of pytest skipped a test or ran none, from its JUnit report.

    python -m pytest -m oracle --junitxml=report.xml && python tools/check_skips.py report.xml

Says nothing when all is well, so that pytest's own closing line stays the last one.
"""

import sys
import xml.etree.ElementTree as ET


def problems(report: str) -> list[str]:
    """What is wrong with the run that the report tells of; empty: nothing.

    Raises:
        OSError, xml.etree.ElementTree.ParseError: there is no report, or it is not one.
    """
    cases = list(ET.parse(report).getroot().iter("testcase"))
    if not cases:
        return ["no test was run"]
    return [
        f"skipped: {case.get('classname')}::{case.get('name')}: {skipped.get('message')}"
        for case in cases
        for skipped in case.iter("skipped")
        if skipped.get("type") != "pytest.xfail"
    ]


def main(arguments: list[str]) -> int:
    """Check each report; 1 when one of them tells of a problem."""
    found = [problem for report in arguments for problem in problems(report)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found or not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
