"""The verdict on a scheme: what the engines derive, held against what its declaration claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import Any, Literal

from numtoolkit.declare.entries import balls
from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.declare.steps import Place, Step
from numtoolkit.errors import InputError, brief
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.data_form import data_form
from numtoolkit.symbolic.fitted_defects import step_defects
from numtoolkit.symbolic.numbers import REMEDY
from numtoolkit.symbolic.steps_back import StepInClock, scalars_in
from numtoolkit.symbolic.stiff import applies, stiff_order
from numtoolkit.symbolic.weak import weak_order

ENDS = ("start", "final")  # steps of every run
SYMBOLIC = 4  # orders above take minutes with symbols for step ratios
SAMPLED = {f"r{j}": Fraction(ratio) for j, ratio in enumerate((2, 3, 5, 7, 11, 13))}


@dataclass(frozen=True)
class Verdict:
    """Claimed and derived orders by name (`ORDERS`; None where meaningless, unclaimed or not derived).

    derived    the stiff orders of a scheme that freezes the noise in the noise level are those of its data form
    verdict    proved: every claim is met exactly; higher: met, one exceeded; refuted: one is missed; not analysed:
               there is no claim to hold against what is derived, or a claim that nothing is derived for
    residuals  order, tree and exact value of what fails first (numerical minus exact)
    ok         no claim is missed but those the declaration itself records as refuted, and filling steps are consistent
    ends       orders of the steps that start and end a run, "to zero" being the one to t = 0, "remainder m" one
               of m evaluations that spends the rest of a budget
    run        order of a whole run: one first-order step, an error of h^2, leaves it at 2 however good the others are
    filled     order of a run that ends with filling steps, the lowest of them; None where none do
    holds      "general" for every smooth law, "gaussian" for affine scores, "sampled" for every smooth law at the step
               ratios SAMPLED, which all but a null set share, "" if nothing is derived
    steps      of a scheme with a table of fitted coefficients, each step's defects (`symbolic.fitted_defects`)
    why        one sentence on a claim that nothing is derived for, else ""
    """

    scheme: str
    claimed: dict[str, int | None]
    derived: dict[str, int | None]
    verdict: Literal["proved", "refuted", "higher", "not analysed"]
    ok: bool
    holds: str
    ends: dict[str, int] = field(default_factory=dict)
    run: int | None = None
    filled: int | None = None
    residuals: list[dict[str, object]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""

    def __repr__(self) -> str:
        orders = ", ".join(f"{key.replace('_', ' ')} {p}" for key, p in self.derived.items() if p is not None)
        return f"<Verdict {brief(self.scheme, 100)}: {self.verdict}, {orders or 'no order'}>"


def verify(scheme: Scheme) -> Verdict:
    """Derive every order of a scheme and compare it with its claims.

    scheme   bound parameters are used as given, the others stay symbolic
    cost     0.01 to 0.5 s for the members of the catalogue, up to half a minute for orders above 4; no network calls
    """
    derived: dict[str, int | None] = dict.fromkeys(ORDERS)
    claimed = {name: value for name, value in asdict(scheme.claims).items() if name in ORDERS}
    if inexact := _inexact(scheme):
        return Verdict(scheme.spec, claimed, derived, "not analysed", True, "", why=inexact)
    ratios = SAMPLED if scheme.steps.start and (scheme.claims.classical or 0) > SYMBOLIC else None
    if scheme.kind == "ode":
        found = order(scheme, ratios=ratios)
        derived["classical"], residuals, holds = found.p, found.table(), "sampled" if ratios else "general"
        form = _stiff_form(scheme)
        if form is not None:
            stiff = stiff_order(form)
            derived |= {"stiff_strong": stiff.strong, "stiff_commuting": stiff.commuting, "stiff_weak": stiff.weak}
    else:
        law = weak_order(scheme)
        derived |= {"sde_weak": law.weak, "sde_strong": law.strong}
        residuals, holds = law.residuals, "general" if law.general else "gaussian"
    ends = {_name(place): _end(scheme, place, ratios) for place in _ends(scheme)}
    missed = [name for name in ORDERS if _below(derived[name], claimed[name])]
    above = [name for name in ORDERS if _below(claimed[name], derived[name])]
    missing = [name for name in ORDERS if claimed[name] is not None and derived[name] is None]
    why = f"nothing is derived of {', '.join(missing)}, which it claims; take the claim back." if missing else ""
    verdict: Literal["proved", "refuted", "higher", "not analysed"]
    if missed or missing:
        verdict = "refuted" if missed else "not analysed"
    else:
        verdict = "higher" if above else "proved" if any(claimed.values()) else "not analysed"
    consistent = all(p >= 1 for name, p in ends.items() if name.startswith("remainder"))
    ok = consistent and set(missed) <= set(scheme.claims.refuted)
    inner = derived["classical"] if scheme.kind == "ode" else derived["sde_weak"]
    run, filled = (None if inner is None else _run_order(inner, ends, kinds) for kinds in (ENDS, (*ENDS, "remainder")))
    filled = filled if any(name.startswith("remainder") for name in ends) else None
    steps = step_defects(scheme)
    return Verdict(scheme.spec, claimed, derived, verdict, ok, holds, ends, run, filled, residuals, steps, why)


def _inexact(scheme: Scheme) -> str:
    """Why a scheme that holds balls is not analysed: an order holds for one number, and nobody knows for which."""
    entries = [scheme.exact_scalar(scheme.tau), scheme.exact_scalar(scheme.reference)]
    entries += [entry for step in scheme.steps.distinct for item in step.items for entry in scalars_in(item)]
    found = sorted({repr(number) for entry in entries for number in balls(entry)})
    if not found:
        return ""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"it holds numbers known to some digits only ({', '.join(found[:3])}{more}); {REMEDY}."


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


def _end(scheme: Scheme, place: Place, ratios: Mapping[str, Fraction] | None) -> int:
    noisy = StepInClock(scheme, place=place).declared.noises
    return weak_order(scheme, place).weak if noisy else order(scheme, place, ratios=ratios).p


def _name(place: Place) -> str:
    kind, index = place
    return "to zero" if kind == "final_to_zero" else f"{kind} {index + (kind == 'remainder')}"


def _below(low: int | None, high: int | None) -> bool:
    return low is not None and high is not None and low < high
