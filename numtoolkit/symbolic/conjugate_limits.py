"""What the stability theorem of conjugate steps does not say, each limit with rational matrices that show it.

Brackets P = I + h (N E - B), A and W are those of `numtoolkit.symbolic.conjugate_stability`.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any


@dataclass(frozen=True)
class Counterexample:
    """Steps that the theorem calls stable, and what is not stable all the same, in rational numbers.

    limit     what the theorem does not say
    sentence  what the matrices are
    steps     brackets I + h (N E - B) of the theorem, sympy matrices
    witness   what is not stable, a sympy matrix
    measure   "radius", its spectral radius, or "norm", its spectral norm, which exceeds 1
    """

    limit: str
    sentence: str
    steps: tuple[Any, ...] = dataclass_field(repr=False)
    witness: Any = dataclass_field(repr=False)
    measure: str = "radius"

    @property
    def radii(self) -> tuple[Any, ...]:
        """The spectral radii of the steps, exact."""
        return tuple(map(_radius, self.steps))

    @property
    def size(self) -> Any:
        """That of the witness, exact: a sympy number above 1."""
        import sympy

        if self.measure == "norm":
            return sympy.sqrt(_radius(self.witness.T * self.witness))
        return _radius(self.witness)

    @property
    def holds(self) -> bool:
        """Whether every step is stable by the theorem, radius below 1, and the witness is not: decided exactly."""
        return all(bool(radius < 1) for radius in self.radii) and bool(self.size > 1)


def limits() -> tuple[Counterexample, ...]:
    """What the theorem does not say of a run, of the step itself, of a norm and of the state, in rational numbers.

    Brackets have N E = D S with D > 0 diagonal and S the Hessian of log p of a Gaussian law, as exact networks have.
    """
    import sympy

    half = sympy.Rational(1, 2)
    turned = sympy.Matrix([[-7, 24], [24, 7]]) / 50
    straight = sympy.diag(half, -half)
    shear = sympy.Matrix([[1, 10], [0, 1]])
    weak = sympy.Matrix([[40, 1], [1, sympy.Rational(1, 10)]]) / 80
    skew = sympy.eye(2) - sympy.diag(1, 400) * weak
    return (
        Counterexample(
            "it speaks of one step with frozen coefficients",
            "Two steps with h = 1 and symmetric N E, A = I at the first and the shear of W = [[0, 10], [0, 0]] at the "
            "second: A1 P1 A1^-1 A2 P2 A2^-1.",
            (turned, straight),
            turned * shear * straight * shear.inv(),
        ),
        Counterexample(
            "it takes h Phi' for the difference of Phi over the step",
            "W = 0, E = -1 and N = 1 + 6 s over the step s from 0 to h = 1: the bracket is 1 - N(0) = 0, the step "
            "1 - (the integral of N) = -3.",
            (sympy.Matrix([[0]]),),
            sympy.Matrix([[1 - (1 + 6 * half)]]),
        ),
        Counterexample(
            "it speaks of eigenvalues, which bound no norm where N E - B is not normal",
            "h = 1, B = 0, N E = D S with the noise D = diag(1, 400) and a negative definite S: one step may lengthen "
            "a state more than five times.",
            (skew,),
            skew,
            "norm",
        ),
        Counterexample(
            "it speaks of zhat, not of the state",
            "h = 1, symmetric N E, W = [[0, 10], [0, 0]]: in the state's own coordinates the same step is Flow(W) P, "
            "in which B is of second order in h.",
            (turned,),
            shear * turned,
        ),
    )


def _radius(matrix: Any) -> Any:
    """The spectral radius of a rational matrix, exact."""
    import sympy

    return sympy.Max(*map(sympy.Abs, matrix.eigenvals()))
