"""What the file of the blind judging is filled from: the pairs that lead on the development set, and digests.

    python analysis/judging.py measure      # errors of all pairs on the development set, into leading.json
    python analysis/judging.py lead         # the rows `pairs` of each group of experiments/judging.toml
    python analysis/judging.py spectra      # the spectrum of each law, and of a pilot run of each network, to judge on
    python analysis/judging.py digests NAME # the digest of each law, network or spectrum
    python analysis/judging.py keep         # once it was run: rule and figures, into numtoolkit/measure/judged.json

Nothing here runs a scheme on a law or network to be judged on, but for the pilot runs, which all that is known of a
network comes from.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit.files.result_store import Store
from numtoolkit.files.storage import read_json, write
from numtoolkit.files.versions import versions
from numtoolkit.laws import law_of
from numtoolkit.laws.spectra import spectrum_of
from numtoolkit.measure.candidates import informed, scale_of
from numtoolkit.measure.judged import KEPT as JUDGED
from numtoolkit.models.by_reference import checkpoint_of, network_of
from numtoolkit.problem.processes import process as process_of
from numtoolkit.reproduce import work
from numtoolkit.reproduce.job import PACKAGES
from numtoolkit.reproduce.judging import NETWORKS, WITHOUT, identity
from numtoolkit.reproduce.subjects import conditions_of, guided
from numtoolkit.sampling.pilot import pilot
from numtoolkit.schemes import catalogue

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "experiments" / "judging.toml"
KEPT = ROOT / "experiments" / "judging" / "leading.json"
RESULT = ROOT / "figures" / "judging.json"
SIDE = "sigma_data={s}, mean={m}"


@dataclass(frozen=True)
class Subject:
    """A law or a network of the development set; mean and deviation of the data of a network."""

    process: str
    law: str
    nfe: tuple[int, ...] = (5, 10, 20, 40)
    samples: int = 64
    moments: tuple[float, float] | None = None
    few: bool = False  # the leading schemes of the others alone
    dtype: str = "float64"


@dataclass(frozen=True)
class Group:
    """Of the file: its pairs are as many as `count`, the best of all at each subject, budget and quantity in turn."""

    name: str
    process: str
    dynamics: str
    count: int
    quantities: tuple[str, ...]
    grids: tuple[str, ...]
    schemes: tuple[str, ...]  # beside those of the catalogue
    subjects: tuple[Subject, ...]


LAWS = "mixture()", "natural(components=16)", "anisotropic"
DIGITS, PATCHES = (-0.4, 0.54), (-0.18, 0.68)
IMAGE_GRIDS = ("log-snr", "rho(7)", "log-snr(zero=1)", "rho(7, zero=1)", "angle({s}, power=1.4, zero=1)", "uniform")
PHASE_GRIDS = ("quadratic", "log-snr", "rho(7)", "angle({s}, power=1.4)", "uniform")
FRAMES = tuple(f"{name}({k}, {SIDE})" for name in ("gframe-ab", "gframe-abm") for k in (2, 3))
GROUPS = (
    Group(
        "image, flow", "edm", "ode", 30, ("path", "median"), IMAGE_GRIDS,
        ("unipc(3)", "ipndm(2)", "ipndm(3)", "deis-tab(2)", *FRAMES),
        (
            *(Subject("edm", law) for law in LAWS),
            Subject("edm", "network:digits-image", (5, 10, 20), 32, DIGITS, few=True, dtype="float32"),
            Subject("flow", "network:digits-flow", (5, 10, 20), 32, DIGITS, few=True, dtype="float32"),
            Subject("edm", "network:patches-image", (5, 10, 20), 16, PATCHES, few=True, dtype="float32"),
        ),
    ),
    Group(
        "image, noise", "edm", "sde", 12, ("law",), ("log-snr", "rho(7)", "rho(7, zero=1)"),
        (f"gframe-ab(2, tau=1, {SIDE})",),
        tuple(Subject("edm", law, (5, 10, 30), 128) for law in LAWS),
    ),
    Group(
        "phase space, flow", "psld", "ode", 15, ("path", "law"), PHASE_GRIDS, ("gddim(1)", "gddim(3)", *FRAMES),
        (
            *(Subject("psld", law) for law in LAWS),
            Subject("psld", "network:digits-psld", (5, 10, 20), 40, DIGITS, few=True, dtype="float32"),
        ),
    ),
    Group(
        "phase space, noise", "psld", "sde", 8, ("law",), ("quadratic", "log-snr", "uniform"),
        (f"gframe-ab(2, tau=1, {SIDE})",),
        tuple(Subject("psld", law, (5, 10, 30), 128) for law in LAWS),
    ),
)  # fmt: skip
RANK, OUTPUTS = 16, 64  # of spectra; of a pilot run
LOST = 10.0  # times the best that an error counts at most
BEST_OF = 3  # pairs of each subject and budget whose schemes run on the dear ones too


def schemes_of(group: Group) -> list[str]:
    """All that compete."""
    kind = process_of(group.process).kind
    own = [s for s in catalogue() if kind in s.kinds and s.kind == group.dynamics and not s.fitted]
    return list(dict.fromkeys([informed(s) for s in own if s.family not in WITHOUT] + list(group.schemes)))


def measured(group: Group, subject: Subject, schemes: list[str], store: Store) -> Iterator[dict[str, Any]]:
    """A row a pair: its errors by budget."""
    mean, deviation = subject.moments or scale_of(law_of(subject.law))

    def told(text: str) -> str:
        return text.replace("{s}", f"{deviation:.4f}").replace("{m}", f"{mean:.4f}")

    metric = None if "law" in group.quantities else "path"
    for scheme in schemes:
        cell = work.curve_cell(
            told(scheme), subject.process, subject.law, [told(grid) for grid in group.grids], subject.nfe,
            subject.samples, dtype=subject.dtype, metric=metric,
        )  # fmt: skip
        if store.find(cell) is None:
            store.compute(cell, work.compute)
        found = store.find(cell)
        assert found is not None
        for i, grid in enumerate(group.grids):
            rows = work.curve_records(told(scheme), found.data, i)
            errors = {q: [row["error" if q == metric else q] for row in rows] for q in group.quantities}
            yield {"scheme": scheme, "grid": grid, "errors": errors}


def order(rows: list[dict[str, Any]], quantity: str, place: int) -> list[tuple[str, str]]:
    """The pairs of a subject from the best to the worst at one budget."""
    values = [row["errors"][quantity][place] for row in rows]
    errors = np.array([np.inf if value is None else value for value in values])
    return [(rows[i]["scheme"], rows[i]["grid"]) for i in np.argsort(errors, kind="stable") if np.isfinite(errors[i])]


def leading(group: dict[str, Any], count: int, quantities: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every subject, budget and quantity names its best pair, then its second, and so on, until there are enough."""
    orders = [
        order(own["pairs"], q, i)
        for own, q in product(group.values(), quantities)
        for i in range(len(own["nfe"]))
    ]  # fmt: skip
    named = (own[rank] for rank in range(max(map(len, orders))) for own in orders if rank < len(own))
    return list(dict.fromkeys(named))[:count]


def default(group: dict[str, Any], quantities: tuple[str, ...]) -> tuple[str, str]:
    """The published pair, one that is not of the Gaussian frame, with the least mean logarithm of its error.

    Over all subjects, budgets and quantities; in none of them an error counts as more than LOST times the best.
    """
    scores: dict[tuple[str, str], list[float]] = {}
    for own, q in product(group.values(), quantities):
        pairs = [(row["scheme"], row["grid"]) for row in own["pairs"]]
        errors = np.array([[np.inf if e is None else e for e in row["errors"][q]] for row in own["pairs"]])
        ratios = np.log(np.minimum(errors / errors.min(axis=0), LOST))
        for pair, row in zip(pairs, ratios, strict=True):
            scores.setdefault(pair, []).extend(row)
    most = max(map(len, scores.values()))
    able = {pair: np.mean(row) for pair, row in scores.items() if len(row) == most and not pair[0].startswith("gframe")}
    return min(able, key=lambda pair: able[pair])


def measure(cells: Path) -> None:
    """Errors on the development set, into KEPT."""
    store, found = Store(cells, versions(PACKAGES)), {}
    for group in GROUPS:
        own: dict[str, Any] = {}
        for subject in sorted(group.subjects, key=lambda one: one.few):
            schemes = schemes_of(group)
            if subject.few:
                best = {pair for one in own.values() for q in group.quantities for i in range(len(one["nfe"]))
                        for pair in order(one["pairs"], q, i)[:BEST_OF]}  # fmt: skip
                schemes = [scheme for scheme in schemes if scheme in {name for name, _ in best}]
            print(group.name, subject.law, len(schemes), flush=True)
            rows = list(measured(group, subject, schemes, store))
            own[subject.law] = {"process": subject.process, "nfe": list(subject.nfe), "samples": subject.samples,
                                "pairs": rows}  # fmt: skip
        found[group.name] = own
        text = json.dumps(found).replace('{"scheme"', '\n{"scheme"')  # a line a pair
        write(KEPT, f"{text}\n")


def lead() -> None:
    """The rows of pairs, as TOML."""
    found = read_json(KEPT)
    for group in GROUPS:
        print(f"# {group.name}: default {default(found[group.name], group.quantities)}\npairs = [")
        for scheme, grid in leading(found[group.name], group.count, group.quantities):
            print(f'    {{ scheme = "{scheme}", grid = "{grid}" }},')
        print("]")


def spectra() -> None:
    """A file for each subject of FILE that names one: of rank RANK, or of every direction where there are no more."""
    for own in tomllib.loads(FILE.read_text(encoding="utf-8"))["subjects"]:
        if checkpoint_of(own["law"]) is None:
            law = law_of(own["law"])
            found = spectrum_of(law, RANK if law.mean.size > RANK else None)
        else:
            network, classes = guided(network_of(own["law"]), own.get("guidance", 1.0)), own.get("classes", 0)
            told = {"conditions": conditions_of(classes, OUTPUTS)} if classes else {}
            found = pilot(network, own["process"], outputs=OUTPUTS, **told).spectrum()
        print(found.save(ROOT / own["spectrum"]))


def keep() -> None:
    """The rows of the rule for networks, the default, and the error of the first over that of the second on each."""
    table, found = tomllib.loads(FILE.read_text(encoding="utf-8")), read_json(RESULT)["data"]
    groups = []
    for own in table["groups"]:
        rows = [row for row in own["rule"] if row.get("on", NETWORKS) == NETWORKS]
        over: dict[str, dict[int, list[float]]] = {}
        for record in found["records"]:
            if record["group"] == own["name"] and record["network"]:
                at = over.setdefault(record["quantity"], {}).setdefault(record["nfe"], [])
                at.append(record["over default"][0])
        groups.append({
            "kind": process_of(own["process"]).kind.name, "dynamics": own["dynamics"], "default": own["default"],
            "rule": [{key: row[key] for key in ("first", "scheme", "grid")} for row in rows], "over": over,
        })  # fmt: skip
    write(JUDGED, json.dumps({"groups": groups}, indent=1) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "lead", "spectra", "digests", "keep"))
    parser.add_argument("names", nargs="*", help="of digests")
    parser.add_argument("--cells", type=Path, default=ROOT / "analysis" / "cells", help="folder of results of measure")
    given = parser.parse_args()
    if given.what == "measure":
        measure(given.cells)
    elif given.what == "lead":
        lead()
    elif given.what == "spectra":
        spectra()
    elif given.what == "keep":
        keep()
    else:
        for name in given.names:
            print(f"{identity(name)}  {name}")


if __name__ == "__main__":
    main()
