"""The small grammar of names with parameters, NAME or NAME(value, key=value, ...): parsed, never evaluated.

Values are integers, rationals (1/3), decimals (0.25, 1e-3, kept exact), words (bh2), tuples of them ((0.5, 1)) and
paths of .npz files (runs/table.npz), without commas, parentheses and equals signs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from numtoolkit.errors import InputError, brief, counted, typed

Value = Fraction | str | tuple["Value", ...]

_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.+-]*)\s*(?:\((.*)\)\s*)?", re.DOTALL)
_NUMBER = re.compile(
    r"[+-]?[0-9]{1,40}(/[0-9]{1,40}|(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?)|[+-]?\.[0-9]{1,40}([eE][+-]?[0-9]{1,3})?"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
_FILE = re.compile(r"[^(),=]+\.npz", re.IGNORECASE)
_TRUTHS: dict[str | Fraction, bool] = {"true": True, "false": False, Fraction(1): True, Fraction(0): False}
LONGEST, DEEPEST = 1000, 8  # characters of a specification, nested parentheses
HUGE = 10**30  # numbers are below it, and above its inverse or 0: every one has a float64 to compute with


@dataclass(frozen=True)
class Spec:
    """A parsed name with its positional and named values."""

    name: str
    positional: tuple[Value, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()

    def exact(self, order: Sequence[str], owner: str) -> dict[str, Fraction]:
        """The values as exact numbers, positional ones matched to the names in `order`."""
        if len(self.positional) > len(order):
            most, has = counted(len(order), "parameter"), f"it has {', '.join(order)}" if order else "drop them"
            raise InputError(f"{owner} takes {most}, got {len(self.positional)}; {has}.")
        given = dict(zip(order, self.positional, strict=False))
        _merge(given, self.named, owner)
        for key, value in given.items():
            if not isinstance(value, Fraction):
                raise InputError(
                    f"{owner}: {key} = {show(value)} is not a number; give an integer, a rational or a decimal."
                )
        return given  # type: ignore[return-value]

    def arguments(self, signature: inspect.Signature, owner: str) -> dict[str, object]:
        """The values as keyword arguments of a function, converted to its annotated types.

        They are int, float, Fraction (kept exact), bool, str and tuple. A parameter without annotation has the type of
        its default; without either, whole numbers are int, others Fraction.
        """
        names = list(signature.parameters)
        unnamed = [name for name, p in signature.parameters.items() if p.kind is not p.KEYWORD_ONLY]
        if len(self.positional) > len(unnamed):
            most, has = counted(len(unnamed), "parameter"), f"it has {', '.join(unnamed)}" if unnamed else "drop them"
            raise InputError(f"{owner} takes {most}, got {len(self.positional)}; {has}.")
        given = dict(zip(unnamed, self.positional, strict=False))
        _merge(given, self.named, owner)
        result: dict[str, object] = {}
        for key, value in given.items():
            if key not in signature.parameters:
                has = f"it has {', '.join(names)}" if names else "it has none"
                raise InputError(f"{owner} has no parameter {key!r}; {has}.")
            result[key] = _convert(value, _annotation(signature.parameters[key]), f"{owner}: {key}")
        return result


def _merge(given: dict[str, Value], named: tuple[tuple[str, Value], ...], owner: str) -> None:
    for key, value in named:
        if key in given:
            raise InputError(f"{owner}: {key} is given twice; give it once.")
        given[key] = value


def _annotation(parameter: inspect.Parameter) -> str:
    """The type that a parameter takes, in words; "" where nothing says it."""
    if parameter.annotation is not parameter.empty:
        return str(parameter.annotation)
    return "" if parameter.default in (parameter.empty, None) else type(parameter.default).__name__


def _convert(value: Value, annotation: str, what: str) -> object:
    if annotation == "":
        return _as_written(value)
    if "tuple" in annotation:
        of = "int" if "int" in annotation and "float" not in annotation else "float"
        return tuple(_convert(v, of, what) for v in (value if isinstance(value, tuple) else (value,)))
    if "bool" in annotation and value in _TRUTHS:
        return _TRUTHS[value]  # type: ignore[index]  # a tuple of values is none of them
    if isinstance(value, Fraction) and "Fraction" in annotation:
        return value
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


def _as_written(value: Value) -> object:
    if isinstance(value, tuple):
        return tuple(map(_as_written, value))
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def hyphened(name: str) -> str:
    """A name as the tables have it: in lower case, with - where other libraries write _."""
    return name.lower().replace("_", "-")


def parse(text: str | Spec) -> Spec:
    """A Spec from text such as "mixture(dim=8, components=16, seed=0)", the name in either case; a Spec as it is.

    raises   InputError, quoting the text, for anything outside the grammar
    """
    if isinstance(text, Spec):
        return text
    if not isinstance(text, str):
        raise InputError(f"{text!r} is {typed(text)}; write NAME or NAME(value, key=value, ...) as text.")
    match = _NAME.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        raise InputError(f"cannot read {_quoted(text)}; write NAME or NAME(value, key=value, ...).")
    positional, named = values_in(match.group(2) or "", text)
    return Spec(match.group(1).lower(), positional, named)


def values_in(inside: str, text: str) -> tuple[tuple[Value, ...], tuple[tuple[str, Value], ...]]:
    """The positional and the named values that stand between the parentheses of a specification.

    inside   what stands there, "3, variant=bh1"; blank for no values
    text     the whole specification, which refusals quote
    raises   InputError for what is no value, and for an unnamed value behind a named one
    """
    positional: list[Value] = []
    named: list[tuple[str, Value]] = []
    for part in split(inside):
        key, equals, value = part.partition("=")
        if equals:
            if not re.fullmatch(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*", key):
                raise InputError(f"cannot read the parameter name {_quoted(key)} in {_quoted(text)}; write key=value.")
            named.append((key.strip(), _value(value, text)))
        elif named:
            raise InputError(f"in {_quoted(text)} the unnamed value {_quoted(part)} follows a named one; name it too.")
        else:
            positional.append(_value(part, text))
    return tuple(positional), tuple(named)


def split(text: str) -> list[str]:
    """The comma-separated parts of a text, commas inside parentheses kept; none if it is blank.

    raises   InputError for parentheses that do not match or are nested too deep
    """
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        if depth > DEEPEST:
            raise InputError(f"{_quoted(text)} has more than {DEEPEST} parentheses inside one another; write fewer.")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if depth:
        raise InputError(f"the parentheses in {_quoted(text)} do not match; close each one.")
    return [*parts, text[start:]] if text.strip() else []


def _value(text: str, whole: str) -> Value:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        return tuple(_value(part, whole) for part in split(text[1:-1]) if part.strip())
    if _WORD.fullmatch(text) or _FILE.fullmatch(text):
        return text
    if _NUMBER.fullmatch(text) and not re.fullmatch(r".*/0+", text):
        value = Fraction(text)
        if abs(value) < HUGE and (value == 0 or abs(value) * HUGE > 1):
            return value
        raise InputError(f"the value {text} in {_quoted(whole)} is out of range; give a size from 1e-30 to 1e30, or 0.")
    raise InputError(
        f"cannot read the value {_quoted(text)} in {_quoted(whole)}; give an integer, 1/3, 0.25 or a word."
    )


def _quoted(text: str) -> str:
    return repr(brief(text.strip()))


def show(value: Value) -> str:
    """A value as the grammar writes it."""
    return "(" + ", ".join(map(show, value)) + ")" if isinstance(value, tuple) else str(value)
