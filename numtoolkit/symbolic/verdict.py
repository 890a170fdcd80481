"""The verdict on a scheme: what the engines derive, held against what its declaration claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import accumulate
from typing import Any, Literal

from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.declare.steps import Place, Step
from numtoolkit.errors import InputError, brief
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.data_form import data_form
from numtoolkit.symbolic.fitted_defects import step_defects
from numtoolkit.symbolic.intervals import bits
from numtoolkit.symbolic.numbers import UndecidedError
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import applies, stiff_order
from numtoolkit.symbolic.weak import weak_order

ENDS = ("start", "final")  # steps of every run
SYMBOLIC = 4  # orders above take minutes with symbols for step ratios
SAMPLED = {f"r{j}": Fraction(ratio) for j, ratio in enumerate((2, 3, 5, 7, 11, 13))}


@dataclass(frozen=True)
class Verdict:
    """Claimed and derived orders by name (`ORDERS`; None where meaningless, unclaimed or not derived).

    derived    the stiff orders of a scheme that freezes the noise in the noise level are those of its data form
    verdict    proved: every claim is met exactly; higher: met, one exceeded; within: met as far as the digits of the
               scheme's numbers say; refuted: one is missed, whatever the digits left out are; not analysed: there is
               no claim to hold against what is derived, or a claim that nothing is derived for
    residuals  order, tree and value of what fails first (numerical minus exact): exact, or an interval
    ok         no claim is missed but those the declaration itself records as refuted, and filling steps are consistent
    ends       orders of the steps that start and end a run, "to zero" being the one to t = 0, "remainder m" one
               of m evaluations that spends the rest of a budget
    run        order of a whole run: one first-order step, an error of h^2, leaves it at 2 however good the others are
    filled     order of a run that ends with filling steps, the lowest of them; None where none do
    holds      "general" for every smooth law, "gaussian" for affine scores, "sampled" for every smooth law at the step
               ratios SAMPLED, which all but a null set share, "" if nothing is derived
    steps      of a scheme with a table of fitted coefficients, each step's defects (`symbolic.fitted_defects`)
    why        one sentence on a claim that nothing is derived for, else ""
    within     k: what is taken for 0, because the digits of the scheme's numbers leave it open, is below 2^-k in size;
               None where everything is decided exactly
    zeros      the residuals that may be 0 within the digits, to the order of `residuals`, like these
    tolerances how large the residuals are that order 1, 2, ... asks to be 0, one bound for each order that was looked
               at; none of a scheme with free parameters or step ratios
    """

    scheme: str
    claimed: dict[str, int | None]
    derived: dict[str, int | None]
    verdict: Literal["proved", "within", "refuted", "higher", "not analysed"]
    ok: bool
    holds: str
    ends: dict[str, int] = field(default_factory=dict)
    run: int | None = None
    filled: int | None = None
    residuals: list[dict[str, object]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""
    within: int | None = None
    zeros: list[dict[str, object]] = field(default_factory=list)
    tolerances: dict[int, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        orders = ", ".join(f"{key.replace('_', ' ')} {p}" for key, p in self.derived.items() if p is not None)
        return f"<Verdict {brief(self.scheme, 100)}: {in_words(self.verdict, self.within)}, {orders or 'no order'}>"


def in_words(verdict: str, within: int | None) -> str:
    """The verdict as it is printed: "proved", "within 2^-48"."""
    return f"within 2^-{within}" if verdict == "within" else verdict


def verify(scheme: Scheme) -> Verdict:
    """Derive every order of a scheme and compare it with its claims.

    scheme   bound parameters are used as given, the others stay symbolic
    cost     0.01 to 0.5 s for the members of the catalogue, up to half a minute for orders above 4; no network calls
    """
    claimed = {name: value for name, value in asdict(scheme.claims).items() if name in ORDERS}
    try:
        found = _found(scheme)
    except UndecidedError as reason:
        found = _Found(why=str(reason))
    derived = found.derived
    missed = [name for name in ORDERS if _below(derived[name], claimed[name])]
    above = [name for name in ORDERS if _below(claimed[name], derived[name])]
    missing = [name for name in ORDERS if claimed[name] is not None and derived[name] is None]
    why = found.why
    if missing and not why:
        why = f"nothing is derived of {', '.join(missing)}, which it claims; take the claim back."
    within = bits(found.doubt)
    verdict: Literal["proved", "within", "refuted", "higher", "not analysed"]
    if missed or missing:
        verdict = "refuted" if missed else "not analysed"
    elif not any(claimed.values()):
        verdict = "higher" if above else "not analysed"
    else:
        verdict = "within" if within is not None else "higher" if above else "proved"
    consistent = all(p >= 1 for name, p in found.ends.items() if name.startswith("remainder"))
    ok = consistent and set(missed) <= set(scheme.claims.refuted)
    inner = derived["classical"] if scheme.kind == "ode" else derived["sde_weak"]
    run, filled = (
        None if inner is None else _run_order(inner, found.ends, kinds) for kinds in (ENDS, (*ENDS, "remainder"))
    )
    return Verdict(
        scheme.spec,
        claimed,
        derived,
        verdict,
        ok,
        found.holds,
        found.ends,
        run,
        filled if any(name.startswith("remainder") for name in found.ends) else None,
        found.residuals,
        step_defects(scheme),
        why,
        within,
        found.zeros,
        found.tolerances,
    )


@dataclass(frozen=True)
class _Found:
    """What is derived of a scheme, and how large is what was taken for 0."""

    derived: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(ORDERS))
    residuals: list[dict[str, object]] = field(default_factory=list)
    holds: str = ""
    ends: dict[str, int] = field(default_factory=dict)
    doubt: Fraction = Fraction(0)
    zeros: list[dict[str, object]] = field(default_factory=list)
    tolerances: dict[int, float] = field(default_factory=dict)
    why: str = ""


def _found(scheme: Scheme) -> _Found:
    """What is derived of a scheme: its own orders, and those of the steps that start and end a run."""
    ratios = SAMPLED if scheme.steps.start and (scheme.claims.classical or 0) > SYMBOLIC else None
    found = _found_of_flow(scheme, ratios) if scheme.kind == "ode" else _found_in_law(scheme)
    ends, doubt = {}, found.doubt
    for place in _ends(scheme):
        ends[_name(place)], own = _end(scheme, place, ratios)
        doubt = max(doubt, own)
    return replace(found, ends=ends, doubt=doubt)


def _found_of_flow(scheme: Scheme, ratios: Mapping[str, Fraction] | None) -> _Found:
    found = order(scheme, ratios=ratios)
    derived: dict[str, int | None] = dict.fromkeys(ORDERS)
    derived["classical"] = found.p
    doubt, why, form = found.doubt, "", _stiff_form(scheme)
    if form is not None:
        try:
            stiff = stiff_order(form)
            derived |= {"stiff_strong": stiff.strong, "stiff_commuting": stiff.commuting, "stiff_weak": stiff.weak}
            doubt = max(doubt, stiff.doubt)
        except UndecidedError as reason:
            why = f"nothing is derived of its stiff order: {reason}"
    tolerances = {p: float(max(found.sizes[: p + 1])) for p in range(1, len(found.sizes))}
    holds = "sampled" if ratios else "general"
    return _Found(derived, found.table(), holds, {}, doubt, found.table(found.zeros), tolerances, why)


def _found_in_law(scheme: Scheme) -> _Found:
    law = weak_order(scheme)
    derived: dict[str, int | None] = dict.fromkeys(ORDERS)
    derived |= {"sde_weak": law.weak, "sde_strong": law.strong}
    return _Found(derived, law.residuals, "general" if law.general else "gaussian", doubt=law.doubt)


def _run_order(inner: int, ends: dict[str, int], kinds: tuple[str, ...]) -> int:
    return min([inner, *(p + 1 for name, p in ends.items() if name.split()[0] in kinds)])


def _stiff_form(scheme: Scheme) -> Scheme | None:
    """The scheme itself, or in data form, where stiff order has a meaning."""
    if applies(scheme):
        return scheme
    try:
        return data_form(scheme)
    except InputError:
        return None


def _ends(scheme: Scheme) -> list[Place]:
    """The places of a run's special steps that have an order of their own."""
    steps = scheme.steps
    # a run of several steps in the remainder is one of a lower member, judged there
    firsts = accumulate(map(len, steps.remainder), initial=0)
    single = {i for i, run in zip(firsts, steps.remainder, strict=False) if len(run) == 1 and not steps.final}

    def judged(place: Place, step: Step) -> bool:
        kind, index = place
        if kind == "final_to_zero":  # one that takes over an evaluation ends without the noise it lacks
            return not step.needs
        return index in single if kind == "remainder" else kind != "inner"

    return [place for place, step in steps.places() if judged(place, step)]


def _end(scheme: Scheme, place: Place, ratios: Mapping[str, Fraction] | None) -> tuple[int, Fraction]:
    """The order of a step at an end of a run, and how large is what was taken for 0."""
    if StepInClock(scheme, place=place).declared.noises:
        law = weak_order(scheme, place)
        return law.weak, law.doubt
    found = order(scheme, place, ratios=ratios)
    return found.p, found.doubt


def _name(place: Place) -> str:
    kind, index = place
    return "to zero" if kind == "final_to_zero" else f"{kind} {index + (kind == 'remainder')}"


def _below(low: int | None, high: int | None) -> bool:
    return low is not None and high is not None and low < high
