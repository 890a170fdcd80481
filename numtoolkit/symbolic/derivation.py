"""Schemes from their order conditions: every member of a family that has an order, or the condition that none meets.

    derive(exponential_rk(2), 2, "stiff_strong").branches[0].scheme(c2="1/3")

The conditions are polynomials in the unknowns of the family. Those of exponential schemes are functions of z: as the
functions exp(c z) z^-k with different c and k are independent, each coefficient has to vanish by itself, and phi_k by
phi_k the weights solve a linear system (Hochbruck & Ostermann 2005, section 4). Branches divide what is left.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from numtoolkit.declare.entries import ZERO, Const, Entry, Scalarlike, as_scalar, substitute, symbols
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.declare.steps import Row, Step
from numtoolkit.errors import InputError, choice, counted, text, whole
from numtoolkit.faces import Face, Page
from numtoolkit.symbolic.compositions import ORDER as COMPOSED
from numtoolkit.symbolic.compositions import Composition, compositions
from numtoolkit.symbolic.condition import Condition
from numtoolkit.symbolic.equations import conditions_of, equations
from numtoolkit.symbolic.families import Family, family
from numtoolkit.symbolic.least_error import LeastError, least_error
from numtoolkit.symbolic.members import coefficients, weights_of
from numtoolkit.symbolic.numbers import Field, Ratio
from numtoolkit.symbolic.palindromes import Palindrome, PalindromeBranch, palindrome, values_table
from numtoolkit.symbolic.palindromes import branches as branches_of_palindromes
from numtoolkit.symbolic.solve import Contradiction, Solution, solve
from numtoolkit.symbolic.stiff import HIGHEST as STIFF_HIGHEST
from numtoolkit.symbolic.verdict import SAMPLED, verify

KINDS = ("classical", "stiff_strong", "stiff_commuting", "stiff_weak")
LIE = "lie"  # of splittings
HIGHEST = 7  # orders


@dataclass(frozen=True)
class Branch(Face):
    """The members of a family that have an order, as functions of the unknowns left free.

    family, order, kind   what was asked
    numbers, solution     the field of the values, and the values in it
    """

    family: Family
    order: int
    kind: str
    numbers: Field = field(repr=False)
    solution: Solution = field(repr=False)

    def __repr__(self) -> str:
        return f"<Branch of {self.family.spec}: {counted(len(self.free), 'free parameter')}>"

    @property
    def free(self) -> tuple[str, ...]:
        """The unknowns that may have any value but those that `nonzero` excludes."""
        return self.solution.free

    @property
    def dimension(self) -> int:
        """How many of them there are."""
        return len(self.free)

    @property
    def generic(self) -> tuple[str, ...]:
        """The other parameters of the family, which may have any value but likewise."""
        return tuple(name for name in self.family.generic if name not in dict(self.family.values))

    @cached_property
    def values(self) -> dict[str, Entry]:
        """Every other unknown in these."""
        return {name: self.numbers.entry(value) for name, value in self.solution.values.items()}

    @cached_property
    def nonzero(self) -> tuple[Entry, ...]:
        """The polynomials in free and generic parameters that must not vanish: nodes that coincide, for example."""
        return tuple(self.numbers.entry(Ratio(f, f**0)) for f in self._factors)

    @cached_property
    def _factors(self) -> list[Any]:
        found: dict[str, Any] = {}
        for f in self.solution.nonzero:
            found |= {str(factor): factor for factor in _factors(self.numbers, f) if not self._positive(factor)}
        return sorted(found.values(), key=lambda f: (len(f.to_dict()), str(f)))

    def _positive(self, f: Any) -> bool:
        """Whether a polynomial is of one sign because it is in step ratios alone."""
        terms = f.to_dict()
        used = {name for powers in terms for name, e in zip(self.numbers.variables, powers, strict=True) if e}
        return used <= SAMPLED.keys() and len({int(c) > 0 for c in terms.values()}) == 1

    def scheme(self, name: str = "", **given: Scalarlike) -> Scheme:
        """The member with values for some of the free and generic parameters; the others stay parameters of it.

        name    of the scheme, by default that of the family with "derived-" before it
        given   exact numbers by name
        raises  InputError for a parameter that there is not, for values that are excluded, and for a stage that is
                left without use
        """
        return self.at(given, name)

    def at(self, given: Mapping[str, Scalarlike], name: str = "") -> Scheme:
        """The same with the numbers in a mapping."""
        known = {key: self._number(key, value) for key, value in given.items()}
        self._check_excluded(known)
        values: dict[str, Scalarlike] = {key: substitute(value, known) for key, value in self.values.items()}
        values |= known
        family: Scheme = self.family
        steps = family.steps.map(lambda _, step: _cleared(step.map(lambda entry: substitute(entry, values))))
        used = set().union(*(symbols(e) for step in steps.distinct for item in step.items for e in item.scalars))
        point = self._point(known)
        params = [p for p in self.family.params if p.name in used]
        orders: dict[str, Any] = {"classical": self.order, self.kind: _proved(self.kind, self.order)}
        return Scheme(
            name or f"derived-{self.family.name}",
            family="derived",
            source=f"order conditions: {self.kind.replace('_', ' ')} order {self.order} of {self.family.spec}",
            steps=steps,
            frozen=self.family.frozen,
            clock=self.family.clock,
            kinds=self.family.kinds,
            params=tuple(replace(p, default=point.get(p.name, p.default)) for p in params),
            values=tuple(pair for pair in self.family.values if pair[0] in used),
            claims=replace(Claims(), **orders),
        )

    def _number(self, name: str, value: Scalarlike) -> Const:
        if name not in (*self.free, *self.generic):
            where = "is determined" if name in self.values else "is no parameter"
            has = ", ".join((*self.generic, *self.free)) or "none"
            raise InputError(f"{name} {where} of this branch of {self.family.spec}; its parameters: {has}.")
        number = as_scalar(value)
        if not isinstance(number, Const):
            raise InputError(f"{name} = {value} is not exact; give a rational number.")
        return number

    def _check_excluded(self, known: Mapping[str, Const]) -> None:
        for entry in self.nonzero:
            if substitute(entry, known) == ZERO:
                given = ", ".join(f"{name} = {known[name]}" for name in sorted(symbols(entry) & known.keys()))
                raise InputError(f"{given} of {self.family.spec} makes {entry} = 0, which is excluded; give another.")

    def _point(self, known: Mapping[str, Const]) -> dict[str, Fraction]:
        """Values for all parameters that nothing excludes: their defaults, the free ones 0, as far as that can be."""
        names = {param.name: param for param in self.family.params if param.name in (*self.free, *self.generic)}
        start = {name: param.default for name, param in names.items()} | {n: c.value for n, c in known.items()}
        open_ = [name for name in (*self.free, *self.generic) if name not in known]
        draws = random.Random(self.family.spec)

        def candidates() -> Iterator[dict[str, Fraction]]:
            yield start
            for count in range(1, len(open_) + 1):
                for _ in range(20):
                    yield start | {name: _drawn(draws, names[name]) for name in open_[:count]}

        found = next((point for point in candidates() if self._allows(point)), None)
        if found is None:
            given = ", ".join(f"{name} = {value}" for name, value in known.items())
            raise InputError(f"{given} of {self.family.spec} leaves no allowed values of the others; give other ones.")
        return found

    def _allows(self, point: Mapping[str, Fraction]) -> bool:
        at = {name: point.get(name) or SAMPLED.get(name, Fraction(0)) for name in self.numbers.names}
        return all(self.numbers.at(Ratio(f, f**0), at) for f in self._factors)

    def random_member(self, seed: int = 0) -> Scheme:
        """A member with random numbers for all its parameters, drawn by `seed`."""
        draws = random.Random(f"{self.family.spec} {seed}")
        names = {p.name: p for p in self.family.params if p.name in (*self.free, *self.generic)}
        while True:
            point = {name: _drawn(draws, param) for name, param in names.items()}
            if self._allows(point):
                return self.at(point)

    def member(self, scheme: Scheme) -> dict[str, Fraction] | None:
        """The values of free and generic parameters that make a scheme, None if it is none of the branch.

        scheme   its parameters bound, or taken at their defaults
        """
        point = coefficients(self.family, scheme)
        if point is None or not self._allows(point):
            return None
        given = {name: point[name] for name in (*self.free, *self.generic)}
        return given if weights_of(self.at(given)) == weights_of(scheme) else None

    def page(self) -> Page:
        """Its values, and what is free and excluded."""
        facts = (("free", ", ".join(self.free)), ("not 0", ", ".join(map(str, self.nonzero))))
        title = f"{self.family.spec}, {self.kind.replace('_', ' ')} order {self.order}"
        return Page(title, facts, (values_table(self.record()["values"]),))

    def latex(self) -> str:
        """The weights as lines of an aligned display in LaTeX's mathematics mode, and what is free and excluded."""
        import sympy

        weights: dict[str, Any] = {}
        for part in self.family.parts:
            value = self.solution.values.get(part.unknown)
            factor = sympy.Symbol(part.unknown) if value is None else sympy.factor(self.numbers.expression(value))
            weights[part.weight] = weights.get(part.weight, 0) + factor * _phi(part.k, str(part.c))
        lines = [rf"  {sympy.latex(sympy.Symbol(name))} &= {sympy.latex(own)} \\" for name, own in weights.items()]
        if self.free:
            free = ", ".join(sympy.latex(sympy.Symbol(name)) for name in self.free)
            lines.append(rf"  &\text{{free: }} {free} \\")
        if self._factors:
            other = ", ".join(sympy.latex(self.numbers.expression(Ratio(f, f**0))) for f in self._factors)
            lines.append(rf"  &\text{{not }} 0\text{{: }} {other} \\")
        return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])

    def record(self) -> dict[str, Any]:
        """Values, free parameters and what is excluded, as text."""
        values = {name: self.numbers.text(value) for name, value in self.solution.values.items()}
        return {"values": values, "free": list(self.free), "nonzero": [str(entry) for entry in self.nonzero]}


@dataclass(frozen=True)
class Derivation(Face):
    """All members of a family that have an order.

    family, order, kind   what was asked
    branches              they cover every member; each of a family of schemes was verified again on a random one. Of
                          splittings of order 6 they are those that a search finds, each verified
    witness               where there is none: a condition that cannot hold, its value what is left of it when others do
    """

    family: Family | Palindrome
    order: int
    kind: str
    branches: tuple[Branch, ...] | tuple[PalindromeBranch, ...] | tuple[Composition, ...]
    witness: Condition | None = None

    def __repr__(self) -> str:
        what = f"{self.family.spec}, {self.kind.replace('_', ' ')} order {self.order}"
        if self.witness is not None:
            return f"<Derivation of {what}: none, {self.witness.tree} is {self.witness.value}>"
        free = " or ".join(str(count) for count in sorted({branch.dimension for branch in self.branches}))
        count = len(self.branches)
        branches = f"{count} branch{'es' * (count != 1)}"
        return f"<Derivation of {what}: {branches}, {free} free parameter{'s' * (free != '1')}>"

    def member(self, scheme: Scheme) -> tuple[Branch, dict[str, Fraction]] | None:
        """The branch that holds a scheme, with its parameters; None if it is no member.

        scheme   its parameters bound, or taken at their defaults
        """
        for branch in self.schemes:
            point = branch.member(scheme)
            if point is not None:
                return branch, point
        return None

    @property
    def schemes(self) -> list[Branch]:
        """The branches of a family of schemes."""
        return [branch for branch in self.branches if isinstance(branch, Branch)]

    @property
    def splittings(self) -> list[PalindromeBranch]:
        """Those of a palindrome of an order up to 4."""
        return [branch for branch in self.branches if isinstance(branch, PalindromeBranch)]

    @property
    def compositions(self) -> list[Composition]:
        """Those of order 6, the one of least error first."""
        return [branch for branch in self.branches if isinstance(branch, Composition)]

    def least_error(self) -> LeastError:
        """The splitting with the least error, of those of order 4.

        raises   InputError for schemes, and for splittings with more than one free parameter
        """
        if not self.splittings:
            raise InputError(f"{self.family.spec} has no least error here; ask for that of a palindrome of order 4.")
        return least_error(self.splittings)

    def page(self) -> Page:
        """The values of every branch, or the condition that cannot hold."""
        title = f"{self.family.spec}, {self.kind.replace('_', ' ')} order {self.order}"
        if self.witness is not None:
            left = f"where the other conditions hold, {self.witness.tree} is {self.witness.value} and not 0"
            return Page(title, (("no member", left),))
        pages = [branch.page() for branch in self.branches]
        names = [f"branch {i} of {len(pages)}, " if pages[1:] else "" for i in range(1, len(pages) + 1)]
        facts = ((f"{name}{what}", said) for name, page in zip(names, pages, strict=True) for what, said in page.facts)
        tables = (replace(t, caption=f"{name}{t.caption}") for name, page in zip(names, pages, strict=True)
                  for t in page.tables)  # fmt: skip
        return Page(title, tuple(facts), tuple(tables))

    def latex(self) -> str:
        """Every branch in LaTeX's mathematics mode, or the condition that cannot hold."""
        if self.witness is not None:
            import sympy

            names = {name: sympy.Symbol(name) for name in symbols(self.witness.value)}
            value = sympy.latex(sympy.sympify(str(self.witness.value), names))
            return rf"\text{{{self.witness.tree}}} = {value} \neq 0"
        return "\n".join(branch.latex() for branch in self.branches)

    def record(self) -> dict[str, Any]:
        """What was asked and found, as plain data."""
        witness = None if self.witness is None else {**vars(self.witness), "value": str(self.witness.value)}
        asked = {"family": self.family.spec, "order": self.order, "kind": self.kind}
        return {**asked, "branches": [branch.record() for branch in self.branches], "witness": witness}


def derive(family_or_name: Family | Palindrome | str, order: int, kind: str = "") -> Derivation:
    """Every member of a family that has an order, as branches with free parameters, or the condition that none meets.

    family_or_name   a family or its name with parameters, "exponential-rk(stages=2)"; a palindrome or its word, "A B A"
    order            1 to 7; of a palindrome 1 to 4, and 6 of one of seven kicks
    kind             classical, which it is unless given, stiff_strong, stiff_commuting or stiff_weak, as claims name
                     them; a weak order is one of strong conditions below it. lie, that of a palindrome
    raises           InputError for an unknown family or kind
    cost             below 1 s for up to three stages, and for four with given nodes; 2 s for four symbolic nodes, 15 s
                     for five stages of order 4, ten times that without python-flint; no network calls
    """
    word = _word(family_or_name)
    own = family_or_name if word is None else palindrome(word)
    if isinstance(own, Palindrome):
        if not isinstance(kind, str) or kind not in ("", LIE):
            raise InputError(f"a splitting has order conditions of kind lie, not {kind}; ask for those.")
        if order == COMPOSED:
            return Derivation(own, order, LIE, tuple(compositions(own)))
        splittings, none = branches_of_palindromes(own, order)
        return Derivation(own, order, LIE, tuple(splittings), none)
    return _of_schemes(family(own), order, text("kind", kind) or "classical")


def _word(text: object) -> str | None:
    """The word of a palindrome that a text is, as it stands or as "palindrome(A B A)"; None of another text."""
    if not isinstance(text, str):
        return None
    named = re.fullmatch(r"\s*palindrome\s*(?:\(\s*[\"']?(.*?)[\"']?\s*\))?\s*", text)
    if named:
        return named[1] or ""
    return text if text.split() and set(text.split()) <= {"A", "B"} else None


def _of_schemes(own: Family, order: int, kind: str) -> Derivation:
    whole("the order to derive", order, 1, HIGHEST)
    choice("kind of order", kind, KINDS)
    numbers, asked = equations(*conditions_of(own, order, kind))
    outcomes = list(solve(numbers, [(each.order, each.value.top) for each in asked], own.unknowns))
    solutions = [outcome for outcome in outcomes if isinstance(outcome, Solution)]
    bound = next((solution for solution in solutions if solution.open), None)
    if bound is not None:
        binding = numbers.text(Ratio(bound.open[0], bound.open[0] ** 0))
        raise InputError(
            f"members of {own.spec} are roots of {binding}, which are not rational; fix some of its nodes."
        )
    solutions.sort(key=lambda solution: -len(solution.free))
    branches = tuple(Branch(own, order, kind, numbers, solution) for solution in solutions)
    for branch in branches:
        _check(branch)
    if branches:
        return Derivation(own, order, kind, branches)
    failed = next(outcome for outcome in outcomes if isinstance(outcome, Contradiction))
    witness = asked[failed.equation]
    return Derivation(own, order, kind, (), replace(witness, value=numbers.entry(failed.left(witness.value))))


def _check(branch: Branch) -> None:
    """A member with random parameters is verified again, by what reads declared schemes; beyond, its conditions are."""
    member = branch.random_member()
    found = verify(member)
    fails = not found.ok
    if branch.order > _proved(branch.kind, branch.order):
        _, _, conditions = conditions_of(member, branch.order, branch.kind)
        fails = fails or any(condition.value for condition in conditions)
    if fails:
        raise AssertionError(f"{branch!r} has a member that is not of the order asked: {found!r}")


def _proved(kind: str, order: int) -> int:
    """The order that verdicts on schemes look for, where they stop below the one asked."""
    return order if kind == "classical" else min(order, STIFF_HIGHEST)


def _factors(numbers: Field, f: Any) -> list[Any]:
    """The factors of a polynomial, each once, with no content."""
    import sympy

    symbols_ = [sympy.Symbol(name) for name in numbers.variables]
    _, factors = sympy.factor_list(Ratio(f, f**0).expression(numbers.variables), *symbols_)
    found = []
    for factor, _ in factors:
        terms = sympy.Poly(factor, *symbols_).terms()
        found.append(numbers.polynomial({powers: int(c) for powers, c in terms}))
    return found


def _cleared(step: Step) -> Step:
    """A step without terms that are 0."""

    def cleared(item: Any) -> Any:
        return replace(item, terms=tuple(t for t in item.terms if t[1] != ZERO)) if isinstance(item, Row) else item

    return replace(step, items=tuple(map(cleared, step.items)))


def _drawn(draws: random.Random, param: Param) -> Fraction:
    """A random value of a parameter: an abscissa between 0 and 1, another of either sign."""
    if param.meaning:
        return Fraction(draws.randint(1, 11), 12)
    return Fraction(draws.choice([-1, 1]) * draws.randint(1, 9), draws.randint(1, 6))


def _phi(k: int, c: str) -> Any:
    """phi_k(c z) for sympy to print."""
    import sympy

    z = sympy.Symbol("z")
    return sympy.Function(rf"\varphi_{{{k}}}")(sympy.sympify(c) * z) if k else sympy.Integer(1)
