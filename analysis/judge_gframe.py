"""Is the Gaussian frame better than the rest of the catalogue? Judged blind, written to figures/gframe.{json,md,png}.

For every budget the member of the frame (k, and p of its grid) and the member of the rest (scheme and grid) with the
smallest error are chosen on two laws; the chosen ones, and one member of each side for all budgets, are then judged on
laws they have not seen. A third side is the frame's default k = 2 with p = 1.4 throughout, for reference: it was not
chosen blind. Everybody is told one mean and one standard deviation of the data, and where the deviation is wrong, the
frame alone is told the wrong one. Fitted schemes, which need the law, and stochastic ones stay out. Errors are those of
the data part at the end of the grid against the exact flow from the same 64 starts. On image processes a grid of the
rest may stop at t_min or go on to noise level 0, whichever is better; the frame goes to 0.

    python analysis/judge_gframe.py          some minutes on two slow cores
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from numtoolkit.declare.scheme import Scheme
from numtoolkit.files.storage import write, write_figure, write_json
from numtoolkit.files.versions import versions
from numtoolkit.laws import Law
from numtoolkit.laws.named import law_of
from numtoolkit.measure import error_curve
from numtoolkit.plots import STYLE
from numtoolkit.problem.processes import Floats, Process, process
from numtoolkit.reproduce.job import PACKAGES
from numtoolkit.schemes import catalogue, scheme

FIGURES = Path(__file__).parents[1] / "figures"
BUDGETS = (5, 8, 10, 15, 20, 30, 50, 100)
POWERS = (1, 1.2, 1.4, 1.7)
TUNING = ("mixture()", "mixture(low=0.05, spread=0.45)")
SIDES = ("rest", "frame", "k = 2")
TOLD = "sigma_data={s}, mean={m}"
# Families have more members than the catalogue's one.
MEMBERS = (
    *(f"exp-adams({k})" for k in (5, 6)),
    *("unipc(1)", "unipc(3)", "unipc(4)", "unipc(2, variant=bh1)", "unipc(3, variant=bh1)"),
    *(f"deis-{clock}({k})" for clock in ("tab", "rhoab") for k in (1, 2, 4, 5)),
    *("ipndm(2)", "ipndm(3)", "res-2s(1)"),
    *("gddim(1)", "gddim(3)", "gddim(4)", "gddim-pc(1)", "gddim-pc(3)", "gddim-pc(4)"),
    *("lambda-ddim-1(skip=mm)", f"lambda-ddim-1(B=optimal, {TOLD})", f"lambda-ddim-2(B=optimal, {TOLD})"),
    f"lambda-ddim-1(B=optimal, skip=mm, {TOLD})",
)
FLOOR = 1e-12  # relative; what the exact flow is good to: on digits some runs end on the very image
LEFT_OUT = ("Gaussian frame",)


@dataclass(frozen=True)
class Member:
    """A scheme on a grid; {s} and {m} in either stand for the deviation and the mean of the data."""

    scheme: str
    grid: str

    def __str__(self) -> str:
        first = re.sub(r"\((\w+=)?\{s\}, ", "(", f"{self.scheme} on {self.grid}")
        return re.sub(r"(, )?(\w+=)?\{[sm]\}", "", first).replace("()", "")


@dataclass(frozen=True, eq=False)
class Case:
    """A law on a process, and the factor by which the deviation told to the frame is wrong."""

    name: str
    process: Process
    law: Law
    factor: float = 1.0

    def curve(self, member: Member, budgets: Iterable[int]) -> list[dict[str, Any]]:
        mean = float(self.law.mean.mean())
        deviation = float(np.sqrt(self.law.variance + np.mean((self.law.mean - mean) ** 2)))
        factor = self.factor if member.scheme.startswith("gframe") else 1
        told = {"s": f"{deviation * factor:.4f}", "m": f"{mean:.4f}"}
        return error_curve(
            scheme(member.scheme.format(**told)),
            self.process,
            self.law,
            member.grid.format(**told),
            budgets,
            metric="path",
        )


class Imperfect:
    """A law whose denoiser is wrong by c r g, c the posterior deviation, g a smooth random field of size about 1."""

    def __init__(self, law: Law, size: float, seed: int = 0) -> None:
        self.law, self.size = law, size
        self.shape, self.mean, self.variance = law.shape, law.mean, law.variance
        self.name = f"{law.name}, network wrong by {size:g}"
        rng = np.random.default_rng(seed)
        d, waves = int(np.prod(law.shape)), 32
        self.directions = rng.standard_normal((d, waves)) / np.sqrt(d) * 2
        self.speeds, self.phases = rng.standard_normal(waves), rng.uniform(0, 2 * np.pi, waves)
        self.mix = rng.standard_normal((waves, d)) * np.sqrt(2 / waves)

    def denoise(self, y: Floats, s: float) -> Floats:
        width = np.hypot(np.sqrt(self.variance), s)
        seen = ((y - self.mean) / width).reshape(len(y), -1) @ self.directions
        field = np.sin(seen + self.speeds * np.log(s / width) + self.phases) @ self.mix
        return self.law.denoise(y, s) + self.size * np.sqrt(self.variance) * s / width * field.reshape(y.shape)


def frame(kind: str, k: int, power: float, phase_space: bool) -> Member:
    to_zero = "" if phase_space else ", zero=1"
    return Member(f"gframe-{kind}({k}, {TOLD})", f"angle({{s}}, power={power}{to_zero})")


def members_of_frame(phase_space: bool) -> list[Member]:
    return [frame(kind, k, p, phase_space) for kind in ("ab", "abm") for k in range(1, 6) for p in POWERS]


def informed(own: Scheme) -> str:
    """The specification of a scheme that is told what it asks for of the data."""
    asked = {p.name for p in own.params}
    told = [part for part in TOLD.split(", ") if part.split("=")[0] in asked]
    return f"{own.spec}({', '.join(told)})" if told else own.spec


def members_of_rest(process: Process) -> list[Member]:
    phase_space = process.blocks > 1
    own = [s for s in catalogue() if s.kind == "ode" and s.family not in LEFT_OUT and not s.fitted]
    names = [
        name for name in (*map(informed, own), *MEMBERS) if process.name in scheme(name.format(s=1, m=0)).processes
    ]
    grids = ["log-snr", "rho(7)", "rho(3)", *(f"angle({{s}}, power={p})" for p in POWERS)]
    if phase_space:
        grids += ["uniform", "quadratic"]
    else:
        grids += [f"{g[:-1]}, zero=1)" if g.endswith(")") else f"{g}(zero=1)" for g in grids]
    return [Member(name, points) for name in names for points in grids]


def judged() -> list[Case]:
    edm, vp, psld = process("edm"), process("vp"), process("psld")
    smooth, digits = law_of("mixture(dim=16, seed=4)"), law_of("digits")
    return [
        Case("2-d mixture", edm, law_of("mixture(dim=2, components=4, seed=1)")),
        Case("32-d mixture, 32 components", edm, law_of("mixture(dim=32, components=32, seed=2)")),
        Case("8-d mixture, separated", edm, law_of("mixture(components=32, seed=3, low=0.02, high=0.2, spread=0.7)")),
        Case("ring", edm, law_of("ring")),
        Case("16-d mixture", edm, smooth),
        Case("16-d mixture on VP", vp, smooth),
        Case("... sigma_data 1.4 too large", edm, smooth, 1.4),
        Case("... sigma_data 2.6 too large", edm, smooth, 2.6),
        Case("... sigma_data 2.6 too small", edm, smooth, 1 / 2.6),
        Case("... network wrong by 0.03", edm, Imperfect(smooth, 0.03)),
        Case("... network wrong by 0.1", edm, Imperfect(smooth, 0.1)),
        Case("digits", edm, digits),
        Case("digits, phase space", psld, digits),
        Case("two modes, phase space", psld, law_of("two-modes")),
        Case("16-d mixture, phase space", psld, smooth),
    ]


def log_errors(members: Sequence[Member], tuning: Sequence[Case], what: str) -> Floats:
    """(members, budgets): mean over the laws of the logarithm of the error, inf where a budget cannot be spent."""
    table = np.zeros((len(members), len(BUDGETS)))
    for i, member in enumerate(tqdm(members, desc=f"tuning {what}")):
        for case in tuning:
            errors = [record["error"] for record in case.curve(member, BUDGETS)]
            table[i] += [np.inf if e is None else np.log(e) / len(tuning) for e in errors]
    return table


def choose(space: str) -> dict[str, dict[str, Any]]:
    """For each side the best member at each budget, and the best one for all budgets, on the tuning laws."""
    tuning = [Case(name, process(space), law_of(name)) for name in TUNING]
    sides = {"rest": members_of_rest(tuning[0].process), "frame": members_of_frame(space == "psld")}
    default = frame("abm", 2, 1.4, space == "psld")
    chosen: dict[str, dict[str, Any]] = {"k = 2": {"each": dict.fromkeys(BUDGETS, default), "one": default}}
    for side, members in sides.items():
        table = log_errors(members, tuning, f"{side} on {space}")
        usable = np.where(np.isfinite(table), table, np.log(10.0))
        chosen[side] = {
            "each": {n: members[int(np.argmin(table[:, j]))] for j, n in enumerate(BUDGETS)},
            "one": members[int(np.argmin(usable.mean(axis=1)))],
        }
    return chosen


def judge(case: Case, chosen: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A record a side and budget: error and median of the member chosen for the budget, and of the one for all."""
    records = []
    for side in SIDES:
        one = case.curve(chosen[side]["one"], BUDGETS)
        for n, common in zip(BUDGETS, one, strict=True):
            member = chosen[side]["each"][n]
            (own,) = case.curve(member, [n])
            records.append(
                {"case": case.name, "side": side, "nfe": n, "member": str(member)}
                | {key: own[key] for key in ("error", "median")}
                | {f"{key} of one": common[key] for key in ("error", "median")}
            )
    return records


def table_of(records: Sequence[Mapping[str, Any]], key: str) -> str:
    """A line a case: the errors of the sides at each budget; then how often, and how far, the frame is better."""
    found = {(r["case"], r["side"], r["nfe"]): np.nan if r[key] is None else r[key] for r in records}
    names = list(dict.fromkeys(r["case"] for r in records))
    errors = np.array([[[found[name, side, n] for n in BUDGETS] for side in SIDES] for name in names])
    rows = [
        [name, *(" / ".join(f"{e:.1e}" for e in own[:, j]) for j in range(len(BUDGETS)))]
        for name, own in zip(names, errors, strict=True)
    ]
    for i, side in enumerate(SIDES[1:], 1):
        ratio = np.maximum(errors[:, 0], FLOOR) / np.maximum(errors[:, i], FLOOR)
        gain, worse = np.exp(np.nanmean(np.log(ratio), axis=0)), (ratio < 1).sum(axis=0)
        rows.append([f"**rest over {side}, geometric mean**", *(f"**{g:.2g}**" for g in gain)])
        rows.append([f"laws on which {side} is worse", *(f"{w} of {len(names)}" for w in worse)])
    return tabulate(rows, ["law", *(f"NFE {n}" for n in BUDGETS)], tablefmt="github")


def page(records: Sequence[Mapping[str, Any]], chosen: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    pairs = [(space, side) for space in chosen for side in SIDES[:2]]
    choices = [[n, *(f"`{chosen[space][side]['each'][n]}`" for space, side in pairs)] for n in BUDGETS]
    choices.append(["all", *(f"`{chosen[space][side]['one']}`" for space, side in pairs)])
    told = (
        "Written by `python analysis/judge_gframe.py`. Schemes and grids are chosen on two laws, "
        f"`{TUNING[0]}` and `{TUNING[1]}`, and judged on the laws below. Cells hold the errors of the rest of the "
        "catalogue / of the frame / of its default k = 2 with p = 1.4 (not chosen blind), relative to the exact flow."
    )
    heads = ["NFE", *(f"{space}, {side}" for space, side in pairs)]
    parts = ["## Is the Gaussian frame better than the rest of the catalogue?", told]
    parts += ["### Chosen on the two laws", tabulate(choices, heads, tablefmt="github")]
    for key, title in (
        ("error", "Mean (RMS) error, members chosen for each budget"),
        ("median", "Error of the median sample, members chosen for each budget"),
        ("error of one", "Mean (RMS) error, one member of each side for all budgets"),
        ("median of one", "Error of the median sample, one member of each side for all budgets"),
    ):
        parts += [f"### {title}", table_of(records, key)]
    return "\n\n".join([*parts, "Data: [gframe.json](gframe.json)"]) + "\n"


def figure_of(records: Sequence[Mapping[str, Any]]) -> Any:
    """One panel a law: mean (solid) and median (dashed) error of the sides, members chosen for each budget."""
    from matplotlib import style
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(r["case"] for r in records))
    labels = ("rest of the catalogue", "Gaussian frame", "its default k = 2, p = 1.4 (not chosen blind)")
    with style.context(STYLE):
        figure = Figure(figsize=(11, 2.2 * (-(-len(names) // 4))), layout="constrained")
        figure.suptitle("Relative error against evaluations, members chosen on two other laws: mean, median dashed")
        axes = figure.subplots(-(-len(names) // 4), 4, squeeze=False).ravel()
        for ax, name in zip(axes, names, strict=False):
            for i, (side, label) in enumerate(zip(SIDES, labels, strict=True)):
                own = [r for r in records if (r["case"], r["side"]) == (name, side)]
                for key, line in (("error", "-"), ("median", "--")):
                    values = [np.nan if r[key] is None else max(r[key], FLOOR) for r in own]
                    ax.loglog(BUDGETS, values, line, color=f"C{i}", label=label if key == "error" else None)
            ax.set_title(name, fontsize=8)
            ax.set_xlabel("network evaluations", fontsize=7)
            ax.set_ylabel("relative error", fontsize=7)
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main() -> None:
    spaces = {"edm": choose("edm"), "psld": choose("psld")}
    records = []
    for case in tqdm(judged(), desc="judging"):
        records += judge(case, spaces["psld" if case.process.blocks > 1 else "edm"])
    choices = {
        space: {side: {n: str(m) for n, m in own["each"].items()} | {"all": str(own["one"])} for side, own in c.items()}
        for space, c in spaces.items()
    }
    facts = {"command": "python analysis/judge_gframe.py", "versions": versions(PACKAGES), "tuning": TUNING}
    write_json(FIGURES / "gframe.json", facts | {"chosen": choices, "data": records})
    write(FIGURES / "gframe.md", page(records, spaces))
    write_figure(FIGURES / "gframe.png", figure_of(records))


if __name__ == "__main__":
    main()
