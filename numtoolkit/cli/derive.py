"""`derive`: the schemes of a family that have an order."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numtoolkit import printing
from numtoolkit.cli.output import Command, add_json, destination, listed, note, number, report, width, wrapped
from numtoolkit.cli.output import grid as table
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.scheme_file import FORMAT as SCHEME
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.declare.steps import Steps
from numtoolkit.errors import InputError, counted
from numtoolkit.files.storage import read_npz
from numtoolkit.spec_text import parse

if TYPE_CHECKING:
    from numtoolkit.symbolic.compositions import Composition
    from numtoolkit.symbolic.derivation import Branch, Derivation
    from numtoolkit.symbolic.palindromes import PalindromeBranch

OPTIMAL, EIGENVALUES = "optimal", "eigenvalues"  # a family of polynomials, and what a file of its spectrum holds


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "family",
        metavar="FAMILY",
        help="a name with parameters, 'exponential-rk(stages=3)', a palindrome, 'A B A B A', or "
        "'optimal(real, stages=5)', with imaginary or an .npz of eigenvalues for real: that of the longest stable step",
    )
    parser.add_argument("--order", metavar="P", required=True, help="the order that is asked for")
    parser.add_argument("--kind", metavar="K", default="", help="of order, as claims name it, by default classical")
    parser.add_argument("--branch", metavar="N", help="which branch of several, by default all of them, of a file 1")
    parser.add_argument("--set", metavar="NAME=VALUE,...", dest="values", help="numbers for some of its parameters")
    parser.add_argument("--latex", action="store_true", help="the weights as LaTeX")
    parser.add_argument("--out", metavar="FILE", help="also write a scheme, .json: a scheme to every other command")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.symbolic.derivation import derive
    from numtoolkit.symbolic.palindromes import Palindrome

    path = None if arguments.out is None else destination(arguments.out, (".json",), (SCHEME,))
    given = _values(arguments.values)
    if arguments.family.strip().lower().startswith(OPTIMAL):
        return _optimal(arguments, path)
    found = derive(arguments.family, number(arguments.order, "--order", 1, 7), arguments.kind)
    if isinstance(found.family, Palindrome):
        lines = [line for branch in found.splittings for line in _lengths(branch)]
        lines += [line for own in found.compositions for line in _composition(own)]
        if path is not None and lines:
            note(f"wrote {write_scheme(path, _splitting(found, arguments.branch, given))}")
    else:
        lines = _tableaus(found.schemes, arguments.branch, given, path)
    if path is not None and not lines:
        raise InputError(f"there is no scheme to write: {_none(found)}")
    lines = lines or wrapped(_none(found))
    report(arguments, found.record(), lambda: found.latex() if arguments.latex else "\n".join(lines))
    return 0


def _optimal(arguments: argparse.Namespace, path: Path | None) -> int:
    """The polynomial with the longest stable step, and its scheme, to a file where --out says so."""
    from numtoolkit.symbolic.optimal_stability import HIGHEST, optimal_stability_polynomial

    for option in ("branch", "values", "kind"):
        if getattr(arguments, option):
            raise InputError(f"--{option.replace('values', 'set')} is of families of weights; leave it out.")

    def optimal(spectrum: str, stages: int) -> None:
        """The signature of the family."""

    spec = parse(arguments.family)
    chosen: dict[str, Any] = spec.arguments(inspect.signature(optimal), spec.name)
    if chosen.keys() != {"spectrum", "stages"}:
        raise InputError(f"{spec.name} is of a spectrum and stages; write {OPTIMAL}(real, stages=5).")
    spectrum = chosen["spectrum"]
    if spectrum.lower().endswith(".npz"):
        arrays = read_npz(spectrum)
        if set(arrays) != {EIGENVALUES}:
            raise InputError(f"{spectrum!r} holds {', '.join(arrays) or 'nothing'}; give an array {EIGENVALUES}.")
        spectrum = arrays[EIGENVALUES].ravel()
    order = number(arguments.order, "--order", 1, HIGHEST)
    found = optimal_stability_polynomial(spectrum, chosen["stages"], order)
    head = f"{arguments.family}, order {order}: stable to h = {float(found.h):.10g}"
    head += f", |R| <= 1 + {float(found.excess):.1g}" if found.excess else ""
    if path is not None:
        note(f"wrote {write_scheme(path, found.scheme())}")
    exact = {"h": str(found.h), "excess": str(found.excess), "coefficients": list(map(str, found.coefficients))}
    record = {"family": arguments.family, "order": order, **exact}
    report(arguments, record, lambda: found.latex() if arguments.latex else f"{head}\n\n{table(found.table())}")
    return 0


def _tableaus(
    branches: Sequence[Branch], chosen: str | None, given: dict[str, Fraction], path: Path | None
) -> list[str]:
    """What is said of each branch, or of the chosen one, and its scheme, the first of which goes to a file."""
    if chosen is not None and branches:
        branches = [branches[number(chosen, "--branch", 1, len(branches)) - 1]]
    lines: list[str] = []
    for i, branch in enumerate(branches, 1):
        scheme = branch.at(given)
        title = f"branch {i} of {len(branches)}: " if branches[1:] else ""
        lines += [] if i == 1 else [""]
        lines += [*wrapped(title + _described(branch, given)), "", printing.text(_alone(scheme), width=width())]
        if path is not None and i == 1:
            note(f"wrote {write_scheme(path, scheme)}")
    return lines


def _values(text: str | None) -> dict[str, Fraction]:
    """What --set gives."""
    given: dict[str, Fraction] = {}
    for part in () if text is None else listed(text, "--set"):
        spec = parse(f"set({part})")
        if len(spec.named) != 1 or not isinstance(spec.named[0][1], Fraction):
            raise InputError(f"cannot read {part!r} of --set; write c2=1/3,b3_2=0.")
        given |= dict([spec.named[0]])  # type: ignore[list-item]
    return given


def _none(found: Derivation) -> str:
    """Why there is no member."""
    asked = f"{found.kind.replace('_', ' ')} order {found.order}"
    assert found.witness is not None
    return (
        f"no scheme of {found.family.spec} has {asked}: where its other conditions hold, {found.witness.tree} is "
        f"{found.witness.value} and not 0."
    )


def _described(branch: Branch, given: dict[str, Fraction]) -> str:
    """What is free in a branch, and what it leaves out."""
    free = [name for name in branch.free if name not in given]
    asked = f"{branch.family.spec}, {branch.kind.replace('_', ' ')} order {branch.order}"
    parts = [f"{asked}: {counted(len(free), 'free parameter')}{(free and ' ' + ', '.join(free)) or ''}"]
    parts += [f"not 0: {', '.join(map(str, branch.nonzero))}"] if branch.nonzero else []
    return "; ".join(parts)


def _lengths(branch: PalindromeBranch) -> Iterator[str]:
    """The lengths of the flows of palindromes, and numbers where they have no free parameter."""
    yield f"{branch.family.word}, order {branch.order}: {counted(branch.dimension, 'free parameter')}"
    yield from (f"  {name} = {value}" for name, value in sorted(branch.values.items()))
    yield from (f"  0 = {binding.as_expr()}" for binding in branch.open)
    for point in [] if branch.dimension else branch.points():
        yield "  " + ", ".join(f"{name} = {float(own.centre):.15g}" for name, own in point.items())


def _composition(own: Composition) -> list[str]:
    """A splitting of order 6: what is left of order 7, and its lengths."""
    lengths = ", ".join(f"{name} = {float(length.centre):.15g}" for name, length in own.lengths.items())
    return [f"{own.family.word}, order {own.order}: the norm of its error is {own.norm:.6g}", f"  {lengths}"]


def _splitting(found: Derivation, chosen: str | None, given: dict[str, Fraction]) -> Scheme:
    """The scheme of one branch; of one with a free length that is not given, that of least error."""
    place = number(chosen or "1", "--branch", 1, len(found.branches)) - 1
    if found.splittings:
        own, lengths = found.splittings[place], dict[str, Any](given)
        return own.scheme(**lengths) if given or not own.dimension else found.least_error().scheme()
    if given:
        raise InputError(f"{found.family.spec} of order {found.order} has no free lengths; leave out --set.")
    return found.compositions[place].scheme()


def _alone(scheme: Scheme) -> Scheme:
    """A one-step scheme without what fills a budget, which is no part of what was derived."""
    return scheme if scheme.steps.inner.needs else replace(scheme, steps=Steps(scheme.steps.inner))


DERIVE = Command(
    "derive", "The schemes of a family that have an order, or the condition in their way.", _arguments, _run
)
