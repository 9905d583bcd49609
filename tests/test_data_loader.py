"""The loader: same batches whatever makes them, resumable to the bit, and no thread left behind."""

import gc
import json
import os
import threading
import time
import traceback

import children
import numpy as np
import pytest

from fastconv.data import DataLoader, Dataset, Draws, transforms

AUGMENT = transforms.Compose(
    [
        transforms.RandomShift(2),
        transforms.RandomHorizontalFlip(),
        transforms.ToFloat(),
        transforms.Normalize(0.5, 0.25),
    ]
)


def dataset(count=23, size=6):
    rng = np.random.default_rng(0)
    return Dataset(rng.integers(0, 256, (count, 1, size, size), np.uint8), np.arange(count))


def batches(loader):
    return [(x.copy(), y.copy()) for x, y in loader]


def assert_equal(some, others):
    assert len(some) == len(others)
    for (x, y), (other_x, other_y) in zip(some, others, strict=True):
        assert x.tobytes() == other_x.tobytes()
        np.testing.assert_array_equal(y, other_y)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "fastconv-data"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 2, 50])
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_has_each_example_once(prefetch, shuffle):
    data = dataset()
    loader = DataLoader(data, 5, shuffle, seed=1, prefetch=prefetch)
    assert len(loader) == 5
    found = batches(loader)
    assert [len(y) for _, y in found] == [5, 5, 5, 5, 3]
    order = np.concatenate([y for _, y in found])
    assert (order.tolist() == list(range(23))) != shuffle
    np.testing.assert_array_equal(np.sort(order), np.arange(23))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), data.x[order])


def test_drop_last():
    loader = DataLoader(dataset(), 5, drop_last=True)
    assert len(loader) == 4
    assert [len(y) for _, y in loader] == [5] * 4
    with pytest.raises(ValueError, match="no full batch of 24"):
        DataLoader(dataset(), 24, drop_last=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64, ">f4", np.float16])
def test_batches_are_arrays_of_their_own(dtype):
    x = np.asfortranarray(np.arange(48).reshape(4, 3, 2, 2)).astype(dtype)
    before = x.copy()
    y = np.arange(4, dtype=np.uint8)
    for batch, labels in DataLoader((x, y), 3):
        assert batch.dtype == np.float32
        assert labels.dtype == np.int64
        for array in (batch, labels):
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.dtype.isnative
        batch[:] = -1
        labels[:] = -1
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(y, np.arange(4))


def test_a_transform_that_returns_a_view_gives_an_array_all_the_same():
    flip = DataLoader(
        dataset(), 5, transform=lambda x: np.broadcast_to(x[:, :, ::-1, ::2], x[:, :, :, ::2].shape)
    )
    for x, _ in flip:
        assert x.flags.c_contiguous
        assert x.flags.writeable
        assert x.shape[1:] == (1, 6, 3)


def test_the_order_is_that_of_seed_and_epoch():
    loader = DataLoader(dataset(), 5, True, seed=1)
    epochs = [batches(loader) for _ in range(3)]
    assert loader.epoch == 3
    orders = [np.concatenate([y for _, y in epoch]).tolist() for epoch in epochs]
    assert len({tuple(order) for order in orders}) == 3
    # Whatever the size of the batches and whoever makes them.
    other = DataLoader(dataset(), 7, True, seed=1, prefetch=0)
    assert [np.concatenate([y for _, y in batches(other)]).tolist() for _ in range(3)] == orders
    assert (
        np.concatenate([y for _, y in DataLoader(dataset(), 5, True, seed=2)]).tolist()
        not in orders
    )


def test_augmentation_is_that_of_seed_epoch_and_index():
    by_index = []
    for size, shuffle, prefetch in ((1, False, 0), (4, True, 2), (23, True, 1)):
        loader = DataLoader(dataset(), size, shuffle, 9, transform=AUGMENT, prefetch=prefetch)
        images = {}
        for epoch in range(2):
            for x, y in loader:
                images.update(
                    {(epoch, int(i)): image.tobytes() for image, i in zip(x, y, strict=True)}
                )
        by_index.append(images)
    assert by_index[0] == by_index[1] == by_index[2]
    assert any(by_index[0][0, i] != by_index[0][1, i] for i in range(23))


# ---- resuming ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("taken", range(11))
def test_an_interrupted_epoch_goes_on_bit_for_bit(prefetch, taken):
    def new(seed):
        return DataLoader(dataset(), 5, True, seed, transform=AUGMENT, prefetch=prefetch)

    reference = new(3)
    whole = [batch for _ in range(3) for batch in batches(reference)]
    loader, seen = new(3), []
    while len(seen) < taken:
        for x, y in loader:
            seen.append((x, y))
            if len(seen) == taken:
                break
    state = json.loads(json.dumps(loader.state_dict()))
    assert (state["epoch"], state["batch"]) == divmod(taken, 5)
    resumed = new(None)
    resumed.load_state_dict(state)
    rest = [batch for _ in range(3 - taken // 5) for batch in batches(resumed)]
    assert_equal(seen + rest, whole)
    # The interrupted loader itself goes on as well.
    loader.load_state_dict(state)
    assert_equal(batches(loader), rest[: 5 - taken % 5])


def test_break_and_again_is_the_next_epoch():
    loader = DataLoader(dataset(), 5, True, seed=3)
    epochs = [batches(loader) for _ in range(3)]
    other = DataLoader(dataset(), 5, True, seed=3)
    for _ in other:
        break
    assert other.epoch == 0
    assert_equal(batches(other), epochs[1])
    for number, _ in enumerate(other):
        if number == 4:  # the last batch
            break
    assert_equal(batches(other), batches(loader))


def test_two_iterations_at_a_time_are_two_epochs():
    loader = DataLoader(dataset(), 5, True, seed=3)
    first = batches(DataLoader(dataset(), 5, True, seed=3))
    pairs = list(zip(loader, loader, strict=True))
    assert_equal([pair[0] for pair in pairs], first)
    assert loader.epoch == 2
    assert loader.state_dict()["batch"] == 0


def test_without_a_seed_one_is_drawn_and_kept():
    one, two = (DataLoader(dataset(), 5, True) for _ in range(2))
    assert one.seed != two.seed
    two.load_state_dict(one.state_dict())
    assert_equal(batches(one), batches(two))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"batch_size": 4}, ValueError, "batch_size 4, this loader's is 5"),
        ({"seed": 4}, ValueError, "seed 4"),
        ({"examples": 22}, ValueError, "examples 22"),
        ({"shuffle": False}, ValueError, "shuffle False"),
        ({"version": 2}, ValueError, "version 2"),
        ({"batch": 5}, ValueError, "no place"),
        ({"batch": -1}, ValueError, "no place"),
        ({"epoch": -1}, ValueError, "no place"),
        ({"epoch": 1.0}, TypeError, "epoch must be int"),
        ({"shuffle": 1}, TypeError, "shuffle must be bool"),
        ({"more": 1}, ValueError, "expected are"),
    ],
)
def test_states_that_do_not_fit(change, error, says):
    loader = DataLoader(dataset(), 5, True, seed=3)
    before = loader.state_dict()
    with pytest.raises(error, match=says):
        loader.load_state_dict(before | change)
    with pytest.raises(ValueError, match="expected are"):
        loader.load_state_dict({})
    with pytest.raises(TypeError, match="must be a dict"):
        loader.load_state_dict([])
    assert loader.state_dict() == before


# ---- the thread ----------------------------------------------------------------------------------


class Broken(Exception):
    pass


def break_at(number):
    """A transform that raises at its call of that number, from 0."""
    calls = iter(range(1000))

    def transform(x):
        if next(calls) == number:
            raise Broken("of the transform")
        return x

    return transform


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_an_exception_comes_in_its_place_with_its_traceback(prefetch):
    iterator = iter(DataLoader(dataset(), 5, transform=break_at(2), prefetch=prefetch))
    assert [len(next(iterator)[1]) for _ in range(2)] == [5, 5]
    with pytest.raises(Broken, match="of the transform") as caught:
        next(iterator)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "transform" in frames
    assert frames[0] == "test_an_exception_comes_in_its_place_with_its_traceback"


@pytest.mark.parametrize(
    "transform", [lambda x: x[:1], lambda x: None, lambda x: np.float32(1), lambda x: list(x)]
)
def test_a_transform_that_returns_something_else_is_an_error(transform):
    with pytest.raises(ValueError, match="must return an array of 5 examples"):
        batches(DataLoader(dataset(), 5, transform=transform))


def test_the_thread_makes_no_more_than_it_may():
    made = []

    def transform(x):
        made.append(len(x))
        return x

    iterator = iter(DataLoader(dataset(), 1, transform=transform, prefetch=3))
    assert made == []
    next(iterator)
    time.sleep(0.2)
    # One was taken, three wait, and one more may be made already and find no room.
    assert 4 <= len(made) <= 5
    iterator.close()


def test_break_ends_the_thread():
    for _ in DataLoader(dataset(), 1):
        assert len(threads()) == 1
        break
    gc.collect()
    assert threads() == []


def test_an_exception_in_the_loop_ends_the_thread():
    def loop():
        for _ in DataLoader(dataset(), 1):
            raise Broken

    with pytest.raises(Broken):
        loop()
    gc.collect()
    assert threads() == []


def test_a_forgotten_iterator_in_a_cycle_ends_its_thread():
    holder = [iter(DataLoader(dataset(), 1))]
    holder.append(holder)
    next(holder[0])
    assert len(threads()) == 1
    del holder
    gc.collect()
    assert threads() == []


def test_context_settings_hold_in_the_thread():
    import fastconv

    seen = []

    def transform(x):
        seen.append((fastconv.get_precision(), threading.current_thread().name))
        return x

    with fastconv.precision("fast"):
        batches(DataLoader(dataset(), 23, transform=transform))
    assert seen == [("fast", "fastconv-data")]


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise KeyError"])
def test_the_interpreter_ends_with_an_iterator_half_way(end):
    code = f"""
        import sys, numpy as np
        from fastconv.data import DataLoader
        loader = DataLoader((np.zeros((50, 1, 4, 4)), np.zeros(50, int)), 1)
        iterator = iter(loader)
        next(iterator)
        print("there", flush=True)
        {end}
    """
    done = children.run_unchecked(code, timeout=30)
    assert done.stdout == "there\n"
    assert done.returncode == {"": 0, "sys.exit(3)": 3, "raise KeyError": 1}[end]
    assert "Fatal" not in done.stderr
    if end != "raise KeyError":
        assert done.stderr == ""


def test_the_batch_that_is_being_made_at_exit_is_made():
    """Not cut off in the middle of native code, after what it needs has been taken down."""
    code = """
        import sys, time, numpy as np
        from fastconv.data import DataLoader

        def slow(x):
            if x[0]:
                sys.stdout.write("began ")
                sys.stdout.flush()
                time.sleep(0.5)
                sys.stdout.write("ended ")
            return x

        iterator = iter(DataLoader((np.arange(9), np.arange(9)), 1, transform=slow))
        next(iterator)
        time.sleep(0.2)
    """
    assert children.run(code, timeout=30) == "began ended "


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_half_way_is_an_error_there_and_none_here():
    code = """
        import os, numpy as np
        from fastconv.data import DataLoader
        loader = DataLoader((np.zeros((50, 1, 4, 4)), np.arange(50)), 1)
        iterator = iter(loader)
        next(iterator)
        child = os.fork()
        if child == 0:
            try:
                next(iterator)
            except RuntimeError as error:
                assert "before a fork" in str(error)
                assert [int(y[0]) for _, y in loader] == list(range(50))
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert [int(y[0]) for _, y in iterator] == list(range(1, 50))
    """
    children.run(code, timeout=30)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an int"),
        ({"prefetch": -1}, ValueError, "prefetch must be at least 0"),
        ({"prefetch": True}, TypeError, "prefetch must be an int"),
        ({"seed": "a"}, TypeError, "seed must be an int"),
        ({"transform": 3}, TypeError, "callable"),
        ({"dataset": np.zeros(3)}, TypeError, "pair"),
        ({"dataset": (np.zeros((0, 3)), np.zeros(0, int))}, ValueError, "empty"),
    ],
)
def test_unfit_arguments(change, error, says):
    with pytest.raises(error, match=says):
        DataLoader(**({"dataset": dataset(), "batch_size": 5} | change))


# ---- random numbers ------------------------------------------------------------------------------


def test_draws_are_uniform_and_independent():
    draws = Draws(1, 2, np.arange(100_000))
    one, two = draws.uniform(), draws.uniform()
    other = Draws(1, 3, np.arange(100_000)).uniform()
    for numbers in (one, two, other):
        assert 0 <= numbers.min() < numbers.max() < 1
        counts = np.bincount((numbers * 50).astype(int), minlength=50)
        assert ((counts - 2000) ** 2 / 2000).sum() < 49 + 5 * np.sqrt(98)
    for a, b in ((one, two), (one, other), (one[1:], one[:-1])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.02
    integers = draws.integers(-2, 2)
    assert np.unique(integers).tolist() == [-2, -1, 0, 1, 2]
    assert np.abs(np.bincount(integers + 2) - 20_000).max() < 1000


def test_draws_stay_what_they_are():
    assert Draws(0, 0, np.arange(3)).bits().tolist() == PINNED_BITS


PINNED_BITS = [17875428517292935268, 8459917933128080859, 7634749730003901801]
