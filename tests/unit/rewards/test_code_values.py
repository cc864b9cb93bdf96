"""What goes between tester and program, and what the tester calls equal."""

import math
import socket
import sys
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.code.compare import same_output
from rewards.code.harness import values
from rewards.code.harness.values import Link, NotData, decode, encode

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=12,
)


@given(DATA)
def test_data_come_back_with_their_types(value: Any) -> None:
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value", [Decimal("1.10"), Fraction(1, 3), range(1, 9, 2), {1, 2}, bytearray(b"x"), -math.inf, 2**90]
)
def test_other_data_come_back(value: Any) -> None:
    assert decode(encode(value)) == value


def test_subclasses_arrive_as_the_plain_type() -> None:
    class Sly(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    class Colour(IntEnum):
        RED = 1

    assert decode(encode(Sly(0))) != 7
    assert (type(decode(encode(Sly(0)))), type(decode(encode(Colour.RED)))) == (int, int)


def test_what_is_no_data_does_not_travel() -> None:
    with pytest.raises(NotData, match="object is not plain data"):
        encode([object()])
    with pytest.raises(ValueError, match="unknown tag"):
        decode({"x": 1})


def test_a_link_refuses_nonsense_and_says_when_it_ends() -> None:
    ours, theirs = socket.socketpair()
    Link(ours).send({"a": [1]})
    link = Link(theirs)
    assert link.receive() == {"a": [1]}
    ours.sendall((values.LARGEST + 1).to_bytes(4, "big"))
    with pytest.raises(EOFError, match="too large"):
        link.receive()
    ours.sendall((3).to_bytes(4, "big") + b"{{{")
    with pytest.raises(EOFError, match="not a message"):
        link.receive()
    ours.close()
    with pytest.raises(EOFError, match="ended"):
        link.receive()
    theirs.close()


@pytest.fixture(scope="module")
def tester() -> Any:
    """The tester's module, with its neighbours under the names that they have in the sandbox."""
    sys.modules["values"] = values
    from rewards.code.harness import remote

    sys.modules["remote"] = remote
    from rewards.code.harness import tester as module

    yield module
    del sys.modules["values"], sys.modules["remote"]


@pytest.mark.parametrize(
    ("wanted", "got", "tolerance", "equal"),
    [
        ([1, [2]], (1, (2,)), 0.0, True),
        ([1], [1, 2], 0.0, False),
        (1, True, 0.0, False),
        (1, 1.0, 0.0, True),
        (0.3, 0.1 + 0.2, 0.0, False),
        (0.3, 0.1 + 0.2, 1e-9, True),
        (math.nan, math.nan, 0.0, True),
        ({"1": 2}, {1: 2}, 0.0, True),
        ({"1": 2}, {1: 2, "1": 2}, 0.0, False),
        (None, 0, 0.0, False),
        ("1", 1, 0.0, False),
    ],
)
def test_results_are_equal_as_json_data(
    tester: Any, wanted: Any, got: Any, tolerance: float, equal: bool
) -> None:
    assert tester.same(wanted, got, tolerance) is equal


@pytest.mark.parametrize(
    ("wanted", "got", "tolerance", "equal"),
    [
        ("6\n", b"6", 0.0, True),
        ("6\n", b"6 \r\n\n", 0.0, True),
        ("6\n", b" 6\n", 0.0, False),
        ("6\n", b"6.0\n", 0.0, False),
        ("6\n", b"6.0\n", 1e-6, True),
        ("1 2\n", b"1\n2\n", 1e-6, False),
        ("", b"\xff", 0.0, False),
        ("a\n\nb", b"a\nb", 0.0, False),
        ("nan", b"1", 1e-6, False),
    ],
)
def test_outputs_are_equal_but_for_white_space_at_the_ends(
    wanted: str, got: bytes, tolerance: float, equal: bool
) -> None:
    assert same_output(wanted, got, tolerance=tolerance) is equal
