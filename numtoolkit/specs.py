"""The small grammar of names with parameters, NAME or NAME(value, key=value, ...): parsed, never evaluated.

Values are integers, rationals (1/3), decimals (0.25, 1e-3, kept exact), words (bh2) and tuples of them ((0.5, 1)).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from numtoolkit.errors import InputError

Value = Fraction | str | tuple["Value", ...]

_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.+-]*)\s*(?:\((.*)\)\s*)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d{1,40}(/\d{1,40}|(\.\d{0,40})?([eE][+-]?\d{1,3})?)|[+-]?\.\d{1,40}([eE][+-]?\d{1,3})?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Spec:
    """A parsed name with its positional and named values."""

    name: str
    positional: tuple[Value, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()

    def exact(self, order: Sequence[str], owner: str) -> dict[str, Fraction]:
        """The values as exact numbers, positional ones matched to the names in `order`."""
        if len(self.positional) > len(order):
            raise InputError(f"{owner} takes {len(order)} parameters, got {len(self.positional)}; see `show {owner}`.")
        given = dict(zip(order, self.positional, strict=False))
        _merge(given, self.named, owner)
        for key, value in given.items():
            if not isinstance(value, Fraction):
                raise InputError(
                    f"{owner}: {key} = {show(value)} is not a number; give an integer, a rational or a decimal."
                )
        return given  # type: ignore[return-value]

    def arguments(self, signature: inspect.Signature, owner: str) -> dict[str, object]:
        """The values as keyword arguments of a function, converted to its annotated types (int, float, str, tuple)."""
        names = list(signature.parameters)
        if len(self.positional) > len(names):
            raise InputError(f"{owner} takes {len(names)} parameters, got {len(self.positional)}.")
        given = dict(zip(names, self.positional, strict=False))
        _merge(given, self.named, owner)
        result: dict[str, object] = {}
        for key, value in given.items():
            if key not in signature.parameters:
                has = f"it has {', '.join(names)}" if names else "it has none"
                raise InputError(f"{owner} has no parameter {key!r}; {has}.")
            result[key] = _convert(value, str(signature.parameters[key].annotation), f"{owner}: {key}")
        return result


def _merge(given: dict[str, Value], named: tuple[tuple[str, Value], ...], owner: str) -> None:
    for key, value in named:
        if key in given:
            raise InputError(f"{owner}: {key} is given twice; give it once.")
        given[key] = value


def _convert(value: Value, annotation: str, what: str) -> object:
    if "tuple" in annotation:
        return tuple(_convert(v, "float", what) for v in (value if isinstance(value, tuple) else (value,)))
    if isinstance(value, Fraction) and ("int" in annotation or "float" in annotation):
        if "float" in annotation:
            return float(value)
        if value.denominator == 1:
            return int(value)
        raise InputError(f"{what} = {value} is not an integer; give a whole number.")
    if isinstance(value, str) and "str" in annotation:
        return value
    wanted = "a word" if "str" in annotation else "a number"
    raise InputError(f"{what} = {show(value)} is not {wanted}; give one.")


def parse(text: str) -> Spec:
    """A Spec from text such as "mixture(dim=8, components=16, seed=0)".

    raises   InputError, quoting the text, for anything outside the grammar
    """
    match = _NAME.fullmatch(text) if len(text) < 10_000 else None
    if match is None:
        raise InputError(f"cannot read {text[:60]!r}; write NAME or NAME(value, key=value, ...).")
    positional: list[Value] = []
    named: list[tuple[str, Value]] = []
    for part in _split(match.group(2) or "", text):
        key, equals, value = part.partition("=")
        if equals:
            if not re.fullmatch(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*", key):
                raise InputError(f"cannot read the parameter name {key.strip()!r} in {text!r}; write key=value.")
            named.append((key.strip(), _value(value, text)))
        elif named:
            raise InputError(f"in {text!r} the unnamed value {part.strip()!r} follows a named one; name it too.")
        else:
            positional.append(_value(part, text))
    return Spec(match.group(1), tuple(positional), tuple(named))


def _split(body: str, text: str) -> list[str]:
    """The comma-separated parts of a body, commas inside parentheses kept."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(body):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        if char == "," and depth == 0:
            parts.append(body[start:i])
            start = i + 1
    if depth:
        raise InputError(f"the parentheses in {text!r} do not match; close each one.")
    return [*parts, body[start:]] if body.strip() else []


def _value(text: str, whole: str) -> Value:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        return tuple(_value(part, whole) for part in _split(text[1:-1], whole) if part.strip())
    if _NUMBER.fullmatch(text):
        try:
            return Fraction(text)
        except (ValueError, ZeroDivisionError):
            pass
    elif _WORD.fullmatch(text):
        return text
    raise InputError(f"cannot read the value {text!r} in {whole!r}; give an integer, 1/3, 0.25 or a word.")


def show(value: Value) -> str:
    """A value as the grammar writes it."""
    return "(" + ", ".join(map(show, value)) + ")" if isinstance(value, tuple) else str(value)
