"""The stationary law of a splitting of Langevin's equation in a harmonic well, exact in the length of the step.

    dq = p dt,      dp = -omega^2 q dt - gamma p dt + sqrt(2 gamma T) dW,      unit mass

with the flows A of dq = p dt, B of dp = -omega^2 q dt and O of the rest, exact in law. In units where omega = T = 1 a
step of length h is the affine map of x = omega h and e = exp(-gamma h / n), n a whole number by which every length of O
is one of e, so that its stationary covariance P = R P R' + Q lies in the rational functions of x and e: three linear
equations (Leimkuhler & Matthews 2013, Rational construction of stochastic numerical methods for molecular sampling;
the exact law is N(0, I)).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import cached_property
from math import factorial, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.declare.entries import Const
from numtoolkit.errors import InputError, brief, real, several, whole
from numtoolkit.symbolic.condition import aligned, weighted
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.splittings import Splitting, is_splitting, splitting

LETTERS = {"A": "the flow of the position", "B": "the kick of the force", "O": "the damping with its noise"}
STEP, DAMPED, RATE = "x", "e", "g"  # omega h, exp(-gamma h / n), gamma / omega
PLACES = {"qq": (0, 0), "qp": (0, 1), "pp": (1, 1)}
HIGHEST = 12  # power of h to which a bias is expanded
MOST_ROOT = 64  # the largest n
MOST_STEPS = 10**6
LARGEST = 1e6  # of omega h and gamma / omega
HEADS = {"qq": r"\omega^2\langle q^2\rangle/T", "qp": r"\omega\langle qp\rangle/T", "pp": r"\langle p^2\rangle/T"}
Block = list[list[Any]]  # 2 x 2


@dataclass(frozen=True)
class StationaryBias:
    """The law that the steps of a splitting leave as it is: N(0, P) where they are stable, N(0, I) being the exact one.

    word     of the splitting, flows in turn
    root     n of e = exp(-gamma h / n)
    entries  qq, qp, pp of P: omega^2 <q q>/T, omega <q p>/T and <p p>/T as elements of the field, in x and e
    map      R and Q of a step z' = R z + N(0, Q), z = (omega q, p) over sqrt(T), likewise
    """

    word: str
    root: int
    entries: dict[str, Any] = dataclass_field(repr=False)
    map: tuple[Block, Block] = dataclass_field(repr=False)
    field: Field = dataclass_field(repr=False, compare=False)

    def __repr__(self) -> str:
        bias = "no bias" if self.order is None else f"bias h^{self.order}"
        return f"<StationaryBias of {brief(self.word, 100)}: {bias}>"

    def expression(self, name: str) -> Any:
        """An entry qq, qp or pp of P as a factored sympy expression in x and e."""
        import sympy

        return sympy.factor(self.field.expression(self.entries[_place(name)]))

    @property
    def covariance(self) -> Any:
        """P as a sympy matrix (2, 2) in x and e, its rows omega q and p over sqrt(T)."""
        import sympy

        qq, qp, pp = map(self.expression, PLACES)
        return sympy.Matrix([[qq, qp], [qp, pp]])

    @property
    def characteristic(self) -> tuple[Any, Any]:
        """Trace and determinant of R as sympy expressions in x and e: all that a run of n steps knows of n.

        R^n = s_n R - det s_(n-1) I with s_0 = 0, s_1 = 1 and s_(n+1) = trace s_n - det s_(n-1). The determinant is
        exp(-gamma h) for every word, so areas of phase space shrink as they should.
        """
        import sympy

        (a, b), (c, d) = self.map[0]
        found = (sympy.factor(self.field.expression(value)) for value in (a + d, a * d - b * c))
        return next(found), next(found)

    def exact(self, name: str) -> bool:
        """Whether an entry qq, qp or pp is that of the exact law for every h and gamma."""
        return bool(self.entries[_place(name)] == (0 if name == "qp" else 1))

    def series(self, name: str, order: int = 4) -> list[Any]:
        """The bias of an entry by powers of h: coefficients of x^0, ..., x^order as sympy expressions in g.

        name, order   qq, qp or pp, and the highest power, 0 to 12; g is gamma / omega
        """
        return [self._expanded.expression(c) for c in self._powers(_place(name), whole("order", order, 0, HIGHEST))]

    @cached_property
    def _expanded(self) -> Field:
        return Field({STEP, RATE})

    def _powers(self, name: str, order: int) -> list[Any]:
        value, exact = self.entries[name], 0 if name == "qp" else 1
        top, bottom = (self._in_time(part, order) for part in (value.top, value.bottom))
        assert self._expanded.powers(bottom, STEP, 1)[0]  # else the quotient were known to fewer powers
        series = self._expanded.powers(top / bottom, STEP, order + 1)
        return [series[0] - exact, *series[1:]]

    def _in_time(self, polynomial: Any, order: int) -> Any:
        """A polynomial in x and e with e = exp(-g x / n), to x^order."""
        field = self._expanded
        x, fall = field.symbols[STEP], -field.symbols[STEP] * field.symbols[RATE] / self.root
        names = self.field.variables
        powers: dict[int, dict[int, int]] = {}
        for exponents, c in polynomial.to_dict().items():
            own = dict(zip(names, map(int, exponents), strict=True))
            powers.setdefault(own[DAMPED], {})[own[STEP]] = int(c)
        total = field.number(0)
        for power, factors in powers.items():
            rest = sum((x**j * c for j, c in factors.items()), start=field.number(0))
            flow = [(fall * power) ** k * Fraction(1, factorial(k)) for k in range(1, order + 1)]
            total = total + rest * sum(flow, start=field.number(1))
        return sum((c * x**k for k, c in enumerate(field.powers(total, STEP, order + 1))), start=field.number(0))

    @cached_property
    def order(self) -> int | None:
        """The power of h that the bias begins with; None where there is none to h^12."""
        for most in (4, HIGHEST):
            series = [self._powers(name, most) for name in PLACES]
            found = next((k for k in range(most + 1) if any(own[k] for own in series)), None)
            if found is not None:
                return found
        return None

    # at numbers

    def at(self, x: float, rate: float) -> NDArray[np.float64]:
        """P (2, 2) in float64 at x = omega h and rate = gamma / omega.

        raises   InputError where the steps are not stable, so that no law is theirs
        """
        R, Q = self._numbers(x, rate)
        if not np.abs(np.linalg.eigvals(R)).max() < 1:
            raise InputError(
                f"steps of {self.word!r} at omega h = {x} and gamma / omega = {rate} are not stable; take shorter ones."
            )
        found = np.linalg.solve(np.eye(4) - np.kron(R, R), Q.ravel())
        return np.asarray(found.reshape(2, 2))

    def after(
        self, steps: int, x: float, rate: float, start: Sequence[Sequence[float]] = ((0, 0), (0, 0))
    ) -> NDArray[np.float64]:
        """The covariance (2, 2) after some steps: P + R^steps (start - P) R'^steps, the bias of a run that ends.

        steps, x, rate   how many, omega h and gamma / omega
        start            the covariance before the first one
        raises           InputError as `at`
        """
        count, P = whole("steps", steps, 0, MOST_STEPS), self.at(x, rate)
        rows = [[real("start", value) for value in several("start", row)] for row in several("start", start)]
        if [len(row) for row in rows] != [2, 2]:
            raise InputError(f"start = {start!r} is no covariance (2, 2); give one.")
        begin = np.array(rows)
        R = np.linalg.matrix_power(self._numbers(x, rate)[0], count)
        return P + R @ (begin - P) @ R.T

    def _numbers(self, x: float, rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        step, damping = real("x", x, 0, LARGEST), real("rate", rate, 0, LARGEST)
        at = {STEP: Fraction(step), DAMPED: Fraction(float(np.exp(-damping * step / self.root)))}
        R, Q = ([[float(self.field.at(c, at)) for c in row] for row in block] for block in self.map)
        return np.array(R), np.array(Q)

    # faces

    def table(self) -> list[dict[str, object]]:
        """Of each entry its value in x and e, whether it is exact, and its bias to h^4 in x and g."""
        import sympy

        x = sympy.Symbol(STEP)
        return [
            {
                "entry": name,
                "value": str(self.expression(name)),
                "exact": self.exact(name),
                "bias": str(sum((c * x**k for k, c in enumerate(self.series(name))), sympy.Integer(0))),
            }
            for name in PLACES
        ]

    def latex(self) -> str:
        """The entries as an aligned display in LaTeX's mathematics mode."""
        import sympy

        shown = {sympy.Symbol(DAMPED): r"\eta"}
        lines = [
            f"{head} &= {weighted(self.expression(name), '', shown).removeprefix('+ ')}" for name, head in HEADS.items()
        ]
        where = rf"x &= \omega h, \qquad \eta = e^{{-\gamma h/{self.root}}}"
        lines = [*lines, where]
        return aligned(f"{self.word}: stationary law in a harmonic well", lines)

    def _repr_latex_(self) -> str:
        return "$\\displaystyle\n" + self.latex().partition("\n")[2] + "\n$"


def stationary_bias(word: str | Splitting) -> StationaryBias:
    """The stationary law of a Langevin splitting in a harmonic well, in closed form.

    word     flows A (position), B (force) and O (damping with noise), the first one first: "B/2 A/2 O A/2 B/2", or
             "BAOAB", where the flows of a letter are of equal length; or a `Splitting`
    raises   InputError for another word, lengths of a letter that are no numbers or do not sum to 1, or a splitting
             that leaves no law as it is
    cost     10 ms; expansions 10 to 100 ms
    """
    own = _read(word)
    root = lcm(2, *(length.denominator for letter, length in own if letter == "O"))
    if root > MOST_ROOT:
        raise InputError(
            f"the lengths of O in {brief(str(word))!r} have the common denominator {root}; take one to {MOST_ROOT}."
        )
    field = Field({STEP, DAMPED})
    x, e = field.symbols[STEP], field.symbols[DAMPED]
    zero, one = field.number(0), field.number(1)
    R, Q = [[one, zero], [zero, one]], [[zero, zero], [zero, zero]]
    for letter, length in own:
        keep = e ** int(root * length) if letter == "O" else one
        flow = [[one, x * length if letter == "A" else zero], [-x * length if letter == "B" else zero, keep]]
        R, Q = _times(flow, R), _times(_times(flow, Q), _turned(flow))
        Q[1][1] = Q[1][1] + 1 - keep**2
    text = " ".join(
        letter if length == 1 else f"{letter}/{1 / length}" if length.numerator == 1 else f"{length}*{letter}"
        for letter, length in own
    )
    entries = _stationary(R, Q)
    if entries is None:
        raise InputError(f"the splitting {text!r} leaves no law as it is; put A, B and O into it.")
    return StationaryBias(text, root, dict(zip(PLACES, entries, strict=True)), (R, Q), field)


def _place(name: object) -> str:
    if not isinstance(name, str) or name not in PLACES:
        raise InputError(f"{name!r} is no entry of a stationary law; use qq, qp or pp.")
    return name


def _read(word: object) -> list[tuple[str, Fraction]]:
    """(letter, length) of each flow."""
    if isinstance(word, str) and word and set(word) <= LETTERS.keys():
        count = Counter(word)
        return [(letter, Fraction(1, count[letter])) for letter in word]
    if not isinstance(word, Splitting) and not is_splitting(word):
        raise InputError(
            f"{brief(repr(word))} is no splitting of Langevin's equation; write 'BAOAB' or 'B/2 A/2 O A/2 B/2'."
        )
    flows = (word if isinstance(word, Splitting) else splitting(str(word))).flows
    found: list[tuple[str, Fraction]] = []
    for flow in flows:
        if flow.letter not in LETTERS:
            known = ", ".join(f"{letter}, {what}" for letter, what in LETTERS.items())
            raise InputError(f"the letter {flow.letter} is no flow of Langevin's equation; use {known}.")
        if not isinstance(flow.length, Const) or flow.clock is not None:
            raise InputError(
                f"the flow {flow.letter} has a length {flow.length} or a time of its own; give a number without time."
            )
        found.append((flow.letter, flow.length.value))
    for letter in dict(found):
        total = sum(length for own, length in found if own == letter)
        if total != 1:
            raise InputError(f"the lengths of {letter} sum to {total}; let them sum to 1.")
    if any(letter == "O" and length < 0 for letter, length in found):
        raise InputError("a flow O of negative length draws no noise; give positive ones.")
    return found


def _stationary(R: Block, Q: Block) -> list[Any] | None:
    """qq, qp, pp of P = R P R' + Q, None where that has no one solution."""
    (a, b), (c, d) = R
    rows = [
        [1 - a * a, -2 * a * b, -b * b, Q[0][0]],
        [-a * c, 1 - a * d - b * c, -b * d, Q[0][1]],
        [-c * c, -2 * c * d, 1 - d * d, Q[1][1]],
    ]
    for i in range(3):
        pivot = next((j for j in range(i, 3) if rows[j][i]), None)
        if pivot is None:
            return None
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        rows = [
            row if j == i else [v - row[i] * w for v, w in zip(row, rows[i], strict=True)] for j, row in enumerate(rows)
        ]
    return [row[3] for row in rows]


def _times(left: Block, right: Block) -> Block:
    return [[row[0] * right[0][j] + row[1] * right[1][j] for j in range(2)] for row in left]


def _turned(block: Block) -> Block:
    return [list(column) for column in zip(*block, strict=True)]
