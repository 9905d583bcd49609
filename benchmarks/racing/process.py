"""What this process holds in memory, as Linux counts it."""

import pathlib
import re


def resident(field: str) -> int:
    """Kilobytes, now (VmRSS) or at most (VmHWM)."""
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE)[1])


def forget_peak() -> None:
    """Have VmHWM count from now on."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
