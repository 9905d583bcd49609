"""Run Python in a process of its own: for what ends a process, or must be set before it starts."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

TESTS = pathlib.Path(__file__).resolve().parent


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with changes (None removes), such that tests' modules import."""
    result = dict(os.environ)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    # The same fastconv as here, installed or in place.
    result["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    return result


def run(code: str, *arguments: str, timeout: float = 60, **changes: str | None) -> str:
    """Run the code and return what it printed; a crash, an exception or a hang fails the test."""
    done = run_unchecked(code, *arguments, timeout=timeout, **changes)
    assert done.returncode == 0, describe(done)
    return done.stdout


def run_unchecked(
    code: str, *arguments: str, timeout: float = 60, **changes: str | None
) -> subprocess.CompletedProcess[str]:
    """Run the code to its end, whatever that is; a hang alone fails the test."""
    command = [sys.executable, "-P", "-X", "faulthandler", "-c", textwrap.dedent(code), *arguments]
    # A session of its own: on a hang its own children, which may hang too, go with it.
    with subprocess.Popen(
        command,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            stdout, stderr = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            stdout, stderr = child.communicate()
            done = subprocess.CompletedProcess(command, -signal.SIGKILL, stdout, stderr)
            raise AssertionError(f"hangs: no end after {timeout} s\n{describe(done)}") from None
    return subprocess.CompletedProcess(command, child.returncode, stdout, stderr)


def describe(done: subprocess.CompletedProcess[str]) -> str:
    """How a child ended and the last it had to say."""
    end = f"status {done.returncode}"
    if done.returncode < 0:
        end = f"killed by {signal.Signals(-done.returncode).name}"
    tail = "\n".join((done.stdout[-1500:], done.stderr[-3000:]))
    return f"the child process ended: {end}\n{tail}"
