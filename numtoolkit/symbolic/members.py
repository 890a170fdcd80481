"""Whether a declared scheme is a member of a family, and with which values of its parameters."""

from __future__ import annotations

from fractions import Fraction

from numtoolkit.declare.entries import Const, as_scalar, substitute, symbols
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Row
from numtoolkit.symbolic import stiff
from numtoolkit.symbolic.exponential_polynomials import laurent
from numtoolkit.symbolic.families import Family
from numtoolkit.symbolic.numbers import Ratio
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.verdict import SAMPLED

Weights = dict[tuple[str, str, Fraction, int], Fraction]  # (row, evaluation, c, k): the coefficient of exp(c z) z^k


def weights_of(scheme: Scheme) -> Weights | None:
    """The weights of a scheme's inner step, parameters at their values and step ratios at those of `SAMPLED`.

    returns   None if they are not rational
    """
    bound = scheme.bind(**scheme.parameters())
    own = stiff.StiffConditions(bound, highest=2)
    at = {name: SAMPLED.get(name, Fraction(1)) for name in own.field.names}
    found: Weights = {}
    for row in _rows(bound):
        for source, entry in row.terms:
            for exponents, value in own.read(entry, "z1").items():
                c = own.field.at(dict(exponents).get("z1", Fraction(0)), at)
                if not isinstance(c, Fraction) or not isinstance(value, Ratio):
                    return None
                for power, part in laurent(value, own.field, "z1").items():
                    found[row.name, source, c, power] = own.field.at(part, at)
    return found


def coefficients(own: Family, scheme: Scheme) -> dict[str, Fraction] | None:
    """The values of a family's unknowns and generic parameters that a scheme has, if it has the same evaluations."""
    weights = weights_of(scheme)
    at = {row.name: row.at for row in _rows(scheme.bind(**scheme.parameters()))}
    point: dict[str, Fraction] = {}
    if weights is None:
        return None
    for row in _rows(own):
        c = at.get(row.name)
        if not isinstance(c, Const):
            return None
        if symbols(row.at):
            point[str(row.at)] = c.value
    for part in own.parts:
        d = as_scalar(substitute(part.c, point))
        assert isinstance(d, Const)
        key = (part.row, part.source, d.value if part.k else Fraction(0), -part.k)
        point[part.unknown] = weights.get(key, Fraction(0)) * d.value**part.k
    return point


def _rows(scheme: Scheme) -> list[Row]:
    return [item for item in StepInClock(scheme).step.items if isinstance(item, Row)]
