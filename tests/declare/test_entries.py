"""The two readers of the entry language agree, for every entry of every scheme, on every process."""

from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.declare.entries import (
    At,
    Const,
    L,
    integral,
    lagrange,
    number,
    rescale,
    substitute,
    symbol,
    symbols,
    walk,
)
from numtoolkit.problem.clocks import ANGLE
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.processes import PROCESSES
from numtoolkit.program.evaluator import Evaluator
from numtoolkit.program.program import problem_of, step_quantities
from numtoolkit.schemes import catalogue
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import SeriesExpansion
from tests.support.tiers import breadth

ORDER = 4
CASES = [(scheme, name) for scheme in catalogue() for name in scheme.processes]
TIMES = {"vp": 0.5, "vp-cosine": 0.5, "edm": 2.0, "flow": 0.6, "psld": 0.4, "cld": 0.4}


def jets(problem, name, t, degree):
    """Taylor coefficients of an operator in the clock at time t, from a Chebyshev fit over a short window."""
    u0 = float(problem.u(np.array([t]))[0])
    width = 0.1 * max(abs(u0), 0.5)
    if problem.clock is ANGLE:  # it ends at a right angle
        width = min(width, (np.pi / 2 - abs(u0)) / 2)
    nodes = np.cos(np.pi * (np.arange(25) + 0.5) / 25)
    values = problem.operator(OPERATORS[name], problem.t(u0 + width * nodes))
    flat = values.reshape(len(nodes), -1)
    fit = np.polynomial.chebyshev.chebfit(nodes, flat, 24)
    taylor = [np.polynomial.chebyshev.cheb2poly(column) for column in fit.T]
    return [
        np.array([c[j] if j < len(c) else 0.0 for c in taylor]).reshape(values.shape[1:]) / width**j
        for j in range(degree)
    ]


class Words:
    """Series over words as numbers: letters are the problem's jets times powers of h."""

    def __init__(self, problem, t, h):
        self.problem, self.t, self.h, self.known = problem, t, h, {}

    def letter(self, letter):
        name, row, jet = letter
        if name not in self.known:
            self.known[name] = jets(self.problem, name, self.t, ORDER + 1)
        block = self.known[name][jet] * self.h ** (jet + 1)
        if not row:
            return block
        kept = np.zeros_like(block)
        i = self.problem.process.rows.index(row)
        kept[i] = block[i]
        return kept

    def word(self, word):
        result = np.eye(self.problem.process.blocks)
        for letter in word:
            result = result @ self.letter(letter)
        return result


def numbers(layout, scheme, process, t, h):
    """A grid around t with equal steps in the clock and five steps of history, and the symbols' values there."""
    problem = problem_of(scheme, process)
    u = problem.u(np.array([t]))[0]
    times = problem.t(u + h * np.arange(-5, 2))
    index = np.array([5])
    values = scheme.parameters()
    quantities = step_quantities(scheme, problem, times, index, values)
    churn = {"a": 1 / 3} if "a" in quantities else {}  # a window that shrinks with the step
    return problem, times, index, values | quantities | churn


@pytest.mark.parametrize(("scheme", "name"), breadth(CASES), ids=lambda x: getattr(x, "name", x))
def test_exact_and_float_readers_agree_on_every_entry(scheme, name):
    """What is proved is what runs: the exact series and the float64 value of an entry differ by O(h^5) alone."""
    process = PROCESSES[name]()
    errors = {}
    for h in (0.02, 0.01):
        for layout in scheme.steps.distinct:
            problem, times, index, values = numbers(layout, scheme, process, TIMES[name], h)
            reader = Evaluator(problem, times, index, values)
            words = Words(problem, float(times[5]), float(reader.h[0]))
            exact = {key: Const(Fraction(str(float(np.ravel(v)[0])))) for key, v in values.items()}
            for where, entry in layout.entries():
                plain = substitute(entry, exact)
                reading = SeriesExpansion(Field(), ORDER)
                value = reader.block(entry)[0]
                if where.startswith("cov"):
                    series = sum(
                        float(c) * words.word(u) @ words.letter(g) @ words.word(v).T
                        for (u, g, v), c in reading.covariance(plain).items()
                    )  # fmt: skip
                    if any(row for n in walk(entry) for _, _, row in getattr(n, "terms", ())):
                        series = np.diag(np.diag(series))  # a row of a diagonal rate
                else:
                    series = sum(float(c) * words.word(w) for w, c in reading.read(plain).items())
                errors.setdefault((id(layout), where), []).append(float(np.abs(value - series).max()))
    for (_, where), (coarse, fine) in errors.items():
        # the first dropped words weigh ORDER + 1 = 5, so halving h divides by 32; the floor is that of the fitted jets
        assert fine < max(coarse / 24, 1e-11), f"{where}: {coarse:.2e} -> {fine:.2e}"


def test_lagrange_polynomials_reproduce_polynomials():
    """Interpolation at 0, -r0 and 1 is exact for degrees 0, 1 and 2, with the ratio as a symbol."""
    r = symbol("r0")
    nodes = (0, -r, 1)
    for power in range(3):
        for at in (number("1/3"), number("-2/7")):
            total = sum(
                (sum((w * at**j for j, w in enumerate(poly)), start=number(0)) * _power(node, power)
                 for node, poly in zip(nodes, lagrange(nodes), strict=True)),
                start=number(0),
            )  # fmt: skip
            field = Field(["r0"])
            assert field.scalar(total) == field.scalar(at**power if power else number(1))


def _power(node, power):
    node = node if not isinstance(node, int) else number(node)
    return node**power if power else number(1)


def test_a_reframed_integral_is_the_integral_over_the_moved_window():
    """`rescale` to a window of half the length halves the integral, which is h times the clock."""
    entry = integral(0, 1, (1, 2, 3))
    moved = rescale(entry, number("-1/2"), number("1/2"))
    field = Field()
    # with L = 0 and N constant: 1/2 int_0^1 (1 + 2c + 3c^2) dc, the half from the clock of the longer step
    reading = SeriesExpansion(field, 1, absent=("L",), steady=("N",))
    assert list(reading.read(entry).values()) == [3]
    assert list(reading.read(moved).values()) == [number("3/2").value]


def test_an_entry_knows_the_names_of_its_scalars():
    """`symbols` gives every name an entry depends on, and numbers have none."""
    assert symbols(symbol("c2") / 2 + symbol("r0") * 0.1) == {"c2", "r0"}


def test_a_kick_of_a_part_of_a_step_is_of_its_length():
    """h X(c) of the step that lies from 1/2 to 3/4 of another is a quarter of that one's h X(1/2 + c/4)."""
    own = At(L, number("1/3"))
    assert rescale(own, Fraction(1, 2), Fraction(1, 4)) == Fraction(1, 4) * At(L, number("7/12"))
