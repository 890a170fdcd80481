"""The verdict on a scheme: what the engines derive, held against what its declaration claims."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from numtoolkit.errors import InputError
from numtoolkit.scheme import ORDERS, Scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.data_form import data_form
from numtoolkit.symbolic.fitted import step_defects
from numtoolkit.symbolic.law import law_order
from numtoolkit.symbolic.stiff import applies, stiff_order
from numtoolkit.symbolic.unroll import Frame


@dataclass(frozen=True)
class Verdict:
    """Claimed and derived orders by name (`ORDERS`; None where meaningless, unclaimed or not derived).

    derived    the stiff orders of a scheme that freezes the noise in the noise level are those of its data form
    verdict    proved: every claim is met exactly; higher: met, one exceeded; refuted: one is missed; not analysed:
               there is no claim to hold against what is derived
    residuals  order, tree and exact value of what fails first (numerical minus exact)
    ok         no claim is missed but those the declaration itself records as refuted
    ends       orders of the steps that start and end a run, "to zero" being the one to noise level 0
    run        order of a whole run: one first-order step, an error of h^2, leaves it at 2 however good the others are
    holds      "general" for every smooth law, "gaussian" for affine scores, "" if nothing is derived
    steps      of a scheme with a table of fitted coefficients, the defects of each step (`numtoolkit.symbolic.fitted`)
    """

    scheme: str
    claimed: dict[str, int | None]
    derived: dict[str, int | None]
    verdict: Literal["proved", "refuted", "higher", "not analysed"]
    ok: bool
    holds: str
    ends: dict[str, int] = field(default_factory=dict)
    run: int | None = None
    residuals: list[dict[str, object]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)


def verify(scheme: Scheme) -> Verdict:
    """Derive every order of a scheme and compare it with its claims.

    scheme   bound parameters are used as given, the others stay symbolic
    cost     0.01 to 0.5 s; no network calls
    """
    derived: dict[str, int | None] = dict.fromkeys(ORDERS)
    if scheme.kind == "ode":
        found = order(scheme)
        derived["classical"], residuals, holds = found.p, found.table(), "general"
        form = _stiff_form(scheme)
        if form is not None:
            stiff = stiff_order(form)
            derived |= {"stiff_strong": stiff.strong, "stiff_commuting": stiff.commuting, "stiff_weak": stiff.weak}
    else:
        law = law_order(scheme)
        derived |= {"sde_weak": law.weak, "sde_strong": law.strong}
        residuals, holds = law.residuals, "general" if law.general else "gaussian"
    ends = {_name(place): _end(scheme, place) for place in _ends(scheme)}
    claimed = {name: value for name, value in asdict(scheme.claims).items() if name in ORDERS}
    missed = [name for name in ORDERS if _below(derived[name], claimed[name])]
    above = [name for name in ORDERS if _below(claimed[name], derived[name])]
    verdict: Literal["proved", "refuted", "higher", "not analysed"]
    verdict = "refuted" if missed else "higher" if above else "proved" if any(claimed.values()) else "not analysed"
    ok = set(missed) <= set(scheme.claims.refuted)
    inner = derived["classical"] if scheme.kind == "ode" else derived["sde_weak"]
    run = None if inner is None else min([inner, *(p + 1 for name, p in ends.items() if name != "to zero")])
    return Verdict(scheme.spec, claimed, derived, verdict, ok, holds, ends, run, residuals, step_defects(scheme))


def _stiff_form(scheme: Scheme) -> Scheme | None:
    """The scheme itself, or in data form, where stiff order has a meaning."""
    if applies(scheme):
        return scheme
    try:
        return data_form(scheme)
    except InputError:
        return None


def _ends(scheme: Scheme) -> list[tuple[str, int]]:
    """The places of a run's special steps."""
    places = [("start", i) for i in range(len(scheme.start))] + [("last", i) for i in range(len(scheme.last))]
    return places + ([] if scheme.to_zero is None else [("to_zero", 0)])


def _end(scheme: Scheme, place: tuple[str, int]) -> int:
    noisy = Frame(scheme, place=place).declared.noises
    return law_order(scheme, place).weak if noisy else order(scheme, place).p


def _name(place: tuple[str, int]) -> str:
    return f"{place[0]} {place[1]}" if place[0] != "to_zero" else "to zero"


def _below(low: int | None, high: int | None) -> bool:
    return low is not None and high is not None and low < high
