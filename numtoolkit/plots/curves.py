"""Errors against evaluations: of schemes, and of the sides of a contest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from numtoolkit.errors import choice, real, several
from numtoolkit.plots.looks import looks_of
from numtoolkit.plots.sheet import (
    CURVES,
    MARKERS,
    MOST_CURVES,
    PANELS,
    ROOM,
    SMALL,
    Record,
    check_count,
    literal,
    look_of,
    nfe_ticks,
    records_of,
    sheet,
    styled,
)

ACROSS, IN_LINE = 4, 3  # panels of a contest, and sides in a line of its legend
MOST_PANELS = 16  # of schemes that are the same in each
FOUND: dict[str, Any] = {"color": "black", "marker": ".", "linestyle": "-", "linewidth": 1.0}  # a run's own steps
TOP, BESIDE, CLEAR = 0.33, 0.4, 0.8  # of the axes, where guides of orders begin and end; below which curves they stay
LARGEST = 10.0  # errors beyond are off the axes: the run is lost, by how much says nothing
QUANTITIES = ("error", "median", "path", "law", "frechet")  # of records, which curves can be of
LABELS = {  # of metrics, and of quantities that are of no metric
    "relative-rms": "RMS error relative to the exact flow",
    "wasserstein2": "Wasserstein-2 distance to the exact law",
    "sliced-wasserstein": "sliced Wasserstein distance to the exact law",
    "median": "median error relative to the exact flow",
    "frechet": "Frechet distance to the exact law",
}
SHORT = {  # of metrics, beside a small panel
    "relative-rms": "error along paths",
    "median": "median error along paths",
    "wasserstein2": "Wasserstein-2 distance",
    "sliced-wasserstein": "sliced Wasserstein distance",
}
FLOORS = {"sliced-wasserstein": "floor", "frechet": "frechet_floor"}  # of measures by samples, what two exact sets have


def curve_figure(
    records: Sequence[Record],
    title: str,
    quantities: Sequence[str] = ("error",),
    slopes: Sequence[int] = (1, 2, 3),
    ticks: Sequence[int] | None = None,
) -> Any:
    """Error against evaluations on logarithmic axes, one curve a scheme, one panel for each quantity and its measure.

    Intervals are drawn where records have them, and for measures by samples the floor of two exact sets.

    records     as `numtoolkit.measure.error_curve` returns them; those without an error are left out
    title       the question that the figure answers
    quantities  of `QUANTITIES`: "error", the leading one of each scheme; "path", "law"; "median" of the samples
    slopes      drawn as guides: how errors of orders 1, 2, 3 fall
    ticks       evaluations that the axis names; None: all that records have
    """
    records, quantities = records_of(records), several("quantities", quantities)
    for quantity in quantities:
        choice("quantity", quantity, QUANTITIES)
    guides = [real("slopes", slope, 0, 20) for slope in several("slopes", slopes)]
    panels: dict[str, list[tuple[Record, str]]] = {}
    for quantity in quantities:
        for r in records:
            if r.get(quantity) is not None:
                panels.setdefault(measure_of(r, quantity), []).append((r, quantity))
    check_count(len(panels), PANELS)
    with styled():
        figure = sheet(title, width=1.2 + 5.0 * len(panels), height=4.0)
        for ax, (measure, members) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            check_count(len({r["scheme"] for r, _ in members}), CURVES)
            _curves(ax, members, measure)
            _log_axes(ax, sorted({r["nfe"] for r in records}) if ticks is None else ticks)
            ax.set(xlabel="network evaluations (NFE)", ylabel=LABELS.get(measure, measure))
            if measure not in FLOORS:  # where errors level off, no slope is theirs
                _guides(ax, guides)
    return figure


def measure_of(record: Record, quantity: str) -> str:
    """What a quantity of a record of an error curve is measured by, a key of LABELS."""
    if quantity == "error" or quantity == kind_of(record):
        return str(record["metric"])
    if quantity == "law":
        return "sliced-wasserstein" if "floor" in record else "wasserstein2"
    return "relative-rms" if quantity == "path" else quantity


def kind_of(record: Record) -> str:
    """Whether the error of a record is that of the path or of the law."""
    return "path" if record["metric"] == "relative-rms" else "law"


def error_of(record: Record, kind: str) -> float | None:
    """The error of a record along paths or in law."""
    return record["error"] if kind == kind_of(record) else record.get(kind)


def ends_of(record: Record, quantity: str) -> tuple[float, float] | None:
    """The interval of a quantity of a record."""
    own = "" if quantity in ("error", kind_of(record)) else f"{quantity}_"
    low, high = record.get(f"{own}low"), record.get(f"{own}high")
    return None if low is None or high is None else (low, high)


def within_floor(record: Record, kind: str) -> bool:
    """Whether samples do not tell an error along paths or in law from the distance of two exact sets."""
    if kind == "law" and record.get("excess_low") is not None:
        return bool(record["excess_low"] <= 0)
    ends, floor = ends_of(record, kind), record.get("floor")
    return kind == "law" and ends is not None and floor is not None and bool(ends[0] <= floor)


def _curves(
    ax: Any, records: Sequence[tuple[Record, str]], measure: str, names: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Curves of a panel, one a scheme, and its legend, in which `names` stand for some."""
    ends, schemes = [], list(dict.fromkeys(r["scheme"] for r, _ in records))
    for scheme, look in zip(schemes, looks_of(schemes), strict=True):
        members = sorted(((r, q) for r, q in records if r["scheme"] == scheme), key=lambda own: own[0]["nfe"])
        nfe, error = [r["nfe"] for r, _ in members], [r[quantity] for r, quantity in members]
        (line,) = ax.plot(nfe, error, label=names.get(scheme, scheme), **look)
        known = [(n, *own) for n, own in zip(nfe, (ends_of(*member) for member in members), strict=True) if own]
        if known:
            ax.vlines(*zip(*known, strict=True), color=look["color"], linewidth=0.8)
        ends.append((error[-1], line))
    handles = [line for _, line in sorted(ends, key=lambda end: -end[0])]
    floors = [r[FLOORS[measure]] for r, _ in records if measure in FLOORS and r.get(FLOORS[measure]) is not None]
    if floors:
        handles.append(ax.axhline(floors[0], color="0.35", linewidth=0.9, linestyle=":", label="two exact sets"))
    literal(ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0)))


def panels_figure(records: Sequence[Record], title: str, slopes: Sequence[int] = (1, 2, 3)) -> Any:
    """Error against evaluations of the same schemes in several panels, with one legend below them.

    records  with `panel`, its title, beside what `numtoolkit.measure.error_curve` returns; `own` where a run found its
             steps by itself, which is drawn as a thin black line
    title    the question that the figure answers
    slopes   drawn as guides where errors do not level off at a floor
    """
    records, guides = records_of(records), [real("slopes", slope, 0, 20) for slope in several("slopes", slopes)]
    panels = list(dict.fromkeys(str(r["panel"]) for r in records))
    schemes = list(dict.fromkeys(r["scheme"] for r in records if not r.get("own")))
    check_count(len(panels), PANELS, MOST_PANELS)
    check_count(len(schemes), CURVES)
    columns = min(len(panels), ACROSS)
    rows = -(-len(panels) // columns)
    with styled():
        figure = sheet(title, width=max(3.0 * columns, 6.0), height=1.1 + 2.6 * rows)
        looks = dict(zip(schemes, looks_of(schemes), strict=True))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        shown: dict[str, Any] = {}
        for ax, panel in zip(axes, panels, strict=False):
            members = [r for r in records if r["panel"] == panel and r.get("error") is not None]
            for scheme in dict.fromkeys(r["scheme"] for r in members):
                own = sorted((r for r in members if r["scheme"] == scheme), key=lambda r: r["nfe"])
                look = looks.get(scheme, FOUND) | {"markersize": 3.5}
                look["linewidth"] = min(look["linewidth"], 1.8)
                (shown[scheme],) = ax.plot([r["nfe"] for r in own], [r["error"] for r in own], label=scheme, **look)
            _log_axes(ax, sorted({r["nfe"] for r in members if not r.get("own")}), SMALL)
            ax.set_title(panel, fontsize=9, parse_math=False)
            measure = measure_of(members[0], "error") if members else ""
            ax.set(xlabel="network evaluations (NFE)", ylabel=SHORT.get(measure, measure))
            floors = [r["floor"] for r in members if r.get("floor") is not None]
            if floors:
                shown["two exact sets"] = ax.axhline(floors[0], color="0.35", linewidth=0.9, linestyle=":")
            else:
                _guides(ax, guides)
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        literal(figure.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=min(columns * 2, 6)))
    return figure


def _log_axes(ax: Any, ticks: Sequence[int], room: float = ROOM) -> None:
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(top=min(ax.get_ylim()[1], LARGEST))
    nfe_ticks(ax, ticks, room)


def _guides(ax: Any, slopes: Sequence[float]) -> None:
    """Short lines of slope -p in the lower left corner, below all curves there, the steepest within the axes."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    curves = np.concatenate([line.get_xydata() for line in ax.get_lines()])
    there = curves[(curves[:, 0] < left * (right / left) ** BESIDE) & (curves[:, 1] > 0), 1]
    if there.size:  # lower the edge until a part TOP of the axis lies below them
        low = min(low, (CLEAR * there.min() / high**TOP) ** (1 / (1 - TOP)))
    longest = (TOP - 0.04) * np.log(high / low) / max((1, *slopes)) / np.log(right / left)
    x = left * (right / left) ** np.array([0.03, 0.03 + min(0.22, longest)])
    y = low * (high / low) ** TOP
    for p in slopes:
        fall = y * (x / x[0]) ** -p
        ax.plot(x, fall, color="0.45", linewidth=0.9, zorder=1)
        ax.annotate(f"order {p:g}", (x[1], fall[1]), (3, 0), textcoords="offset points", va="center", color="0.35")
    ax.set(xlim=(left, right), ylim=(low, high))


def families_figure(
    records: Sequence[Record], families: Mapping[str, str], title: str, names: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """Error against evaluations of many schemes: the best of each family before all others, which are grey.

    Its panels are those along paths and in law, that which leads above the other. The best of a family has the least
    geometric mean of errors over the budgets, where one in law counts as no less than the distance of two exact sets
    and one that is missing as LARGEST; of families those are shown whose best are best. What is far above is cut off.

    records   as `numtoolkit.measure.error_curve` returns them
    families  family by scheme; one that has none stays grey
    title     the question that the figure answers
    names     by scheme, where the legend has another one
    """
    records = records_of(records)
    kinds = [kind for kind in dict.fromkeys([*map(kind_of, records), "path", "law"])
             if any(error_of(r, kind) is not None for r in records)]  # fmt: skip
    check_count(len(kinds), PANELS)
    budgets = sorted({r["nfe"] for r in records})
    with styled():
        figure = sheet(title, width=8.0, height=0.5 + 3.9 * len(kinds))
        for ax, kind in zip(figure.subplots(len(kinds), 1, squeeze=False)[:, 0], kinds, strict=True):
            own = [r for r in records if error_of(r, kind) is not None]
            chosen, measure = _best_of_families(own, families, kind, len(budgets)), measure_of(own[0], kind)
            named = {scheme: f"{names.get(scheme, scheme)}, {families[scheme]}" for scheme in chosen}
            members = [r for scheme in chosen for r in own if r["scheme"] == scheme]
            _curves(ax, [(r, "error" if kind == kind_of(r) else kind) for r in members], measure, named)
            top = 2 * ax.get_ylim()[1]
            for scheme in dict.fromkeys(r["scheme"] for r in own):
                line = sorted((r["nfe"], error_of(r, kind)) for r in own if r["scheme"] == scheme)
                ax.plot(*zip(*line, strict=True), color="0.8", linewidth=0.7, zorder=1)
            _log_axes(ax, budgets)
            ax.set_ylim(top=min(top, ax.get_ylim()[1]))
            ax.set(xlabel="network evaluations (NFE)", ylabel=LABELS[measure])
    return figure


def _best_of_families(records: Sequence[Record], families: Mapping[str, str], kind: str, budgets: int) -> list[str]:
    """The best scheme of each of the best families, MOST_CURVES at most, best first."""
    logs: dict[str, list[float]] = {}
    for r in records:
        error = min(max(error_of(r, kind) or 0.0, (r.get("floor") or 0.0) if kind == "law" else 0.0, 1e-300), LARGEST)
        logs.setdefault(r["scheme"], []).append(float(np.log(error)))
    mean = {
        scheme: (sum(own) + (budgets - len(own)) * np.log(LARGEST)) / budgets
        for scheme, own in logs.items()
        if scheme in families
    }
    best: dict[str, str] = {}
    for scheme in sorted(mean, key=lambda own: mean[own]):
        best.setdefault(families[scheme], scheme)
    return list(best.values())[:MOST_CURVES]


def contest_figure(
    records: Sequence[Record], title: str, sides: Sequence[str], floor: float, error: str = "relative error"
) -> Any:
    """Error against evaluations of the sides of a contest, a panel a case: mean solid, a median dashed.

    records  with `case, side, nfe, error, median`; one without an error is left out, and a side without any is dashed
    title    the question that the figure answers
    sides    their names
    floor    errors below are drawn there
    error    what an error is, as the axis says it
    """
    cases = list(dict.fromkeys(r["case"] for r in records))
    columns = min(len(cases), ACROSS)
    rows = -(-len(cases) // columns)
    with styled():
        figure = sheet(title, width=max(2.75 * columns, 7.0), height=0.9 + 2.2 * rows)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, case in zip(axes, cases, strict=False):
            for i, side in enumerate(sides):
                own = [r for r in records if (r["case"], r["side"]) == (case, side)]
                named = "error" if any(r.get("error") is not None for r in own) else "median"
                for key, line in (("error", "-"), ("median", "--")):
                    value = [np.nan if r.get(key) is None else max(r[key], floor) for r in own]
                    label = side if key == named else None
                    marker = MARKERS[i] if key == "error" else ""
                    ax.plot([r["nfe"] for r in own], value, line, marker=marker, color=look_of(i)["color"], label=label)
            ax.set(xscale="log", yscale="log", xlabel="network evaluations (NFE)", ylabel=error)
            ax.set_title(case, fontsize=9, parse_math=False)
            nfe_ticks(ax, sorted({r["nfe"] for r in records}))
        for ax in axes[len(cases) :]:
            ax.set_visible(False)
        handles, labels = axes[0].get_legend_handles_labels()
        literal(figure.legend(handles, labels, loc="outside lower center", ncols=min(len(sides), IN_LINE)))
    return figure
