"""Bytes as text."""

UNITS = ("bytes", "KiB", "MiB", "GiB")


def size(number: int) -> str:
    """Bytes in binary units, three digits: `19.55 GiB`, `412 KiB`."""
    unit = _unit(number)
    return _text(number, unit, _digits(number, unit))


def size_pair(one: int, other: int) -> tuple[str, str]:
    """Two sizes; near ones in one unit, with as many digits as it takes for two that differ to read differently."""
    if max(one, other) >= 2 * min(one, other):
        return size(one), size(other)
    unit = _unit(max(one, other))
    digits = _digits(max(one, other), unit)
    while one != other and _text(one, unit, digits) == _text(other, unit, digits):
        digits += 1
        if digits > 9:
            return f"{one:,} bytes", f"{other:,} bytes"
    return _text(one, unit, digits), _text(other, unit, digits)


def _unit(number: int) -> int:
    return next((power for power in range(len(UNITS)) if number < 1024 ** (power + 1)), len(UNITS) - 1)


def _digits(number: int, unit: int) -> int:
    if unit == 0 or number >= 100 * 1024**unit:
        return 0
    return 2 if UNITS[unit] == "GiB" else 1


def _text(number: int, unit: int, digits: int) -> str:
    return f"{number / 1024**unit:,.{digits}f} {UNITS[unit]}"
