"""The error constant of a scheme: the size of its leading local error, one number to choose between schemes by."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from numtoolkit.declare.scheme import Scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.weak import defects, weak_order


@dataclass(frozen=True)
class ErrorConstant:
    """The local error is of h^order, its norm there the square root of `square`.

    The square is exact, but to 30 digits where square roots among the coefficients make it irrational.
    """

    order: int
    square: Fraction

    def __repr__(self) -> str:
        return f"<ErrorConstant {self.value:.4g} h^{self.order}>"

    @property
    def value(self) -> float:
        """The norm itself, to rounding."""
        return float(self.square) ** 0.5


def error_constant(scheme: Scheme) -> ErrorConstant | None:
    """Euclidean norm of the residuals of the first order that a step misses, numerical minus exact.

    They are taken at equal steps (every step ratio 1), bound or default parameters and fitted coefficients 0. Of a
    deterministic scheme they are those of its trees: the principal error norm of Hairer, Norsett & Wanner 1993, II.3,
    with the time derivatives and the blocks as trees of their own. Of a stochastic one they are those of mean and
    covariance on affine scores. 0 says that the order is higher where steps are equal. Norms compare schemes that
    freeze the same quantity in the same clock: on others the trees stand for other derivatives. Numbers known to some
    digits are taken at their centres.

    returns  None for a scheme with a coefficient that only a grid gives
    cost     that of the order: 0.01 to 1 s, no network calls
    """
    from sympy import Integer

    bound = scheme.agreed.unfitted()
    bound = bound.bind(**bound.parameters())
    if bound.of_grid:
        return None
    if bound.kind == "ode":
        classical = order(bound)
        p, field, residuals = classical.p, classical.field, list(classical.residuals.values())
    else:
        p = weak_order(bound).weak
        field, mean, covariance, _ = defects(StepInClock(bound), p + 1)
        residuals = [*mean.values(), *covariance.values()]
    equal = dict.fromkeys(field.names, 1)
    square = sum((field.expression(value).subs(equal) ** 2 for value in residuals), start=Integer(0)).expand()
    return ErrorConstant(p + 1, Fraction(str(square if square.is_Rational else square.evalf(30))))
