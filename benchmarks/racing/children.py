"""Processes that an engine lives in each, and asking them."""

import importlib.util
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from typing import Any

from racing.engines import COMPETITORS

PROJECT = pathlib.Path(__file__).resolve().parents[2]
# What would tune one engine and not another, or not on the next machine.
FOREIGN = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "ONEDNN_",
    "DNNL_",
    "OPENBLAS_",
    "MALLOC_",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
    "TORCH_",
    "FASTCONV_",
    "PYTHON",
)
ANSWER_SECONDS = 300
REST_SECONDS = 0.1


class ChildDied(Exception):
    """The process ended or did not answer; the argument says what it printed last."""


def missing_packages(name: str) -> list[str]:
    """Packages that a competitor needs and that are not installed."""
    return [p for p in COMPETITORS[name].packages if importlib.util.find_spec(p) is None]


def environment(name: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    folders = (PROJECT / "benchmarks", PROJECT / "tests")
    kept["PYTHONPATH"] = os.pathsep.join(map(str, folders))
    kept["PYTHONSAFEPATH"] = "1"
    return kept | COMPETITORS[name].environment


class Child:
    """One competitor's process, started again when it has died."""

    def __init__(self, name: str, folder: pathlib.Path) -> None:
        self.name = name
        self.engine = COMPETITORS[name].engine
        self._log = folder / f"{name}.log"
        self.told = self._start()

    def _start(self) -> dict[str, Any]:
        self._halted = False
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "racing.worker", self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(self.name),
                text=True,
            )
        return self._answer()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, do: str, **what: object) -> dict[str, Any]:
        """Raises ChildDied; the next question goes to a new process."""
        if not self.alive:
            self._start()
        self._go_on()
        try:
            self._process.stdin.write(json.dumps({"do": do, **what}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        readable, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            raise self._dead()
        answer = json.loads(line)
        if "failed" in answer:
            raise ChildDied(answer["failed"])
        return answer

    def _dead(self) -> ChildDied:
        self._process.kill()
        self._process.wait()
        lines = self._log.read_text(errors="replace").strip().splitlines() or [""]
        return ChildDied(f"ended with {self._process.returncode}: {lines[-1][:160]}")

    def rest(self) -> None:
        """Wait until no thread of the process runs: spinning ones would rob whoever is next.

        Threads that spin for good are halted until the process is asked again.
        """
        deadline = time.monotonic() + REST_SECONDS
        while self._running():
            if time.monotonic() >= deadline:
                self._process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                self._halted = True
                return
            time.sleep(5e-4)

    def _go_on(self) -> None:
        if self._halted:
            self._process.send_signal(signal.SIGCONT)
            self._halted = False

    def _running(self) -> bool:
        for task in pathlib.Path(f"/proc/{self._process.pid}/task").glob("*/stat"):
            try:
                state = task.read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # the thread has ended
            if state == "R":
                return True
        return False

    def stop(self) -> None:
        if self.alive:
            self._go_on()
            self._process.stdin.close()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
