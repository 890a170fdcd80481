"""What the records of a judging say together: geometric means over subjects with intervals, and tables of ratios."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from numtoolkit.measure.distances import LEVEL
from numtoolkit.reproduce.work import rounded

PATHS = ("path", "median")  # quantities along paths, whose ratios have paired intervals
RIVALS = {"best": "best in hindsight", "default": "published default"}
TITLES = {"path": "RMS error along paths", "median": "median error along paths", "law": "error in law"}
CLASSES: dict[str, tuple[bool, ...]] = {"laws": (False,), "networks": (True,), "all": (False, True)}
NOTHING = (None, None, None)  # of a budget that a subject is not judged at
Records = Sequence[Mapping[str, Any]]


def summarised(records: Records) -> list[dict[str, Any]]:
    """The geometric mean of the ratios over subjects, for each group, quantity, rival, class of subjects and budget.

    records   of a judging, with `group, subject, network, nfe, quantity` and `over best`, `over default`
    returns   {group, quantity, over, class, nfe, mean, low, high, median, ahead, of}: the interval takes subjects as a
              draw of all, and is null for one; the rule is at or below its rival in `ahead` of `of` that can spend it.
              The median stays where one subject, such as points that a rival ends in exactly, decides the mean
    """
    lines = []
    keys = dict.fromkeys((r["group"], r["quantity"], rival) for r in records for rival in RIVALS)
    for group, quantity, rival in keys:
        own = [r for r in records if (r["group"], r["quantity"]) == (group, quantity)]
        both = len({r["network"] for r in own}) > 1
        for name, networks in CLASSES.items():
            if name == "all" and not both:
                continue  # the same as the one class there is
            for nfe in sorted({r["nfe"] for r in own}):
                ratios = [r[f"over {rival}"][0] for r in own if r["nfe"] == nfe and r["network"] in networks]
                logs = np.log([ratio for ratio in ratios if ratio is not None])
                if len(logs):
                    facts = {"group": group, "quantity": quantity, "over": rival, "class": name, "nfe": nfe}
                    lines.append(rounded(facts | _mean(logs)))
    return lines


def _mean(logs: Any) -> dict[str, Any]:
    from scipy.special import stdtrit

    n, mean = len(logs), float(logs.mean())
    ahead = {"median": math.exp(np.median(logs)), "ahead": int((logs <= 0).sum()), "of": n}
    if n < 2:
        return {"mean": math.exp(mean), "low": None, "high": None} | ahead
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * logs.std(ddof=1) / math.sqrt(n))
    return {"mean": math.exp(mean), "low": math.exp(mean - half), "high": math.exp(mean + half)} | ahead


def tables(records: Records, summary: Records) -> str:
    """A table for each group, quantity and rival, as Markdown: a line a subject, then the means.

    records, summary   as of `summarised`
    """
    from tabulate import tabulate

    parts = []
    for group, quantity, rival in dict.fromkeys((s["group"], s["quantity"], s["over"]) for s in summary):
        own = [r for r in records if (r["group"], r["quantity"]) == (group, quantity)]
        nfe = sorted({r["nfe"] for r in own})
        found = {(r["subject"], r["nfe"]): r[f"over {rival}"] for r in own}
        rows = [
            [name, *(ratio_text(found.get((name, n), NOTHING)) for n in nfe)]
            for name in dict.fromkeys(r["subject"] for r in own)
        ]
        for name in CLASSES:
            means = {
                s["nfe"]: s
                for s in summary
                if (s["group"], s["quantity"], s["over"], s["class"]) == (group, quantity, rival, name)
            }
            if means:
                cells = (
                    ratio_text([means[n][key] for key in ("mean", "low", "high")]) if n in means else "-" for n in nfe
                )
                rows.append([f"**geometric mean, {name}**", *cells])
                middle = (ratio_text([means[n]["median"], None, None]) if n in means else "-" for n in nfe)
                rows.append([f"median, {name}", *middle])
                ahead = (f"{means[n]['ahead']} of {means[n]['of']}" if n in means else "-" for n in nfe)
                rows.append([f"at or below, {name}", *ahead])
        heads = ["subject", *(f"NFE {n}" for n in nfe)]
        title = f"### {group}: {TITLES[quantity]}, rule over {RIVALS[rival]}"
        parts += [title, str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))]
    return "\n\n".join([*parts, *_chosen(records)])


def _chosen(records: Records) -> Iterable[str]:
    """What the rule was, and which pairs were best in hindsight, at each budget."""
    from tabulate import tabulate

    for group in dict.fromkeys(r["group"] for r in records):
        rows: dict[int, dict[str, list[str]]] = {}
        for r in records:
            if r["group"] == group and r["quantity"] in ("path", "law"):
                own = rows.setdefault(r["nfe"], {"rule": [], "default": [], "best": []})
                for key, names in own.items():
                    names.append(r[key])
        cells = [
            [n, *(", ".join(f"`{name}`" for name in dict.fromkeys(own[key])) for key in ("rule", "default"))]
            for n, own in sorted(rows.items())
        ]
        heads = ["NFE", "rule", "published default"]
        yield f"### {group}: what ran"
        yield str(tabulate(cells, heads, tablefmt="github", disable_numparse=True))


def ratio_text(ratio: Sequence[float | None]) -> str:
    """A ratio with its interval, where it has one: "0.52 (0.44-0.61)"; `ratio` is (value, low, high)."""
    value, low, high = ratio
    if value is None:
        return "-"
    texts = [f"{x:.0f}" if 99.5 <= x < 1e6 else f"{x:.2g}" for x in ratio if x is not None]
    return texts[0] if low is None or high is None else f"{texts[0]} ({texts[1]}-{texts[2]})"
