"""Numbers as documents print them."""

from __future__ import annotations


def agrees_to_the_printed_digits(value: float, printed: str) -> bool:
    """Within 0.55 units of the last digit: the table was rounded twice, 0.70465 to 7.1e-1 and 0.15475 to 1.6e-1."""
    digits, exponent = printed.split("e")
    unit = 10.0 ** (int(exponent) - len(digits.partition(".")[2]))
    return abs(value - float(printed)) <= 0.55 * unit
