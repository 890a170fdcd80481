"""RES and IIA (arXiv:2308.02157, arXiv:2304.11328): do a smaller defect and a smaller residual make better samples?

RES judges schemes by the *defect*, the mean distance of where a run ends from where the exact flow does, and IIA fits
its coefficients to the *residual*, by how much each step misses the flow from the run's own state, over all steps;
both then show FID. Here both stand beside the sliced Wasserstein distance in law and a Frechet distance in a named
space: that of pixels, and for digits what the last layer of a trained network is given, `hidden(digits-image,
level=0.1)`, on samples and their data as FID is. Defect, its median and residuals are per coordinate.

In root mean square the defect bounds the Wasserstein distance from the flow's law, and on Gaussian data in image
space it is that distance. Elsewhere too it orders runs of one number of evaluations much as their samples do, in law
more than in features, as long as evaluations are few. With more of them the order goes, as samples of the exact flow
have a distance from the data as well, of their number and of the network's own error, below which no integrator is
seen: on the network several runs come near that with nine evaluations, and two are below it.

The residual goes with the samples less than the defect does on images and on the set of digits, at nearly all numbers
of evaluations, and about as well on the network. On digits it hardly does from nine on: there the fits take four
fifths of the residual of Heun's method away, and its Frechet distance grows. That a sum over steps weighs what is
missed at high noise, of which the flow keeps little, is not why: carried to the end by the factor of Gaussian data of
the same deviation ("carried"), residuals go no better with the samples on images and digits, and little better on the
network. What steps miss adds up, or cancels: iPNDM has the least defect of all on images and on the network, and a
residual above that of most.

A defect that is less by a third, of RES with two stages beside DPM-Solver++(2S), is a Frechet distance less by half
on images of a natural spectrum, nearly its square, and hardly a smaller one on digits and on their network, where
most of the distance is not the integrator's. With three stages and as multistep schemes RES is behind its twins in
all of these, on images and network. A further step of history in IIA-EDM moves residual and Frechet distance in
opposite directions where it moves them at all.

**Open:** networks of the size of the papers', and Inception's features, which need their weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from analysis.questions.common import Record, Tables, derived, panel_each, panels_figure, subject_of
from numtoolkit import InputError, error_curve, fit, law_of, program_of, sample, scheme
from numtoolkit.arrays import Floats
from numtoolkit.laws.named import is_law
from numtoolkit.measure import affine_map, gaussian_flow
from numtoolkit.measure.distances import Moments, frechet, sliced_wasserstein
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.measure.features import Features, features_of
from numtoolkit.measure.frechet import gathered
from numtoolkit.measure.own_networks import own_network
from numtoolkit.problem.processes import process
from numtoolkit.schemes import catalogue

HIDDEN = "hidden(digits-image, level=0.1)"
SUBJECTS = {"natural(components=16)": "pixels", "digits": HIDDEN, "network:digits-image": HIDDEN}  # and features
DATA = {"network:digits-image": "digits"}  # that a network was trained on
GRIDS, NFE, SHOWN = ("rho(7)", "log-snr"), (6, 9, 15, 30), 9
COUNT, FEW, SUBSTEPS = (
    1024,
    128,
    4,
)  # starts, those whose residuals are measured, and steps of dopri5 that a target takes
PLAIN = (
    "ddim", "heun-edm", "dpm-solver-2", "dpmpp-2s", "res-2s", "dpmpp-3s", "res-3s", "dpmpp-2m", "res-2m", "dpmpp-3m",
    "res-3m", "unipc(2)", "ipndm(3)", "deis-tab(3)",
)  # fmt: skip
FITTED = "iia-ddim(two)", "iia-dpmpp-2m", "biia-edm(1)", "iia-edm(1)", "iia-edm(2)"
TWINS = (
    ("dpmpp-2s", "res-2s"), ("dpmpp-3s", "res-3s"), ("dpmpp-2m", "res-2m"), ("dpmpp-3m", "res-3m"),
    ("ddim", "iia-ddim(two)"), ("dpmpp-2m", "iia-dpmpp-2m"), ("heun-edm", "biia-edm(1)"), ("heun-edm", "iia-edm(1)"),
    ("iia-edm(1)", "iia-edm(2)"),
)  # fmt: skip
MEASURES = "defect", "median", "residual", "carried", "in law", "Frechet"
COMPARED = (("defect", "in law"), ("defect", "Frechet"), ("median", "Frechet"), ("residual", "Frechet"),
            ("carried", "Frechet"), ("carried", "defect"))  # fmt: skip
EACH = f"{SHOWN} evaluations, rho(7), {COUNT} starts, residuals of {FEW} of them"
CHANGES = f"By how much the second scheme is below the first, {SHOWN} evaluations, rho(7)"
RANKS = "Spearman correlation over schemes and grids at one number of evaluations"


# --- what is derived


def statement() -> list[str]:
    """Defect and law on Gaussian data, residuals carried along the flow, and what phase space does to both."""
    flows = [own.spec for own in catalogue() if own.kind == "ode" and "edm" in own.processes and not own.fitted]
    on, law = process("edm"), law_of("anisotropic")
    turned = {}
    for name in flows:
        try:
            program = program_of(name, on, GRIDS[0], SHOWN)
        except InputError:  # a budget that it cannot spend
            continue
        ratios = affine_map(program, law)[0][:, 0, 0]
        turned[name] = bool((ratios < 0).any())
    straight = [name for name, own in turned.items() if not own]
    gaps = [abs(defect - distance) / distance for defect, distance in map(_gaussian_errors, straight)]
    left = [_left_over(name, law) for name in ("ddim", "heun-edm", "dpmpp-2m", "unipc(2)")]
    (record,) = error_curve("cvv", "psld", "gaussian", "quadratic", [50])
    return [
        derived(
            max(gaps) < 1e-10,
            "On centred Gaussian data in image space a run multiplies each direction by a number. Where all of these "
            "are above 0, the defect in root mean square is the Wasserstein-2 distance, and its square the Frechet "
            f"distance in pixels: so it is for {len(straight)} of {len(turned)} schemes with {SHOWN} evaluations "
            "(anisotropic Gaussian, rho(7)).",
        ),
        derived(
            max(left) < 1e-10,
            "The defect of a run is the sum of what each step misses from the run's own state, carried to the end by "
            "the exact flow: to 10 digits on Gaussian data.",
        ),
        derived(
            abs(_contraction(0.25, 80.0, 0.002) * np.hypot(0.5, 80.0) / np.hypot(0.5, 0.002) - 1) < 1e-10,
            "On the way from noise level s to the data the flow contracts by sqrt(v / (v + s^2)): of what is missed "
            f"at s = 80, data of variance 1/4 keep {_contraction(0.25, 80.0, 0.002):.2g}. A sum of residuals over "
            "steps, as it is fitted, weighs all of it.",
        ),
        derived(
            record["path"] > 10 * record["law"],
            "In phase space the flow turns near T, and a run of a wrong phase, which no sample shows, has a large "
            f"defect: cvv on PSLD, Gaussian data, 50 evaluations, one of {record['path']:.2g} of the size of the data, "
            f"and is {record['law'] / float(np.sqrt(law_of('gaussian').variance)):.2g} of their deviation off in law.",
        ),
    ]


def _gaussian_errors(name: str) -> tuple[float, float]:
    """Defect and Wasserstein-2 distance of a run from N(0, T^2), both against what the exact flow makes of it."""
    on, law = process("edm"), law_of("anisotropic")
    made = affine_map(program_of(name, on, GRIDS[0], SHOWN), law)[0][:, 0, 0]
    exact = gaussian_flow(on, law.variances, on.T, on.t_min)[:, 0, 0]  # type: ignore[attr-defined]
    prior = float(np.sqrt(on.prior()[0, 0]))
    z = prior * np.random.default_rng(0).standard_normal((4, len(made)))
    z *= prior / np.sqrt(np.mean(z**2, axis=0))  # so that moments over the starts are those of the prior
    defect = np.sqrt(np.mean(np.sum((z * made - z * exact) ** 2, axis=1)))
    distance = np.sqrt(np.sum((prior * np.abs(made) - prior * np.abs(exact)) ** 2))
    return float(defect), float(distance)


def _contraction(variance: float, start: float, end: float) -> float:
    """By which factor the exact flow of EDM takes distances from noise level `start` to `end`."""
    return float(gaussian_flow(process("edm"), np.array([variance]), start, end)[0, 0, 0])


def _left_over(name: str, law: Any) -> float:
    """How far carried residuals of a run are from its defect, relative to it."""
    on = process("edm")
    found = sample(name, on, law, GRIDS[0], SHOWN, seeds=[0, 1], trajectory=True, dtype=np.float64)
    assert found.trajectory is not None
    times, states = found.trajectory.times.tolist(), np.asarray(found.trajectory.states)

    def flow(start: float, end: float) -> Floats:
        factors: Floats = gaussian_flow(on, law.variances, start, end)[:, 0, 0]
        return factors

    missed = sum(
        (after - flow(*step) * before) * flow(step[1], times[-1])
        for before, after, step in zip(states[:-1], states[1:], pairwise(times), strict=True)
    )
    defect = states[-1] - flow(times[0], times[-1]) * states[0]
    return float(np.abs(missed - defect).max() / np.abs(defect).max())


# --- what is measured


@dataclass(frozen=True)
class Known:
    """What runs on a subject are held against: ends of its flow, samples of its law, and features of its data."""

    subject: Any
    ends: Floats
    target: Floats
    data: Moments
    deviation: float
    features: Features

    def frechet(self, samples: Floats) -> float:
        """The Frechet distance of samples from the data, in the convention of FID."""
        own = Moments.of(self.features(samples))
        return frechet(own.mean, own.covariance(), self.data.mean, self.data.covariance())


@cache
def known(name: str) -> Known:
    """Of a subject on EDM."""
    on, own = process("edm"), subject_of(name)
    seeds, others = tuple(range(COUNT)), tuple(range(COUNT, 2 * COUNT))
    law = law_of(DATA.get(name, name))
    subject = ExactNetwork(own, on) if is_law(own) else own_network(own, on, reference=others)
    ends = subject.ends(on.T, on.t_min, seeds).data
    target = subject.target(on.T, on.t_min, seeds).samples
    features = features_of(SUBJECTS[name])
    return Known(own, ends, target, gathered(law, features, 1).all, float(np.sqrt(np.mean(law.variance))), features)


def row(name: str, own: str, grid: str, nfe: int) -> Record:
    """All measures of one run on a subject."""
    about, on = known(name), process("edm")
    declared = scheme(own)
    if declared.fitted:
        declared = declared.with_table(fit(declared, on, about.subject, grid, nfe))
    run = _run(declared, about, grid, nfe=nfe, seeds=list(range(COUNT)))
    times, states = run.trajectory.times, np.asarray(run.trajectory.states)
    samples = states[-1]
    apart = np.sqrt(np.mean((samples - about.ends).reshape(COUNT, -1) ** 2, axis=1))
    residuals = np.array([
        np.mean((after - _fine(about, before, *step)) ** 2)
        for before, after, step in zip(states[:-1, :FEW], states[1:, :FEW], pairwise(times.tolist()), strict=True)
    ])  # fmt: skip
    kept = (about.deviation**2 + times[-1] ** 2) / (about.deviation**2 + times[1:] ** 2)
    return {
        "subject": name,
        "scheme": own,
        "grid": grid,
        "NFE": nfe,
        "defect": float(apart.mean()),
        "median": float(np.median(apart)),
        "residual": float(np.sqrt(residuals.sum())),
        "carried": float(np.sqrt((kept * residuals).sum())),
        "in law": sliced_wasserstein(samples, about.target).value,
        "Frechet": about.frechet(samples),
    }


def _run(declared: Any, about: Known, grid: Any, **how: Any) -> Any:
    """A run in float64 with its states, from seeds or from a start on the host."""
    dtype: Any = np.float64
    if not is_law(about.subject):
        import torch

        dtype = torch.float64
        how = {key: torch.as_tensor(own) if key == "start" else own for key, own in how.items()}
    how = how if "start" in how else how | {"dtype": dtype}
    return sample(declared, "edm", about.subject, grid, trajectory=True, progress=False, **how)


def _fine(about: Known, states: Floats, start: float, end: float) -> Floats:
    """Where the flow takes states, to what SUBSTEPS steps of dopri5 of equal length in log-SNR leave."""
    found = _run("dopri5", about, np.geomspace(start, end, SUBSTEPS + 1), start=states)
    return np.asarray(found.samples)


def numbers(quick: bool = False) -> Tables:
    """Measures of every run, changes between twins, and rank correlations."""
    if quick:
        return {EACH: [shown(row(next(iter(SUBJECTS)), PLAIN[0], GRIDS[0], SHOWN))]}
    rows = [row(name, *pair, nfe) for name in SUBJECTS for nfe in NFE for pair in pairs()]
    alike = [own for own in rows if (own["NFE"], own["grid"]) == (SHOWN, GRIDS[0])]
    return {
        EACH: [own for name in SUBJECTS for own in (flow(name), *(shown(r) for r in alike if r["subject"] == name))],
        CHANGES: [changed(name, *twins, alike) for name in SUBJECTS for twins in TWINS],
        RANKS: [ranked(name, nfe, rows) for name in SUBJECTS for nfe in NFE],
    }


def pairs() -> list[tuple[str, str]]:
    """Schemes and grids; coefficients are fitted on the grid of the paper."""
    return [(own, grid) for grid in GRIDS for own in PLAIN] + [(own, GRIDS[0]) for own in FITTED]


def flow(name: str) -> Record:
    """What samples of a subject's own flow have, from the same starts."""
    about = known(name)
    own = {"in law": sliced_wasserstein(about.ends, about.target).value, "Frechet": about.frechet(about.ends)}
    return {"subject": name, "scheme": "exact flow"} | dict.fromkeys(MEASURES) | own


def shown(found: Record) -> Record:
    """Without what the caption says."""
    return {key: value for key, value in found.items() if key not in ("grid", "NFE")}


def changed(name: str, first: str, second: str, rows: list[Record]) -> Record:
    """By which part each measure of the second scheme is below that of the first."""
    one, other = ({own["scheme"]: own for own in rows if own["subject"] == name}[key] for key in (first, second))
    return {"subject": name, "first": first, "second": second} | {m: 1 - other[m] / one[m] for m in MEASURES}


def ranked(name: str, nfe: int, rows: list[Record]) -> Record:
    """How measures order the runs of one subject and number of evaluations alike."""
    own = [r for r in rows if (r["subject"], r["NFE"]) == (name, nfe)]
    found = {f"{one}, {other}": float(spearmanr([r[one] for r in own], [r[other] for r in own]).statistic)
             for one, other in COMPARED}  # fmt: skip
    return {"subject": name, "NFE": nfe, "runs": len(own)} | found


def picture(tables: Tables) -> Any:
    """Rank correlations by evaluations, a panel a subject."""
    rows = [
        {"subject": own["subject"], "NFE": own["NFE"], "measures": f"{one}, {other}", "rank": own[f"{one}, {other}"]}
        for own in tables[RANKS]
        for one, other in COMPARED
    ]
    panels = panel_each(
        rows, "subject", list(SUBJECTS), ("measures", "NFE", "rank"), "network evaluations (NFE)",
        "Spearman correlation", logarithmic="x", level=0.0, limits=(-0.55, 1.05), ticks=NFE,
    )  # fmt: skip
    return panels_figure(panels, "Do defect and residual order schemes as their samples do?")
