"""Executes the instructions of pickles of protocols 0 to 5 on the restricted `Machine`.

The instructions are those that the standard module `pickletools` documents, without
registered extensions (EXT) and buffers outside the file, which are refused.
"""

import codecs
from collections.abc import Callable

from prohmr_jax.files.pickles.machine import (
    Inert,
    Machine,
    Placeholder,
    Refused,
    check_key,
)

_MAX_PROTOCOL = 5


def execute(machine: Machine) -> object:
    """Executes instructions up to STOP and returns the value that is then on the stack.

    Args:
      machine: a machine at the start of a pickle; its stream is read up to the end of
        the pickle.

    Raises:
      Refused: the pickle asks for more than harmless data.
      Exception: the pickle is damaged; many kinds of exceptions are possible.
    """
    while (code := machine.read(1)) != b".":
        machine.spend(1)
        if code in _VALUES:
            machine.stack.append(_VALUES[code](machine))
        elif code in _ACTIONS:
            _ACTIONS[code](machine)
        elif code in _EXCLUDED:
            raise Refused(f"it uses {_EXCLUDED[code]}")
        else:
            raise ValueError("unknown instruction")
    return machine.pop()


def _text_number(line: bytes) -> int | bool:
    if line in (b"00", b"01"):  # protocol 0 writes False and True so
        return line == b"01"
    return int(line.removesuffix(b"L"))


def _quoted_string(line: bytes) -> str:
    line = line.strip()
    if len(line) < 2 or line[:1] not in b"'\"" or line[:1] != line[-1:]:
        raise ValueError("string without quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin-1")


def _long(machine: Machine, layout: str) -> int:
    data = machine.sized(layout)
    if len(data) > 255:
        raise Refused("it has an integer of thousands of digits")
    return int.from_bytes(data, "little", signed=True)


def _utf8(machine: Machine, layout: str) -> str:
    return machine.sized(layout).decode("utf-8", "surrogatepass")


# Instructions that push a value. Strings of Python 2 hold one byte per character.
_VALUES: dict[bytes, Callable[[Machine], object]] = {
    b"N": lambda m: None,
    b"\x88": lambda m: True,
    b"\x89": lambda m: False,
    b"]": lambda m: [],
    b"}": lambda m: {},
    b")": lambda m: (),
    b"\x8f": lambda m: set(),
    b"I": lambda m: _text_number(m.read_line()),
    b"L": lambda m: _text_number(m.read_line()),
    b"F": lambda m: float(m.read_line()),
    b"G": lambda m: m.number(">d"),
    b"J": lambda m: m.number("<i"),
    b"K": lambda m: m.number("<B"),
    b"M": lambda m: m.number("<H"),
    b"\x8a": lambda m: _long(m, "<B"),
    b"\x8b": lambda m: _long(m, "<I"),
    b"S": lambda m: _quoted_string(m.read_line()),
    b"T": lambda m: m.sized("<I").decode("latin-1"),
    b"U": lambda m: m.sized("<B").decode("latin-1"),
    b"V": lambda m: m.read_line().decode("raw-unicode-escape"),
    b"X": lambda m: _utf8(m, "<I"),
    b"\x8c": lambda m: _utf8(m, "<B"),
    b"\x8d": lambda m: _utf8(m, "<Q"),
    b"B": lambda m: m.sized("<I"),
    b"C": lambda m: m.sized("<B"),
    b"\x8e": lambda m: m.sized("<Q"),
    b"\x96": lambda m: m.sized("<Q"),
    b"t": lambda m: tuple(m.pop_to_mark()),
    b"\x85": lambda m: (m.pop(),),
    b"\x86": lambda m: (m.pop(), m.pop())[::-1],
    b"\x87": lambda m: (m.pop(), m.pop(), m.pop())[::-1],
    b"l": lambda m: m.pop_to_mark(),
    b"d": lambda m: _set_items({}, m.pop_to_mark()),
    b"\x91": lambda m: frozenset(map(check_key, m.pop_to_mark())),
    b"2": lambda m: m.top(),
    b"g": lambda m: m.memo[int(m.read_line())],
    b"h": lambda m: m.memo[m.number("<B")],
    b"j": lambda m: m.memo[m.number("<I")],
    b"c": lambda m: m.find(_name(m.read_line(), m.read_line())),
    b"\x93": lambda m: m.find(_name(*(m.pop(), m.pop())[::-1])),
    b"R": lambda m: m.call(*(m.pop(), m.pop())[::-1]),
    b"\x81": lambda m: m.call(*(m.pop(), m.pop())[::-1]),
    b"\x92": lambda m: _new_with_keywords(m),
    b"i": lambda m: m.call(
        m.find(_name(m.read_line(), m.read_line())), tuple(m.pop_to_mark())
    ),
    b"o": lambda m: _call_marked(m.pop_to_mark(), m),
    b"P": lambda m: _persistent(m, m.read_line().decode("ascii")),
    b"Q": lambda m: _persistent(m, m.pop()),
}


def _name(module: object, name: object) -> str:
    module, name = (p.decode() if isinstance(p, bytes) else p for p in (module, name))
    if not isinstance(module, str) or not isinstance(name, str):
        raise Refused("it asks for a name that is not text")
    return f"{module}.{name}"


def _new_with_keywords(machine: Machine) -> object:
    keywords, args, function = machine.pop(), machine.pop(), machine.pop()
    refused = type(keywords) is not dict or bool(keywords)
    if refused and not isinstance(function, Placeholder):
        raise Refused("it calls with keywords")
    return machine.call(function, args)


def _call_marked(items: list, machine: Machine) -> object:
    return machine.call(items[0], tuple(items[1:]))


def _persistent(machine: Machine, identity: object) -> object:
    if machine.persistent is None:
        raise Refused("it refers to objects outside itself")
    return machine.persistent(identity)


def _extend(target: object, items: list) -> None:
    if type(target) is list:
        target.extend(items)
    elif not isinstance(target, Placeholder):
        raise Refused(f"it appends to a {type(target).__name__}")


def _set_items(target: object, items: list) -> object:
    if isinstance(target, Placeholder):
        return target
    if not isinstance(target, dict):
        raise Refused(f"it sets items of a {type(target).__name__}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(key)] = value
    return target


def _add_items(target: object, items: list) -> None:
    if type(target) is set:
        target.update(map(check_key, items))
    elif not isinstance(target, Placeholder):
        raise Refused(f"it adds items to a {type(target).__name__}")


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if not isinstance(target, Inert):
        raise Refused(f"it sets attributes of a {type(target).__name__}")
    target.set_state(state)


def _target_and_items(machine: Machine, count: int | None = None) -> tuple:
    """Pops `count` items, or all above the mark, and returns them with what is below.

    Returns:
      The object below the items, which stays on the stack, and the list of items.
    """
    if count is None:
        items = machine.pop_to_mark()
    else:
        items = [machine.pop() for _ in range(count)][::-1]
    return machine.top(), items


def _check_protocol(machine: Machine) -> None:
    if machine.number("<B") > _MAX_PROTOCOL:
        raise Refused("it is of a protocol newer than 5")


# Instructions that push nothing.
_ACTIONS: dict[bytes, Callable[[Machine], object]] = {
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"0": lambda m: m.pop(),
    b"1": lambda m: m.pop_to_mark(),
    b"a": lambda m: _extend(*_target_and_items(m, 1)),
    b"e": lambda m: _extend(*_target_and_items(m)),
    b"s": lambda m: _set_items(*_target_and_items(m, 2)),
    b"u": lambda m: _set_items(*_target_and_items(m)),
    b"\x90": lambda m: _add_items(*_target_and_items(m)),
    b"b": lambda m: _build(m),
    b"p": lambda m: m.memo.__setitem__(int(m.read_line()), m.top()),
    b"q": lambda m: m.memo.__setitem__(m.number("<B"), m.top()),
    b"r": lambda m: m.memo.__setitem__(m.number("<I"), m.top()),
    b"\x94": lambda m: m.memo.__setitem__(len(m.memo), m.top()),
    b"\x80": _check_protocol,
    b"\x95": lambda m: m.number("<Q"),  # length of a frame, which only streams need
}

_EXCLUDED = {
    **dict.fromkeys((b"\x82", b"\x83", b"\x84"), "registered extensions"),
    **dict.fromkeys((b"\x97", b"\x98"), "buffers outside the file"),
}
