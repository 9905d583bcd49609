"""A pickle machine that can run no code.

A pickle is a program for a stack machine whose instructions import what they name and call it with
arguments of their choice: who unpickles a file runs it. This machine has the instructions that
torch.save writes (those of protocol 2) and imports nothing. A name stands for what the caller's
table has for it, which alone can be called; every other name, and every instruction that is not
here, is refused.

It is as careful of time and memory. Both are bounded by the size of the pickle: a text has to be
there in full before it is taken, what is remembered is kept by its number in a dict and not in an
array as long as the largest number, and the keys of dicts are texts and small integers, of which no
choice is slow to hash or to find. Values may refer to one another in circles and share parts
without end: whoever looks into them must not go down without a limit, nor print them.

Source: the comments of CPython's Lib/pickletools.py, which define every instruction.
"""

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Refused", "read"]

_PROTOCOL = 2
_MAX_KEY = 2**31
_INT32, _UINT32, _UINT16 = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<H")
_DOUBLE = struct.Struct(">d")
_MAX_NAME = 200  # characters of a module's or a global's name
_NAMES = {
    value[0]: name
    for name, value in vars(pickle).items()
    if name.isupper() and isinstance(value, bytes) and len(value) == 1
}


class Refused(ValueError):
    """A pickle that is not run; the text says why, in one line."""


def read(
    contents: bytes | memoryview,
    begin: int,
    table: Mapping[str, Any],
    persistent: Callable[[Any], Any] | None = None,
) -> tuple[Any, int]:
    """Run the pickle that begins there.

    Args:
        contents: the pickle, and whatever follows it.
        table: 'module.name' → what that name stands for. Where it is callable, the pickle may call
            it with positional arguments of its choice; it raises Refused for those it cannot use.
        persistent: makes a value of a persistent identifier; None: there must be none.

    Returns:
        (value, the position after the pickle); the value is made of None, bool, int, float, str,
        tuple, list, dict, and what the table and persistent make.

    Raises:
        Refused: the pickle is cut off or damaged, names what is not in the table, or has an
            instruction beyond these.

    >>> read(pickle.dumps({"a": [1, 2.5, None]}, protocol=2), 0, {})[0]
    {'a': [1, 2.5, None]}
    >>> read(b"cos\\nsystem\\n(X\\x04\\x00\\x00\\x00truetR.", 0, {})
    Traceback (most recent call last):
        ...
    fastconv.models.pickles.Refused: it names os.system, which has no place among weights
    """
    return _Machine(contents, begin, table, persistent).run()


class _Machine:
    def __init__(
        self,
        contents: bytes | memoryview,
        begin: int,
        table: Mapping[str, Any],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        self._contents = memoryview(contents)
        self._position = begin
        self._table, self._persistent = table, persistent
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each MARK
        self._memo: dict[int, Any] = {}

    def run(self) -> tuple[Any, int]:
        while True:
            code = self._take(1)[0]
            if code == pickle.STOP[0]:
                value = self._pop()
                if self._stack or self._below:
                    raise Refused("its pickle is damaged: more than one value is left at its end")
                return value, self._position
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                name = _NAMES.get(code, f"0x{code:02x}")
                raise Refused(f"its pickle has the instruction {name}, which is not run")
            instruction(self)

    def _take(self, count: int) -> memoryview:
        end = self._position + count
        if end > len(self._contents):
            raise Refused(f"its pickle does not end within {len(self._contents):,} bytes")
        taken = self._contents[self._position : end]
        self._position = end
        return taken

    def _number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _line(self) -> str:
        """The next text up to a line feed, which ends a name."""
        ahead = bytes(self._contents[self._position : self._position + _MAX_NAME + 1])
        text, feed, _ = ahead.partition(b"\n")
        if not feed:
            raise Refused("its pickle is cut off, or has a name that is too long")
        self._position += len(text) + 1
        return _decoded(text)

    def _pop(self) -> Any:
        if not self._stack:
            raise Refused("its pickle is damaged: it takes more values than there are")
        return self._stack.pop()

    def _top(self, kind: type, what: str) -> Any:
        if not self._stack or type(self._stack[-1]) is not kind:
            raise Refused(f"its pickle is damaged: it {what} something else than a {kind.__name__}")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        if not self._below:
            raise Refused("its pickle is damaged: it goes back to a mark that is not there")
        items = self._stack
        self._stack = self._below.pop()
        return items

    # ---- instructions, by their names in pickletools

    def proto(self) -> None:
        version = self._take(1)[0]
        if version != _PROTOCOL:
            raise Refused(
                f"its pickle is of protocol {version}; {_PROTOCOL} is read, which torch.save writes"
            )

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def long1(self) -> None:
        self._stack.append(int.from_bytes(self._take(self._take(1)[0]), "little", signed=True))

    def binunicode(self) -> None:
        self._stack.append(_decoded(self._take(self._number(_UINT32))))

    def short_binstring(self) -> None:  # a text of Python 2
        self._stack.append(_decoded(self._take(self._take(1)[0])))

    def tuple_(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def append(self) -> None:
        item = self._pop()
        self._top(list, "appends to").append(item)

    def appends(self) -> None:
        items = self._pop_to_mark()
        self._top(list, "appends to").extend(items)

    def setitem(self) -> None:
        value, key = self._pop(), self._pop()
        put(self._top(dict, "puts an item into"), key, value)

    def setitems(self) -> None:
        items = self._pop_to_mark()
        if len(items) % 2:
            raise Refused("its pickle is damaged: a key has no value")
        target = self._top(dict, "puts an item into")
        for key, value in zip(items[::2], items[1::2], strict=True):
            put(target, key, value)

    def put(self, number: int) -> None:
        if not self._stack:
            raise Refused("its pickle is damaged: it remembers what is not there")
        self._memo[number] = self._stack[-1]

    def get(self, number: int) -> None:
        if number not in self._memo:
            raise Refused("its pickle is damaged: it recalls what was not remembered")
        self._stack.append(self._memo[number])

    def global_(self) -> None:
        name = f"{self._line()}.{self._line()}"
        if name not in self._table:
            raise Refused(f"it names {_printable(name)}, which has no place among weights")
        self._stack.append(self._table[name])

    def reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        # Nothing but the table's functions can be called: no other instruction makes one.
        if not callable(function) or type(arguments) is not tuple:
            raise Refused("its pickle is damaged: it calls what is no function")
        self._stack.append(function(*arguments))

    def build(self) -> None:
        # Attributes of a dict: of an OrderedDict, which is a dict here, torch.save keeps _metadata.
        self._pop()
        self._top(dict, "sets attributes of")

    def binpersid(self) -> None:
        if self._persistent is None:
            raise Refused("its pickle is damaged: it refers to a storage where there is none")
        self._stack.append(self._persistent(self._pop()))


def put(target: dict, key: Any, value: Any) -> None:
    """An item into a dict that a pickle makes."""
    if type(key) is not str and not (type(key) is int and 0 <= key < _MAX_KEY):
        raise Refused(f"it has a dict with a key of type {type(key).__name__}")
    if key in target:
        raise Refused(f"{_printable(repr(key))} occurs twice in a dict")
    target[key] = value


def _decoded(text: bytes | memoryview) -> str:
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"its pickle is damaged: a text in it is not UTF-8 ({error})") from error


def _printable(text: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= _MAX_NAME else f"{shown[:_MAX_NAME]} …"


_Instruction = Callable[[_Machine], None]


def _pushing(make: Callable[[_Machine], Any]) -> _Instruction:
    def instruction(machine: _Machine) -> None:
        value = make(machine)  # which may leave another stack
        machine._stack.append(value)

    return instruction


_INSTRUCTIONS: dict[int, _Instruction] = {
    code[0]: instruction
    for code, instruction in {
        pickle.PROTO: _Machine.proto,
        pickle.MARK: _Machine.mark,
        pickle.NONE: _pushing(lambda machine: None),
        pickle.NEWTRUE: _pushing(lambda machine: True),
        pickle.NEWFALSE: _pushing(lambda machine: False),
        pickle.BININT: _pushing(lambda machine: machine._number(_INT32)),
        pickle.BININT1: _pushing(lambda machine: machine._take(1)[0]),
        pickle.BININT2: _pushing(lambda machine: machine._number(_UINT16)),
        pickle.LONG1: _Machine.long1,
        pickle.BINFLOAT: _pushing(lambda machine: machine._number(_DOUBLE)),
        pickle.BINUNICODE: _Machine.binunicode,
        pickle.SHORT_BINSTRING: _Machine.short_binstring,
        pickle.EMPTY_TUPLE: _pushing(lambda machine: ()),
        pickle.TUPLE: _pushing(lambda machine: tuple(machine._pop_to_mark())),
        pickle.TUPLE1: lambda machine: machine.tuple_(1),
        pickle.TUPLE2: lambda machine: machine.tuple_(2),
        pickle.TUPLE3: lambda machine: machine.tuple_(3),
        pickle.EMPTY_LIST: _pushing(lambda machine: []),
        pickle.APPEND: _Machine.append,
        pickle.APPENDS: _Machine.appends,
        pickle.EMPTY_DICT: _pushing(lambda machine: {}),
        pickle.SETITEM: _Machine.setitem,
        pickle.SETITEMS: _Machine.setitems,
        pickle.BINPUT: lambda machine: machine.put(machine._take(1)[0]),
        pickle.LONG_BINPUT: lambda machine: machine.put(machine._number(_UINT32)),
        pickle.BINGET: lambda machine: machine.get(machine._take(1)[0]),
        pickle.LONG_BINGET: lambda machine: machine.get(machine._number(_UINT32)),
        pickle.GLOBAL: _Machine.global_,
        pickle.REDUCE: _Machine.reduce,
        pickle.BUILD: _Machine.build,
        pickle.BINPERSID: _Machine.binpersid,
    }.items()
}
