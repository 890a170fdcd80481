"""What is known of a scheme, as records and as cells and lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numtoolkit import printing
from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.schemes import facts, names_in_use


def entry(scheme: Scheme, derived: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The record of a scheme: what it declares, and what was derived of it, by default what the catalogue knows."""
    return {
        "name": scheme.name,
        "scheme": scheme.spec,
        "family": scheme.family,
        "kind": scheme.kind,
        "kinds": [kind.name for kind in scheme.kinds],
        "processes": list(scheme.processes),
        "nfe_per_step": scheme.nfe_per_step,
        "claimed": {key: getattr(scheme.claims, key) for key in ORDERS},
        "reference": scheme.source,
        "aliases": list(scheme.aliases),
        "names_in_use": {name: spec for name, spec in names_in_use().items() if spec.split("(")[0] == scheme.name},
        "frozen": scheme.frozen.name,
        "clock": scheme.clock.name,
        "parameters": [p.name for p in scheme.params],
        **(facts.derived(scheme) if derived is None else derived),
    }


def orders(derived: Mapping[str, int | None]) -> str:
    """Orders in a cell: "2, stiff 2 1 2" (strong, commuting, weak), "weak 1, strong 1", "-" for none.

    The order of the marginal is named where it is not that of the transition, "weak 1, marg. 2".
    """
    text = {key: "-" if derived.get(key) is None else str(derived[key]) for key in ORDERS}
    stiff = " ".join(text[key] for key in ORDERS if key.startswith("stiff"))
    weak, marginal = text["sde_weak"], text["sde_marginal"]
    law = [f"weak {weak}", *([f"marg. {marginal}"] if marginal != weak else []), f"strong {text['sde_strong']}"]
    parts = [text["classical"], f"stiff {stiff}", *law]
    return ", ".join(part for part in parts if any(map(str.isdigit, part))) or "-"


def constant(error: Mapping[str, Any] | None) -> str:
    """An error constant in a cell: "0.312 h^3", "7.3e-4 h^6", its order left out where it is 0."""
    if error is None or not error["value"]:
        return "" if error is None else "0"
    value = error["value"]  # below 1e-3 without the zeros that would widen the column
    digits = f"{value:.3g}" if value >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")
    return f"{digits} h^{error['order']}"


def reach(extent: float | None, digits: str) -> str:
    """How far a scheme is stable, "any" where nothing bounds it; `digits` is a format such as ".2f"."""
    return "any" if extent is None else format(extent, digits)


def derived_facts(known: Mapping[str, Any]) -> list[str]:
    """What a record has of orders, error constant and stability, in words."""
    stable = ", ".join(f"{reach(extent, '.4g')} ({on})" for on, extent in known["stable"].items())
    error = constant(known["error_constant"])
    parts = [printing.claims(known["derived"]), error and f"error constant {error}", stable and f"stable to {stable}"]
    return [part for part in parts if part]


def error_term(order: int | None, residuals: Mapping[str, str]) -> str:
    """The first of the residuals, simplest trees first, in a cell."""
    if not residuals:
        return ""
    tree, value = next(iter(residuals.items()))
    short = value if len(value) <= 24 else f"({len(value)} characters)"
    return f"h^{order} {short} {tree}" + (f" + {len(residuals) - 1} more" if len(residuals) > 1 else "")
