"""fork: a child computes the right answer, on one thread, says so once, and never hangs.

Each test is a process of its own with a time-out, whose forks also set an alarm.
"""

import children

PRELUDE = """
    import os, signal, sys, threading, time, warnings
    import numpy as np
    import fastconv
    import fastconv.functional as F

    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 32, 40, 40)).astype(np.float32)
    w = rng.standard_normal((33, 32, 3, 3)).astype(np.float32)
    expected = F.conv2d(x, w, threads=2).tobytes()

    def in_child(body):
        # Status of a fork that runs the body: 0 if it returned, 1 if it raised; SIGALRM: it hung.
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            status = 1
            try:
                body()
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert not os.WIFSIGNALED(status), f"child ended by signal {os.WTERMSIG(status)}"
        assert os.WEXITSTATUS(status) == 0, "child failed"

    def right():
        for threads in (None, 1, 2, 8):
            assert F.conv2d(x, w, threads=threads).tobytes() == expected
        np.testing.assert_array_equal(F.relu(x), np.maximum(x, 0))
        assert F.linear(x.reshape(-1, 40), w.reshape(-1, 8)[:40, :1].repeat(40, 1)).size
        assert F.max_pool2d(x, 3, 2, 1).shape == (4, 32, 20, 20)
        assert abs(F.softmax(x, 1).sum(axis=1) - 1).max() < 1e-5
"""


def test_a_child_computes_the_same_bits():
    code = f"""{PRELUDE}
    in_child(right)
    right()
    print("end")
    """
    assert children.run(code).endswith("end\n")


def test_a_child_runs_on_one_thread_and_says_so_once():
    code = f"""{PRELUDE}
    def body():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                right()
        assert len(os.listdir("/proc/self/task")) == 1
        assert fastconv.runtime_info()["forked_child"]
        told = [str(w.message) for w in caught if "fastconv" in str(w.message)]
        print(len(told), *told, sep="\\n", flush=True)

    assert not fastconv.runtime_info()["forked_child"]
    in_child(body)
    assert not fastconv.runtime_info()["forked_child"]
    """
    done = children.run_unchecked(code)
    assert done.returncode == 0, children.describe(done)
    told = [line for line in (done.stdout + done.stderr).splitlines() if "fork" in line.lower()]
    assert len(told) == 1, children.describe(done)
    assert "fastconv" in told[0]


def test_a_parent_that_never_computed():
    """No region was entered before the fork: the child may start threads, or not, but not hang."""
    code = """
    import os, signal, sys
    import numpy as np
    import fastconv.functional as F
    x, w = np.ones((8, 32, 40, 40), np.float32), np.ones((33, 32, 3, 3), np.float32)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        ok = np.all(F.conv2d(x, w, threads=2, precision="strict") == 288)
        os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert np.all(F.conv2d(x, w, threads=2, precision="strict") == 288)
    """
    children.run(code)


def test_a_grandchild():
    code = f"""{PRELUDE}
    def body():
        right()
        in_child(right)
    in_child(body)
    print("end")
    """
    assert children.run(code).endswith("end\n")


def test_the_parent_goes_on_with_its_threads():
    code = f"""{PRELUDE}
    def cpu_times():
        # User time of each of this process's threads, in ticks.
        return [
            int(open(f"/proc/self/task/{{task}}/stat").read().rpartition(")")[2].split()[11])
            for task in sorted(os.listdir("/proc/self/task"))
        ]

    for _ in range(5):
        in_child(right)
        assert F.conv2d(x, w, threads=2).tobytes() == expected
    before = cpu_times()
    deadline = time.monotonic() + 20
    while True:
        assert F.conv2d(x, w, threads=2).tobytes() == expected
        spent = [now - then for now, then in zip(cpu_times(), before, strict=True)]
        if sorted(spent)[-2] >= 5:
            break  # two threads have worked
        assert time.monotonic() < deadline, f"one thread does all the work: {{spent}}"
    print("end")
    """
    assert children.run(code).endswith("end\n")


def test_fork_while_other_threads_are_inside_a_region():
    """Whatever lock they hold at that moment, the pool's or the plan cache's, is no one's in the
    child."""
    code = f"""{PRELUDE}
    stop = threading.Event()
    failures = []

    def compute(number):
        width = 20
        while not stop.is_set():
            width = 20 + (width + 7) % 60  # new plans too
            if F.conv2d(x, w, threads=2).tobytes() != expected:
                failures.append("conv2d")
            if not np.all(F.relu(np.ones((1, 8, 40, width), np.float32)) == 1):
                failures.append("relu")
            F.conv2d(x[:1, :, :, :width], w[:3])
            if number == 0:
                fastconv.empty_cache()

    threads = [threading.Thread(target=compute, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(12):
            time.sleep(0.003 * (turn % 5))
            in_child(right)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
    print("end")
    """
    assert children.run(code, timeout=180).endswith("end\n")


def test_fork_while_other_threads_take_and_give_memory():
    """Short calls, which spend their time at the pool's lock without the GIL, and many forks."""
    code = f"""{PRELUDE}
    small = np.ones((1, 16, 12, 12), np.float32)
    kernel = np.ones((16, 16, 3, 3), np.float32)
    stop = threading.Event()

    def compute():
        while not stop.is_set():
            F.conv2d(small, kernel, threads=1)

    def right():
        assert (F.conv2d(small, kernel, threads=1, precision="strict") == 144).all()
        fastconv.empty_cache()

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            in_child(right)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print("end")
    """
    assert children.run(code, timeout=180).endswith("end\n")


def test_multiprocessing_by_fork():
    code = f"""{PRELUDE}
    import multiprocessing

    def work(_):
        return F.conv2d(x, w).tobytes() == expected

    signal.alarm(50)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert all(pool.map(work, range(12)))
    print("end")
    """
    assert children.run(code).endswith("end\n")


def test_results_of_the_parent_die_in_the_child():
    """Pool memory that was taken before the fork is given back on both sides."""
    code = f"""{PRELUDE}
    kept = [F.relu(x) for _ in range(10)]
    copies = [array.copy() for array in kept]

    def body():
        before = fastconv.memory_stats()["in_use_bytes"]
        kept.clear()
        assert fastconv.memory_stats()["in_use_bytes"] < before
        again = [F.relu(x) for _ in range(20)]
        for array in again:
            array.fill(-1)

    in_child(body)
    for array, copy in zip(kept, copies):
        np.testing.assert_array_equal(array, copy)
    print("end")
    """
    assert children.run(code).endswith("end\n")
