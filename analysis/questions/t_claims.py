"""P1 and P2, samplers compared (arXiv:2310.07894, arXiv:2402.07211): where do the claims hold that laws do not show?

By FID of images CVV is ahead of RVV, COBA of ROBA on two data sets of three, and SSCS is far behind ROBA. With an exact
network, the quadratic grid, lambda = 0 and lambda_s = 1 the W2 distance in law says the opposite of all three. A run on
Gaussian data acts on each scale s0 of the data by itself: a scheme with the smaller |T(s0)| at every scale is ahead on
every spectrum and in every dimension, by whatever weight of the directions. So a table of scales settles spectrum,
dimension and weight at once, for each setting of the other factors.

**What reconciles them is the measure, with tuned parameters.** W2 sees the widest directions of the data, and its order
of seven samplers has no relation to that of their FID. If the scales from 0.1 to 0.02 count alike and noise ten times
as much as blur, if all end with the denoising step and have their best lambda or lambda_s, as in the papers, the order
at 50 evaluations is that of the printed FID but for CVV and ROBA, whose FIDs are near each other. The range and the ten
were chosen with the printed order in sight. At 100 evaluations, where four FIDs are printed, the same measure does less
well: with the denoising step EM is ahead of SSCS there.

*CVV ahead of RVV.* At lambda = 0 it is so, by little, at scales of 0.5 and above, and at fine ones mostly where RVV
leaves noise, which the blur of CVV takes away: on the uniform grid without the denoising step, below 0.01 with it,
where the friction Gamma of the position is ten times that of the papers or more, and with a network that sees too
little noise; at 20 evaluations too, where both are lost. With lambda below 0 in the row of the momentum alone it is
ahead from 0.1 to 0.02 and to 0.01 in every setting that is tuned here, if noise counts as blur; if tenfold, not at 100
evaluations without the denoising step. It pays with wide scales, which come out wider by more than a third at 50
evaluations, and which a low FID cannot have: fine scales alone do not explain the printed value. Where the papers have
lambda in CVV could not be recovered; that of lambda-DDIM is above 0. In W2 on spectra CVV is behind in all settings,
and its best lambda is 0.

*COBA ahead of ROBA.* At lambda = 0 and lambda_s = 1 it is so at single scales of single settings. With both tuned, each
by itself, it is ahead from 0.1 to 0.02 with the denoising step at the Gamma of CIFAR-10 and AFHQ, at 50 and at 100
evaluations; at that of CelebA in two rows at 100 without the step. In W2 on spectra it never is: at wide scales it is
off by more, whatever the lambda and lambda_s tried.

*SSCS far behind ROBA.* At lambda_s = 1 it is so at a scale of 2, near 1 with two of the wrong networks, and at fine
ones on the uniform grid at 100 evaluations. With lambda_s tuned and the denoising step it is behind on fine scales,
where noise counts as blur by a factor of about 2 or more, near the root of the ratio of the printed FIDs at 50
evaluations: the step takes from fine scales what is missing there once more, and lambda_s puts it back in ROBA. Without
the step, and in W2 on spectra, the two are near each other. That the authors' SSCS does not advance its time in the
second half of a step is no reason: where beta is constant it is the same scheme.

*Errors of the network.* A smooth random field in the denoiser, as large as that of a rough network, moves all samplers
alike and by little (the table of samples); a factor of the noise moves those of the flow by much, those of the SDE by
little.

*Trained networks*, by the power spectra of their samples at lambda = 0 and lambda_s = 1: on digits the samplers are
hardly told apart but for the coarsest and finest frequency. On photographs they fall apart as an exact network says,
and further: CVV loses a third to four tenths of the deviation of fine frequencies, ROBA half, COBA 0.85, and COBA is
behind at every frequency; RVV and SSCS leave some noise, as the flow of the network does, most of it within the
intervals. So noise that counts tenfold puts CVV ahead of RVV and ROBA ahead of SSCS there, as FID does; noise that
counts as blur does not.

*Other grids.* On rho(3), rho(7) and log-SNR little changes: CVV is ahead of RVV at three scales at most, at 0.5 and
above or below 0.01, COBA of ROBA at none or at 2, ROBA of SSCS at 2.

lambda-DDIM on VP is what the authors' later code has (mandt-lab/c-pigdm): the formula is held against it below.

**Open:** whether FID weighs scales so, which needs the networks, the images and Inception; samplers tuned for the wide
and the fine scales at once; other places of lambda in COBA.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.stats import spearmanr

from analysis.questions.common import Curve, Panel, Record, Tables, derived, panels_figure, subject_of
from numtoolkit import Scheme, grid, power_ratio, process, program_of, sample, spectrum_of, symbol, transfer, word
from numtoolkit.arrays import Floats
from numtoolkit.declare.entries import covariance, flow, op
from numtoolkit.declare.forms import combine
from numtoolkit.declare.steps import Noise, Step
from numtoolkit.laws import Gaussian
from numtoolkit.laws.imperfect import Imperfect
from numtoolkit.measure.gaussian_moments import affine_map, exact_marginal
from numtoolkit.program.matrices import gaussian_networks, laws_along, step_maps
from numtoolkit.schemes.phase_space import CVV, SSCS, splitting
from numtoolkit.training.data import data_of

Measure = Callable[[Floats], float]
Family = dict[str, Scheme | str]  # by the text of their parameters
SCALES = (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
SPECTRA = "natural(size=8)", "natural(size=16)", "digits"
FINE = {"0.1 to 0.02": (0.1, 0.05, 0.02), "0.1 to 0.01": (0.1, 0.05, 0.02, 0.01)}
DEAR = 10.0  # what the square of noise counts beside that of blur
PAIRS = ("cvv", "rvv"), ("coba", "roba"), ("roba", "sscs")  # the first is ahead in the papers
FID = {
    50: {"roba": 2.76, "cvv": 3.21, "rvv": 14.19, "sscs": 18.83, "em": 30.81, "noba": 36.87, "nvv": 69.06},
    100: {"cvv": 2.11, "roba": 2.36, "sscs": 4.83, "em": 7.83},
}  # CIFAR-10, as the papers print it, lambda and lambda_s tuned for each number of evaluations
CELEBA = "psld(Gamma=0.005, nu=4.005)"
RISING = "psld(beta_min=0.1, beta_max=15.9)"
QUADRATIC, DENOISED = "quadratic", "quadratic(zero=1)"
EACH = "T(s0) of PSLD at 50 evaluations, exact network"
SMOOTH = (
    "T of 1024 samples of 16 coordinates at 50 evaluations, quadratic(zero=1), with a smooth random field in the "
    "denoiser, of a size over the deviation of the posterior (numtoolkit.laws.imperfect)"
)
TRAINED = (
    "T by the power spectrum of samples of trained networks over that of their data, by frequency in periods over the "
    "side, and half of the 95 % interval: 50 evaluations, quadratic(zero=1), and the flow of the network, by gddim(2) "
    "of 200"
)
WRONG = "The same with a network that sees too little noise, its output 0.97 times the exact one"
AHEAD = (
    "The scales of the data, of ten from 2 to 0.002, at which the first has the smaller |T|; lambda = 0, lambda_s = 1, "
    "one factor varied at a time"
)
TUNED = (
    "Errors with the lambda and lambda_s, of those tried, that make them least: of a spectrum the relative W2 distance "
    "in law, of scales the root mean square of T, T^2 of what is noise counted ten times where it says so. lambda is "
    "per unit of time, in the rows mm (momentum), unit (both) or ones; lambda_s is of the reading rate, or tbar"
)
ORDER = "Samplers in the order of their errors, each tuned, and in that of the printed FID on CIFAR-10; exact network"
VP_DATA = Gaussian(np.zeros(1), np.array([0.25]))


def cvv(place: str, shift: Fraction | int) -> Scheme:
    """CVV with lambda = shift in the rows of `place`: unit (both), xx (position), mm (momentum) or ones."""
    B = symbol("shift") * op(place)
    steps = splitting(word("S0 B/2 A S1 B/2", conjugation=B), word("S0 B A", conjugation=B))
    return replace(CVV, name=f"cvv-{place}", steps=steps, aliases=()).bind(shift=Fraction(shift))


def in_code() -> Scheme:
    """SSCS in time, its second half step once more that of the first half, as in the authors' code."""
    first, *middle, _, _ = SSCS.steps.inner.items
    half, R = Fraction(1, 2), op("R")
    again = Noise("again", covariance(0, half, R)), combine("end", 1, Z3=flow(0, half, R), again=1)
    steps = replace(SSCS.steps, inner=Step((first, *middle, *again), "end"))
    return replace(SSCS, name="sscs-in-code", steps=steps, clock="time")


def tuned() -> dict[str, Family]:
    """Each sampler with the parameters that are tried of it, by their text."""
    placed = [("mm", k) for k in (-1, -2, -3, -4, -5)] + [("unit", k) for k in (-6, -4, -2, -1, 1)] + [("ones", -4)]
    both = [(k, s) for k in (0, -8) for s in (1, 1.5, 2, 2.5, 3, 4)]
    readings = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2)
    found: dict[str, Family] = {name: {"": name} for name in ("rvv", "sscs", "em", "noba", "nvv")}
    found["cvv"] = {"0": "cvv"} | {f"{k} {place}": cvv(place, k) for place, k in placed}
    found["roba"] = {f"{s:g}": f"roba(lambda_s={s:g})" for s in (1, 1.5, 2, 2.5, 3, 4)}
    found["roba"] |= {f"{s:g} tbar": f"roba(tbar, lambda_s={s:g})" for s in readings}
    found["coba"] = {f"{k}, {s:g}": f"coba(shift={k}, lambda_s={s:g})" for k, s in both}
    found["coba"] |= {
        f"{k}, {s:g} tbar": f"coba(tbar, shift={k}, lambda_s={s:g})" for k in (0, -8) for s in readings[3:]
    }
    return found


@cache
def scales() -> Floats:
    """SCALES and all those of SPECTRA."""
    own = [np.sqrt(spectrum_of(name).values) for name in SPECTRA]
    return np.unique(np.concatenate([SCALES, *(s[s > 0] for s in own)]))


@cache
def T(own: Scheme | str, on: str, spacing: str, nfe: int) -> Floats:
    """T at `scales`."""
    return transfer(own, on, spacing, nfe, scales()).deviation


def at(found: Floats, chosen: Sequence[float]) -> Floats:
    """Of T at `scales` that at some of them."""
    return found[np.searchsorted(scales(), chosen)]


# --- errors, each a number of T at `scales`


def of_spectrum(name: str) -> Measure:
    """The W2 distance in law from data of a spectrum, over their deviation."""
    spectrum = spectrum_of(name)
    there = spectrum.values > 0
    variances, counts = spectrum.values[there], spectrum.multiplicity[there]

    def error(found: Floats) -> float:
        own = at(found, np.sqrt(variances))
        return float(np.sqrt((own**2 * variances) @ counts / (variances @ counts)))

    return error


def of_range(chosen: Sequence[float], noise: float) -> Measure:
    """The root mean square of T over some scales, T**2 of what is noise counted `noise` times."""

    def error(found: Floats) -> float:
        own = at(found, chosen)
        return float(np.sqrt(np.mean(own**2 * np.where(own > 0, noise, 1.0))))

    return error


def fine_measures() -> dict[str, Measure]:
    """By their names."""
    return {
        f"T from {name}{', noise tenfold' if noise > 1 else ''}": of_range(chosen, noise)
        for name, chosen in FINE.items()
        for noise in (1.0, DEAR)
    }


def measures() -> dict[str, Measure]:
    """By their names."""
    return {f"W2 on {name}": of_spectrum(name) for name in SPECTRA} | fine_measures()


# --- networks that are wrong


def wrong_network(own: Scheme | str, spacing: str, nfe: int, output: float, deviation: float) -> Floats:
    """T at SCALES with a network whose noise is `output` times the exact one of data of `deviation` times the scale."""
    program, variances = program_of(own, "psld", spacing, nfe, predicts="noise"), np.square(SCALES)
    told = gaussian_networks(program, variances * deviation**2, np.zeros(len(variances)))

    def network(time: float) -> tuple[Floats, Floats]:
        slope, offset = told[time]
        return output * slope, output * offset

    prior = np.broadcast_to(program.process.prior(), (len(variances), 2, 2))
    for _, covariances in laws_along(
        step_maps(program, network, np.ones(len(variances))), np.zeros((len(variances), 2)), prior
    ):
        last = covariances[:, 0, 0]
    exact = exact_marginal(program.process, Gaussian(np.zeros(len(variances)), variances), float(program.times[-1]))
    return np.sqrt(last / exact.covariance[:, 0, 0]) - 1


# --- what is derived


def statement() -> list[str]:
    """The second half of SSCS; lambda-DDIM on VP beside the formula of the authors' code; placements of lambda."""
    chosen = [2.0, 0.5, 0.1, 0.02]
    inside = replace(SSCS, clock="time")
    gap, apart = (
        np.abs(
            transfer(in_code(), on, DENOISED, 50, chosen).deviation
            - transfer(inside, on, DENOISED, 50, chosen).deviation
        )
        for on in ("psld", RISING)
    )
    said = [
        derived(
            gap.max() < 1e-12,
            "SSCS whose time does not advance in its second half is SSCS where beta is constant, as in all of the "
            "authors' configurations of PSLD: the same T at four scales to 1e-12.",
        ),
        derived(apart.max() > 1e-3, f"Where beta rises, on {RISING}, it is another scheme."),
    ]
    off = [
        abs(
            authors_factor(k, n)
            / affine_map(program_of(f"lambda-ddim-1({k})", "vp", QUADRATIC, steps=n), VP_DATA)[0].item()
            - 1
        )
        for k in (-1, 0, 3)
        for n in (10, 20)
    ]
    said.append(
        derived(
            max(off) < 1e-9,
            "On VP lambda-ddim-1 is what the authors' code computes, with A_t = exp(lambda t + b(t)/2), steps (1 - "
            "lambda h) A z + (Phi' - Phi) e and Phi' = A beta/(2 sigma): runs agree to 1e-9 for lambda = -1, 0 and 3.",
        )
    )
    return said


def authors_factor(shift: int, steps: int) -> float:
    """What one unit at t = 1 becomes on VP by the formula of the authors' code, data N(0, 1/4), Phi by quadrature."""
    times = grid(QUADRATIC, process("vp"), steps)

    def b(t: float) -> float:
        return 0.1 * t + 9.95 * t**2

    def A(t: float) -> float:
        return float(np.exp(shift * t + b(t) / 2))

    def rate(root: float) -> float:
        t = root**2
        beta = 0.1 + 19.9 * t
        return 2 * root * A(t) * beta / 2 / float(np.sqrt(-np.expm1(-b(t))))

    z = 1.0
    for t, end in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        alpha2 = float(np.exp(-b(t)))
        noise = z * np.sqrt(1 - alpha2) / (VP_DATA.variances.item() * alpha2 + 1 - alpha2)
        moved = quad(rate, np.sqrt(t), np.sqrt(end), epsabs=0, epsrel=1e-12)[0]
        z = ((1 - shift * (t - end)) * A(t) * z + moved * noise) / A(end)
    return float(z)


# --- what is measured


OTHERS = CELEBA, "cld", "psld(Gamma=0.1, nu=4.1)", "psld(Gamma=0.5, nu=4.5)", RISING
SPACINGS = "uniform", "uniform(zero=1)", "rho(3)", "rho(7)", "log-snr"
SETTINGS = (
    *(("evaluations", "psld", QUADRATIC, nfe) for nfe in (50, 20, 100, 200)),
    *(("denoising step", "psld", DENOISED, nfe) for nfe in (50, 100)),
    *(("grid", "psld", spacing, nfe) for spacing in SPACINGS for nfe in (50, 100)),
    *(("process", on, QUADRATIC, 50) for on in OTHERS),
)
NETWORKS = {
    "sees 0.99 of the noise": (0.99, 1.0),
    "sees 0.97 of the noise": (0.97, 1.0),
    "sees 1.03 of the noise": (1.03, 1.0),
    "exact for data 0.9 times as wide": (1.0, 0.9),
    "exact for data 1.1 times as wide": (1.0, 1.1),
}  # output over the exact one, deviation of the data that it is exact for over the true one


def written_scales(ahead: Any) -> str:
    """Those of SCALES that are marked, as ranges."""
    marked = [bool(own) for own in ahead]
    if all(marked):
        return "all"
    parts: list[str] = []
    for i, own in enumerate(marked):
        if own and (i == 0 or not marked[i - 1]):
            end = next((j for j in range(i, len(marked)) if not marked[j]), len(marked)) - 1
            parts.append(f"{SCALES[i]:g}" if i == end else f"{SCALES[i]:g} to {SCALES[end]:g}")
    return ", ".join(parts) or "none"


def compared(factor: str, setting: str, nfe: int, found: Mapping[str, Floats]) -> Record:
    """One row of who is ahead at which scales, of T at SCALES by scheme."""
    return {"factor": factor, "setting": setting, "evaluations": nfe} | {
        f"{one} ahead of {other}": written_scales(np.abs(found[one]) < np.abs(found[other])) for one, other in PAIRS
    }


def ahead_rows(
    settings: Sequence[tuple[str, str, str, int]], networks: Mapping[str, tuple[float, float]]
) -> list[Record]:
    """One factor at a time."""
    names = sorted({name for pair in PAIRS for name in pair})
    rows = [
        compared(factor, f"{on}, {spacing}", nfe, {name: at(T(name, on, spacing, nfe), SCALES) for name in names})
        for factor, on, spacing, nfe in settings
    ]
    return rows + [
        compared("network", how, 50, {name: wrong_network(name, QUADRATIC, 50, *wrong) for name in names})
        for how, wrong in networks.items()
    ]


def best(family: Family, on: str, spacing: str, nfe: int, error: Measure) -> tuple[str, float]:
    """The parameters of the least error, and that."""
    errors = {text: error(T(own, on, spacing, nfe)) for text, own in family.items()}
    least = min(errors, key=errors.__getitem__)
    return least, errors[least]


def tuned_rows() -> list[Record]:
    """Each sampler at its best, on the processes of CIFAR-10 and AFHQ, and of CelebA."""
    families, rows = tuned(), []
    for on in ("psld", CELEBA):
        for spacing in (QUADRATIC, DENOISED):
            for nfe in FID:
                for name, error in measures().items():
                    row: Record = {"process": on, "grid": spacing, "evaluations": nfe, "error": name}
                    for family in ("rvv", "cvv", "sscs", "roba", "coba"):
                        text, least = best(families[family], on, spacing, nfe, error)
                        row |= {family: least} | ({f"{family} at": text} if text else {})
                    rows.append(row)
    return rows


def order_rows() -> list[Record]:
    """How samplers come in order in each measure, and in the printed FID."""
    families, rows = tuned(), []
    for nfe, printed in FID.items():
        for spacing in (QUADRATIC, DENOISED):
            for name, error in measures().items():
                errors = {own: best(families[own], "psld", spacing, nfe, error)[1] for own in printed}
                rank = float(spearmanr(list(errors.values()), list(printed.values())).statistic)
                order = " < ".join(sorted(errors, key=errors.__getitem__))
                rows.append({"evaluations": nfe, "grid": spacing, "error": name, "order": order, "Spearman": rank})
        order = " < ".join(sorted(printed, key=printed.__getitem__))
        rows.append({"evaluations": nfe, "grid": "", "error": "FID, printed", "order": order, "Spearman": 1.0})
    return rows


DRAWN: Family = {
    **{name: name for name in ("rvv", "cvv", "sscs", "em", "roba", "coba", "noba", "nvv")},
    "cvv, lambda = -3 in the momentum": cvv("mm", -3),
    "roba, lambda_s = 2": "roba(lambda_s=2)",
    "roba, lambda_s = 1.5 (tbar)": "roba(tbar, lambda_s=1.5)",
    "coba, lambda = -8, lambda_s = 1.5 (tbar)": "coba(tbar, shift=-8, lambda_s=1.5)",
}
FLOW = "gddim(2)"  # stands for the flow of a network itself
SAMPLED = "rvv", "cvv", "sscs", "roba", "coba"
SIZES, DEVIATIONS = (0.0, 0.03, 0.1, 0.2), (0.5, 0.05)


def sampled(size: float, deviation: float) -> Record:
    """T by samples of one wrong network."""
    exact = Gaussian(np.zeros(16), np.full(16, deviation**2))
    law = Imperfect(exact, size)
    found: Record = {"size": size, "deviation of the data": deviation}
    for name in SAMPLED:
        run = sample(name, "psld", law, DENOISED, 50, seeds=range(1024), dtype=np.float64, progress=False)
        found[name] = float(np.sqrt(np.mean(np.square(np.asarray(run.samples)[:, 0]))) / deviation - 1)
    return found


NETWORKS_DRAWN = {"network:digits-psld": 512, "network:patches-psld": 48}


def trained(name: str, own: str) -> Record:
    """T by frequency, of samples of a trained network."""
    spacing, nfe = (QUADRATIC, 200) if own == FLOW else (DENOISED, 50)
    run = sample(own, "psld", subject_of(name), spacing, nfe, seeds=range(NETWORKS_DRAWN[name]), progress=False)
    data = data_of(name.removeprefix("network:").partition("-")[0]).train
    found = power_ratio(np.asarray(run.samples)[:, 0], data)
    row: Record = {"network": name, "sampler": own}
    for k, ratio, low, high in zip(found.frequency, found.ratio, found.low, found.high, strict=True):
        row[f"{k:g}"] = f"{np.sqrt(ratio) - 1:+.2f} ({(np.sqrt(high) - np.sqrt(low)) / 2:.2f})"
    return row


def numbers(quick: bool = False) -> Tables:
    """T, who is ahead where, errors with tuned parameters, and orders."""
    if quick:
        return {AHEAD: ahead_rows(SETTINGS[:2], {})}
    spacings = QUADRATIC, DENOISED
    exact = [by_scale(name, on, at(T(own, "psld", on, 50), SCALES)) for on in spacings for name, own in DRAWN.items()]
    wrong = [
        by_scale(name, on, wrong_network(own, on, 50, 0.97, 1.0)) for on in spacings for name, own in DRAWN.items()
    ]
    smooth = [sampled(size, deviation) for deviation in DEVIATIONS for size in SIZES]
    ahead = ahead_rows(SETTINGS, NETWORKS)
    drawn = [trained(name, own) for name in NETWORKS_DRAWN for own in (FLOW, *SAMPLED)]
    return {
        EACH: exact,
        WRONG: wrong,
        SMOOTH: smooth,
        TRAINED: drawn,
        AHEAD: ahead,
        TUNED: tuned_rows(),
        ORDER: order_rows(),
    }


def by_scale(name: str, spacing: str, found: Floats) -> Record:
    """One row of T at SCALES."""
    return {"sampler": name, "grid": spacing} | {f"{s:g}": float(x) for s, x in zip(SCALES, found, strict=True)}


DRAWN_FLOW = "rvv", "cvv", "cvv, lambda = -3 in the momentum", "nvv"
DRAWN_SDE = "sscs", "em", "roba", "roba, lambda_s = 1.5 (tbar)", "coba, lambda = -8, lambda_s = 1.5 (tbar)"


def picture(tables: Tables) -> Any:
    """T over scale with the denoising step: the samplers of the flow, and those of the SDE."""
    rows = {row["sampler"]: row for row in tables[EACH] if row["grid"] == DENOISED}
    panels = []
    for title, names in (("flow", DRAWN_FLOW), ("reverse SDE", DRAWN_SDE)):
        curves = [Curve(name, SCALES, [rows[name][f"{s:g}"] for s in SCALES]) for name in names]
        y = "T(s0): blur below 0, noise above"
        panels.append(Panel(title, curves, "scale s0 of the data", y, "x", 0.0, (-0.7, 0.7)))
    return panels_figure(panels, "PSLD, 50 evaluations, quadratic grid, denoising step: what is left at each scale")
