"""The derivation of what `numtoolkit.schemes.facts` keeps: orders, error constants and extents of stability."""

from __future__ import annotations

import math
from collections.abc import Iterable

from numtoolkit.declare.scheme import Scheme
from numtoolkit.files.storage import write_json
from numtoolkit.measure.stability import extents
from numtoolkit.schemes import facts
from numtoolkit.symbolic.error_norm import error_constant
from numtoolkit.symbolic.verdict import verify


def refresh(schemes: Iterable[Scheme]) -> None:
    """Derive what is known of the schemes of the catalogue and write `facts.json`, whole or not at all."""
    write_json(facts.PATH, {scheme.name: derive(scheme) for scheme in schemes})
    facts.facts.cache_clear()


def derive(scheme: Scheme) -> facts.Record:
    """The record of a scheme as `numtoolkit.schemes.facts.facts` describes it, derived now.

    cost   seconds: a proof, an error constant and, for schemes with a region of stability, some scans of it
    """
    verdict, constant = verify(scheme), error_constant(scheme)
    return {
        "derived": verdict.derived,
        "verdict": verdict.verdict,
        "holds": verdict.holds,
        "error_order": verdict.residuals[0]["order"] if verdict.residuals else None,
        "error_term": {residual["tree"]: residual["value"] for residual in verdict.residuals},
        "error_constant": constant
        and {"order": constant.order, "value": _rounded(constant.value), "square": str(constant.square)},
        "stable": {on: _rounded(extent) for on, extent in extents(scheme).items()},
    }


def _rounded(value: float) -> float | None:
    """Four digits, which any machine computes alike; None for infinity."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
