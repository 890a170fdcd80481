"""The order conditions of a scheme or a family, all of them to an order: those that hold and those that do not.

A family is a scheme some of whose numbers are parameters: its conditions are equations in them. They come from the
engines that prove orders, which look at the same lists from the lowest order up.

classical        rooted trees: exponential B-series with time-dependent blocks (`numtoolkit.symbolic.classical`)
stiff_strong     defects and trees of exponential schemes, a z for each edge (`numtoolkit.symbolic.stiff`)
stiff_commuting  the same in one z
stiff_weak       strong below the order, and of it those with psi_p and b at z = 0
sde_weak         words of mean and covariance, for affine scores (`numtoolkit.symbolic.weak`)
lie              Lyndon words of a splitting, the time as a letter (`numtoolkit.symbolic.splittings`)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from fractions import Fraction
from typing import Any, overload

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, choice, typed, whole
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic import classical, lyndon, weak
from numtoolkit.symbolic.condition import Condition, aligned, factored, record
from numtoolkit.symbolic.data_form import stiff_form
from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.noiseless import without_noise
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.splittings import Splitting, is_splitting, splitting, splitting_of
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import StiffConditions, in_phi_functions

GENERAL, AFFINE, EXACT = "every smooth law", "affine scores", "exact flows of its letters"


@dataclass(frozen=True)
class Conditions(Sequence[Condition]):
    """Every order condition to an order, lower orders first, whether it holds or not.

    scheme    whose they are, and kind, one of `KINDS`
    order     the highest that is asked for
    unknowns  the parameters, step ratios and step quantities that the values are functions of
    holds     for which laws they are the conditions
    field     of the values, or of the factors of the exponential polynomials that the values are
    variables z1, z2, ... of those, else none
    """

    scheme: str
    kind: str
    order: int
    unknowns: tuple[str, ...]
    holds: str
    items: tuple[Condition, ...] = dataclass_field(repr=False)
    field: Field = dataclass_field(repr=False, compare=False)
    variables: tuple[str, ...] = ()
    differs: Callable[[Any], bool] = dataclass_field(default=bool, repr=False, compare=False)

    def __repr__(self) -> str:
        of = f"{brief(self.scheme, 100)} to {self.kind.replace('_', ' ')} order {self.order}"
        return f"<Conditions of {of}: {len(self.items)}, {len(self.failing)} of them open>"

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, at: int) -> Condition: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Condition, ...]: ...
    def __getitem__(self, at: int | slice) -> Condition | tuple[Condition, ...]:
        return self.items[at]

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.items)

    @property
    def failing(self) -> tuple[Condition, ...]:
        """Those that do not hold identically, as far as the digits of the scheme's numbers say."""
        return tuple(condition for condition in self.items if self.differs(condition.value))

    def open(self) -> Conditions:
        """Those alone that do not hold."""
        return replace(self, items=self.failing)

    @property
    def met(self) -> int:
        """The order to which all hold."""
        return min((condition.order - 1 for condition in self.failing), default=self.order)

    def expression(self, condition: Condition) -> Any:
        """The value of one as a sympy expression, that of a stiff one in functions phi1, phi2, ... and exp."""
        if self.variables:
            return in_phi_functions(condition, self.field, self.variables)
        return factored(self.field, condition.value)

    def text(self, condition: Condition) -> str:
        """The value of one as text: "(3*c2 - 2)/12", "phi2(z1) - phi1(z1)/2"."""
        return str(self.expression(condition)) if self.variables else self.field.text(condition.value)

    def table(self) -> list[dict[str, object]]:
        """Order, tree and value of each."""
        return [record(c.order, c.tree, self.text(c)) for c in self.items]

    def latex(self) -> str:
        """The conditions as lines of an aligned display in LaTeX's mathematics mode: tree, and what must be 0."""
        import sympy

        def line(condition: Condition) -> str:
            value = re.sub(r"\\phi_\{(\d+)\}", r"\\varphi_{\1}", sympy.latex(self.expression(condition)))
            return rf"{condition.tex} &: & {value} &= 0"

        return aligned(f"{self.scheme}: {self.kind.replace('_', ' ')} order {self.order}", list(map(line, self.items)))

    def _repr_latex_(self) -> str:
        return "$\\displaystyle\n" + self.latex().partition("\n")[2] + "\n$"

    def python(self) -> str:
        """The source of a Python function `conditions` of z1, ... and the unknowns: the values that must be 0, listed.

        It is exact for `Fraction` arguments where no root, decimal and phi function occurs.
        """
        names = [re.sub("'", "_", name) for name in (*self.variables, *self.unknowns)]
        lines = [f"        {self._source(c)},  # {c.order}: {c.tree}" for c in self.items]
        doc = (
            f'    """{brief(self.scheme, 60)}: what must be 0 for {self.kind.replace("_", " ")} order {self.order}."""'
        )
        body = "\n".join(lines)
        used = [("from fractions import Fraction", "Fraction("), ("from math import sqrt", "sqrt("),
                ("from numtoolkit.phi_functions import phi", "phi(")]  # fmt: skip
        head = [own for own, mark in used if mark in body]
        code = [f"def conditions({', '.join(names)}):", doc, "    return [", *lines, "    ]"]
        return "\n".join([*head, *(["", ""] if head else []), *code]) + "\n"

    def _source(self, condition: Condition) -> str:
        if isinstance(condition.value, Interval):
            return repr(float(condition.value.centre))
        text = self.text(condition).replace("'", "_")
        if not self.variables:
            return re.sub(r"^(-?\d+)/(\d+)$", r"Fraction(\1, \2)", text)
        return re.sub(r"\bphi(\d+)\(", r"phi(\1, ", text).replace("exp(", "phi(0, ")


def conditions(
    scheme: Scheme | Splitting | str,
    order: int,
    kind: str = "classical",
    ratios: Mapping[str, Fraction] | None = None,
) -> Conditions:
    """Every order condition of a scheme's inner step to an order, whether it holds or not.

    scheme   or its name, with parameters that are not bound as unknowns; for kind lie also a splitting or its word,
             "a1*A b1*B a2*A" (`numtoolkit.symbolic.splittings.splitting`)
    order    to which they are listed
    kind     one of `KINDS`; a stochastic scheme whose parameters take its noise out has those of the flow
    ratios   for kind classical: values of step ratios that are no unknowns then
    raises   InputError for a kind that the scheme has none of, and for an order beyond what is analysed
    cost     0.01 to 1 s to order 5, minutes for some schemes with symbols at the highest orders; no network calls
    """
    choice("kind of conditions", kind, KINDS)
    if not (ratios is None or isinstance(ratios, Mapping)):
        raise InputError(f"ratios = {ratios!r} is {typed(ratios)}; give a mapping from ratios to rational numbers.")
    list_, highest = KINDS[kind]
    if whole("the order of conditions", order) > highest:
        name = kind.replace("_", " ")
        raise InputError(f"conditions of {name} order {order} are not analysed; ask for orders to {highest}.")
    if isinstance(scheme, Splitting) or is_splitting(scheme):
        own = scheme if isinstance(scheme, Splitting) else splitting(str(scheme))
        if kind != "lie":
            raise InputError(f"the splitting {own.name!r} has conditions of kind lie alone, not {kind}; ask for those.")
        return _lie(own, order)
    assert not isinstance(scheme, Splitting)
    found = scheme_of(scheme).agreed
    quiet = without_noise(found) if found.kind == "sde" and kind != "lie" else None
    return list_(quiet or found, order, ratios)


Ratios = Mapping[str, Fraction] | None


def _classical(scheme: Scheme, order: int, ratios: Ratios) -> Conditions:
    if scheme.kind != "ode":
        raise InputError(f"scheme {scheme.spec} draws noise; it has conditions of kind sde_weak, not classical.")
    field, found = classical.listed(StepInClock(scheme), order, ratios)
    return Conditions(scheme.spec, "classical", order, field.names, GENERAL, tuple(found), field, differs=field.surely)


def _stiff(kind: str) -> Callable[[Scheme, int, Ratios], Conditions]:
    def listed(scheme: Scheme, order: int, ratios: Ratios) -> Conditions:
        form = stiff_form(scheme)
        if form is None:
            raise InputError(
                f"scheme {scheme.spec} has no stiff order: its linear part is not exact over a step, or changes in its "
                "clock; ask for kind classical."
            )
        engine = StiffConditions(form, order)
        shared = kind == "stiff_commuting"
        found = [
            condition
            for p in range(1, order + 1)
            for condition in engine.listed(p, shared, weak=kind == "stiff_weak" and p == order)
            if condition.order <= order
        ]
        names = tuple(name for name in engine.field.names if name not in engine.variables)
        return Conditions(
            scheme.spec, kind, order, names, GENERAL, tuple(found), engine.field, engine.variables, engine.differs
        )

    return listed


def _sde(scheme: Scheme, order: int, ratios: Ratios) -> Conditions:
    if scheme.kind != "sde":
        raise InputError(f"scheme {scheme.spec} is deterministic; it has conditions of kind classical, not sde_weak.")
    field, found = weak.listed(StepInClock(scheme), order)
    holds = GENERAL if order == 1 else AFFINE
    return Conditions(scheme.spec, "sde_weak", order, field.names, holds, tuple(found), field, differs=field.surely)


def _of_splitting(scheme: Scheme, order: int, ratios: Ratios) -> Conditions:
    return _lie(splitting_of(scheme), order)


def _lie(own: Splitting, order: int) -> Conditions:
    """Lyndon words; of a splitting that is its own adjoint those of odd length, from which the others follow."""
    found = [
        Condition(n, "".join(word), own.defect(word), "".join(word))
        for n in range(1, order + 1)
        if n % 2 or not own.symmetric
        for word in lyndon.lyndon_words(own.letters, n)
    ]
    return Conditions(own.name, "lie", order, own.field.names, EXACT, tuple(found), own.field, differs=own.field.surely)


KINDS: dict[str, tuple[Callable[[Scheme, int, Ratios], Conditions], int]] = {
    "classical": (_classical, classical.HIGHEST_PLAIN),
    **{kind: (_stiff(kind), 8) for kind in ("stiff_strong", "stiff_commuting", "stiff_weak")},
    "sde_weak": (_sde, weak.HIGHEST),
    "lie": (_of_splitting, 10),
}
