"""Sizes as text: short, and two that differ never read the same."""

from hypothesis import example, given
from hypothesis import strategies as st

from tunewright.contract.sizes import UNITS, size, size_pair

GIB = 1 << 30
BYTES = st.integers(0, 1 << 60)


def value(text: str) -> float:
    """The bytes that a size says."""
    number, unit = text.rsplit(" ", 1)
    return float(number.replace(",", "")) * 1024 ** UNITS.index(unit)


def test_three_digits() -> None:
    assert [size(n) for n in (0, 1023, 1024, 421_888, 20_995_829_760, 200 * GIB)] == [
        "0 bytes",
        "1,023 bytes",
        "1.0 KiB",
        "412 KiB",
        "19.55 GiB",
        "200 GiB",
    ]


def test_what_once_read_as_3_0_of_3_0() -> None:
    assert size_pair(3 * GIB - 30_000_000, 3 * GIB) == ("2.97 GiB", "3.00 GiB")
    assert size_pair(3 * GIB - 1_000_000, 3 * GIB) == ("2.999 GiB", "3.000 GiB")
    assert size_pair(3 * GIB - 1, 3 * GIB) == ("2.999999999 GiB", "3.000000000 GiB")
    assert size_pair(3 * GIB, 3 * GIB) == ("3.00 GiB", "3.00 GiB")
    assert size_pair(0, 3 * GIB) == ("0 bytes", "3.00 GiB")
    assert size_pair((1 << 30) - 1, 1 << 30) == ("0.999999999 GiB", "1.000000000 GiB"), (
        "and not 1,024 MiB of 1.00 GiB"
    )


@given(BYTES, BYTES)
@example(1023 * 1024 + 1023, 1 << 20)  # two units that would read alike
@example((1 << 60) - 1, 1 << 60)
def test_two_sizes_read_in_the_order_that_they_have(one: int, other: int) -> None:
    left, right = size_pair(one, other)
    assert (left == right) == (one == other)
    if one < other:
        assert value(left) < value(right) or left.endswith("bytes")


@given(BYTES, st.integers(1, 1 << 20))
def test_neighbours_too(one: int, more: int) -> None:
    left, right = size_pair(one, one + more)
    assert left != right
