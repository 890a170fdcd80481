"""The stability theorem of conjugate steps (arXiv:2310.07894, Theorem 1 and its corollary), checked on a declared step.

A conjugate scheme integrates zhat = A z with A' = A W, W = L + B, by steps that hold the frozen quantity. Where that is
e = E z, a step of length h in the state's own coordinates is a matrix M, and in those of zhat, at any start of A,

    zhat' = A [Flow(W)^-1 M] A^-1 zhat,      Flow(W)^-1 M = I + h (N E - B) + O(h^2).

N E is (1/2) G G' C_out d eps/dz. The theorem takes the bracket for the step: it is stable where |1 + h l| <= 1 for
every eigenvalue l of N E - B, which are those of Lambda - U^-1 B U where N E = U Lambda U^-1. Words of the declaration
say to which power of h that is the step, and exact matrices what it does not say (`conjugate_limits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from typing import Any

import numpy as np

from numtoolkit.declare.entries import (
    NONE,
    ONE,
    ZERO,
    At,
    Entry,
    Flow,
    L,
    N,
    Op,
    Product,
    Sum,
    at,
)
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Eval, Noise, Row, Step
from numtoolkit.declare.walk import Values
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.problem.kinds import PHASE_SPACE
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.processes import PSLD
from numtoolkit.program.program import problem_of
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.condition import aligned, factored, weighted
from numtoolkit.symbolic.conjugate_limits import Counterexample, limits
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import Series, SeriesExpansion, Word, add, latex_letter, multiply, show_letter, weight
from numtoolkit.symbolic.steps_back import StepInClock, expansion_of, field_of

ORDER = 2  # power of h to which a step is read
NETWORK = "J"  # the letter of E
STATEMENT = (
    "To first order in h a step of zhat = A z is A [I + h (N E - B)] A^-1 zhat; with coefficients frozen at its start "
    "it is stable where |1 + h l| <= 1 for every eigenvalue l of N E - B, N E = (1/2) G G' C_out d eps/dz."
)


@dataclass(frozen=True)
class StabilityTheorem:
    """The theorem on one scheme.

    scheme      whose step it is
    B           the operator of its conjugation as text, "0" where there is none
    holds_to    the power of h to which the bracket is the step; None where it is to h^2, the highest that is read
    words       (word, its coefficients in Flow(W)^-1 M, in the theorem's bracket and in M), the lighter first
    matrix      N E - B in a phase space per unit of the clock, where beta = t = 1: a sympy matrix in the places k_xx,
                ... of N E; None for a scheme that does not run there
    """

    scheme: str
    B: str
    holds_to: int | None
    words: tuple[tuple[Word, Any, Any, Any], ...] = dataclass_field(repr=False)
    matrix: Any = dataclass_field(repr=False, compare=False)
    field: Field = dataclass_field(repr=False, compare=False)
    statement: str = dataclass_field(default=STATEMENT, repr=False)

    def __repr__(self) -> str:
        left = counted(sum(bool(step - own) for _, step, own, _ in self.words), "word")
        held = f"to h^{self.holds_to}, {left} of h^{self.holds_to + 1} left out" if self.holds_to else f"to h^{ORDER}"
        return f"<StabilityTheorem of {brief(self.scheme, 100)}, B = {brief(self.B, 100)}: {held}>"

    @property
    def counterexamples(self) -> tuple[Counterexample, ...]:
        """What the theorem does not say, each with exact matrices that show it."""
        return limits()

    @property
    def characteristic(self) -> Any:
        """det(l - (N E - B)) as a sympy polynomial in l."""
        import sympy

        return self._phase_space.charpoly(sympy.Symbol("l")).as_expr()

    @property
    def shift(self) -> Any:
        """lambda where eigenvalues of N E - B are those of N E less lambda, whatever N E is; None where they are not.

        So it is for B = lambda I, the corollary: stable to the least h = 2 / (|lb| + lambda) of the eigenvalues lb < 0
        of N E, if |lb| + lambda > 0, so that lambda > 0 makes the step shorter.
        """
        import sympy

        own = sympy.Matrix(2, 2, _places()) - self._phase_space
        shift = own[0, 0]
        return shift if sympy.simplify(own - shift * sympy.eye(2)) == sympy.zeros(2) else None

    @property
    def _phase_space(self) -> Any:
        if self.matrix is None:
            raise InputError(f"scheme {self.scheme} does not run in a phase space; take one that does.")
        return self.matrix

    def table(self) -> list[dict[str, object]]:
        """Power of h, word, and its coefficients: of zhat in the step and in the theorem, and of the state itself."""
        return [
            {"order": weight(word), "word": " ".join(map(show_letter, _named(word)))}
            | dict(zip(("step", "theorem", "state"), map(self.field.text, values), strict=True))
            for word, *values in self.words
        ]

    def latex(self) -> str:
        """The step in the coordinates of zhat to h^2, and the statement, as an aligned display in LaTeX."""
        import sympy

        lines = [r"A^{-1}\hat z' &= \bigl[\, I + h\,(N E - B) + \tfrac{h^2}{2}\,(\ldots) \bigr] A^{-1}\hat z"]
        left = " ".join(
            weighted(2 * factored(self.field, step - own), _latex(word), {sympy.Symbol("shift"): r"\lambda"})
            for word, step, own, _ in self.words
            if step - own
        )
        lines.append(rf"(\ldots) &= {left.removeprefix('+ ') or '0'}")
        lines.append(r"|1 + h\,l| &\le 1, \qquad \det\,(l\,I - N E + B) = 0")
        if self.matrix is not None and self.shift is not None:
            added = weighted(self.shift, "", {sympy.Symbol("shift"): r"\lambda"}) if self.shift else ""
            lines.append(rf"h &\le 2 \big/ \bigl(|\lambda_b| {added}\bigr), \qquad \lambda_b < 0")
        return aligned(f"{self.scheme}: stability of a conjugate step, B = {self.B}", lines)

    def _repr_latex_(self) -> str:
        return "$\\displaystyle\n" + self.latex().partition("\n")[2] + "\n$"


def conjugate_stability(scheme: str | Scheme = "conjugate-optimal") -> StabilityTheorem:
    """The stability theorem of conjugate steps on the inner step of a scheme: to which power of h it is the step.

    scheme   or its name, without history: one of the family conjugate, deterministic or not, whose words are those of
             its mean; or any other, for which B = 0. conjugate-optimal has a full matrix B of parameters
    returns  the statement with its limits, each an exact counterexample
    raises   InputError for a scheme with history, or whose step is not 1 + h (L + N E) to first order, as where noise
             is added back (churn, ancestral steps)
    cost     10 to 50 ms; no network calls
    """
    own = scheme_of(scheme).agreed.unfitted()
    if own.steps.inner.carry or own.steps.inner.needs:
        raise InputError(f"scheme {own.spec} carries evaluations between steps; take one without history.")
    frame = StepInClock(own)
    field = field_of(frame, 0)
    reading = expansion_of(own, field, ORDER)
    back = conjugation(frame.step)
    state = linear_step(frame.step, reading)
    step = multiply(reading.flow(reading.jets(L + back), field.number(1), field.number(0)), state, ORDER)
    theorem: Series = {(): field.number(1)}
    add(theorem, multiply(reading.read(at(N)), _network(reading, ZERO), ORDER))
    add(theorem, {word: -c for word, c in reading.read(at(back)).items()} if back.terms else {})
    every = sorted({*step, *theorem, *state} - {()}, key=lambda word: (weight(word), len(word), word))
    zero = field.number(0)
    words = tuple((word, *(own.get(word, zero) for own in (step, theorem, state))) for word in every)
    off = [weight(word) for word, there, here, _ in words if there - here]
    if step.get(()) != 1 or min(off, default=ORDER) < ORDER:
        raise InputError(
            f"a step of {own.spec} is not 1 + h (L + N E) to first order, as where noise is added; take one that is."
        )
    return StabilityTheorem(own.spec, str(back), ORDER - 1 if off else None, words, _matrix(own, back, field), field)


def conjugation(step: Step) -> Op:
    """B of a declared step: what its rows flow by beside the equation and take back by Euler, over the whole step.

    Rows Flow(X + B; a, b) (1 - (b - a) At(B)) y, as `numtoolkit.declare.forms` writes them; NONE where there is none.
    """
    found = NONE
    for row in step.items:
        for _, entry in row.terms if isinstance(row, Row) else ():
            if isinstance(entry, Product) and isinstance(entry.args[0], Flow) and isinstance(entry.args[-1], Sum):
                for length, block in _taken_back(entry.args[-1]):
                    if entry.args[0].L.terms[-len(block.terms) :] == block.terms:
                        found = found + length * block
    return _collected(found)


def _taken_back(factor: Sum) -> list[tuple[Entry, Op]]:
    """(c, X) of the terms -c At(X) of a factor 1 - c At(X) - ..."""
    found = []
    for arg in factor.args:
        scale, block = (arg.args[0], arg.args[-1]) if isinstance(arg, Product) and len(arg.args) == 2 else (ONE, arg)
        if isinstance(block, At):
            found.append((-scale, block.X))
    return found


def _collected(X: Op) -> Op:
    """Like terms of an operator added up; an operator of every row as the whole."""
    like: dict[tuple[Any, str], Entry] = {}
    for c, operator, row in X.terms:
        like[operator, row] = like.get((operator, row), ZERO) + c
    terms = []
    for (operator, row), c in like.items():
        whole = all(like.get((operator, each)) == c for each in PHASE_SPACE.rows)
        if not whole or row == PHASE_SPACE.rows[0]:
            terms.append((c, operator, "" if whole else row))
    return Op(tuple(terms))


# words


@dataclass(frozen=True)
class _Linear:
    """The algebra of a step whose network is linear: words that act on the state at its start."""

    reading: SeriesExpansion

    def begin(self, name: str) -> Series:
        return {(): self.reading.field.number(1)}

    def combine(self, row: Row, terms: Sequence[tuple[Entry, Series]]) -> Series:
        total: Series = {}
        for entry, value in terms:
            if value:
                add(total, multiply(self.reading.read(entry), value, self.reading.order))
        return total

    def evaluate(self, item: Eval, state: Series) -> Series:
        return multiply(_network(self.reading, item.network_time), state, self.reading.order)

    def draw(self, noise: Noise) -> Series:
        return {}


def _network(reading: SeriesExpansion, time: Entry) -> Series:
    """E at an abscissa, by its jets."""
    c = reading.field.scalar(time)
    jets = {((NETWORK, "", j),): c**j if j else reading.field.number(1) for j in range(reading.order + 1)}
    return {word: value for word, value in jets.items() if value}


def linear_step(step: Step, reading: SeriesExpansion) -> Series:
    """The words by which a step without history acts on the state where the network is E z, noises left out.

    step, reading   as a proof reads it, and the reader, in which E is a letter J of weight 0 and its jets weigh as such
    """
    return Values(step, _Linear(reading))[step.out]


def _named(word: Word) -> Word:
    """The word with the network's letter as people know it."""
    return tuple(("E" if name == NETWORK else name, row, jet) for name, row, jet in word)


def _latex(word: Word) -> str:
    known = {name: operator.latex or name for name, operator in OPERATORS.items()}
    return r"\,".join(latex_letter((known.get(name, name), row, jet)) for name, row, jet in _named(word))


# matrices


def _places() -> list[Any]:
    import sympy

    return [sympy.Symbol(f"k_{row}{column}") for row in PHASE_SPACE.rows for column in PHASE_SPACE.rows]


def _matrix(scheme: Scheme, back: Op, field: Field) -> Any:
    """N E - B of a phase space where beta and the time are 1: there operators are their bare matrices."""
    import sympy

    if PHASE_SPACE not in scheme.kinds:
        return None
    problem = problem_of(scheme, PSLD(beta_min=1, beta_max=1))
    total = sympy.Matrix(2, 2, _places())
    for c, operator, row in back.terms:
        block = operator.blocks(problem, np.ones(1))[0]
        rows = [
            [Fraction(float(v)) if row in ("", own) else 0 for v in line]
            for own, line in zip(PHASE_SPACE.rows, block, strict=True)
        ]
        total -= field.expression(field.scalar(c)) * sympy.Matrix(rows)
    return total
