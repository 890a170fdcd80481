"""Whatever is put in the place of an argument, the answer is a result or one sentence: no foreign exception."""

from __future__ import annotations

import hashlib
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import numtoolkit as nt
from tests.support.bad_values import bad_values

pytestmark = pytest.mark.check


@dataclass(frozen=True)
class Entry:
    """A call that is right, by keywords: each of its arguments is spoilt in turn."""

    call: Callable[..., Any]
    good: dict[str, Any] = field(default_factory=dict)
    apart: tuple[str, ...] = ()  # parameters for Python's own kind of error, such as a callback's own


HEUN = nt.runge_kutta([0, 1], [[], [1]], ["1/2", "1/2"])
RUN = {"scheme": "ddim", "process": "edm", "network": "gaussian(dim=2)", "grid": "rho(7)", "nfe": 3}
NUMPY = {"seeds": [0, 1], "dtype": np.float64}
LINE = [nt.error_curve("ddim", "edm", "gaussian(dim=2)", "rho(7)", [5, 9])][0]
TRANSFER = nt.transfer("ddim", "edm", "rho(7)", 3, [1.0, 0.1])
DEFECTS = nt.step_defects("ddim", "edm", "gaussian", "rho(7)", 3)
WEIGHTS = Path(tempfile.mkdtemp(prefix="numtoolkit-")) / "net.pt"
torch.save({"ema": torch.nn.Linear(2, 2).state_dict()}, WEIGHTS)
RECIPE = WEIGHTS.with_name("own.toml")
np.savez(WEIGHTS.with_name("own.npz"), images=np.random.default_rng(0).normal(size=(64, 2)))
RECIPE.write_text(
    f"data = '{WEIGHTS.with_name('own.npz')}'\nprocess = 'edm'\npredicts = 'data'\narchitecture = 'mlp'\n"
    "width = 16\ndepth = 1\nsteps = 2\nwarmup = 1\n"
)
IMAGES = np.random.default_rng(0).normal(size=(6, 4, 4))
ROWS = np.random.default_rng(1).normal(size=(50, 2, 2))
MAP = nt.stability("ddim", size=8)
(PLANE,) = nt.stability("ddim", kind="diffusion", size=10)
ENTRIES = {
    "add_noise": Entry(nt.add_noise, {"process": "edm", "x0": np.ones((2, 3)), "t": 1.0, "seeds": [0, 1], "draw": 0}),
    "condition": Entry(nt.condition, {"scheme": "ddim", "process": "psld", "grid": "quadratic", "nfe": 3}),
    "condition of steps": Entry(lambda steps: nt.condition("ddim", "psld", "quadratic", steps=steps), {"steps": 3}),
    "conditions": Entry(nt.conditions, {"scheme": "rk4", "order": 3, "kind": "classical", "ratios": None}),
    "conjugate_stability": Entry(nt.conjugate_stability, {"scheme": "lambda-ddim-1(shift=1)"}),
    "conjugate_steps": Entry(
        nt.conjugate_steps, {"scheme": "lambda-ddim-1", "process": "psld", "variance": 0.25, "t": [0.5]}
    ),
    "frechet_distance": Entry(
        nt.frechet_distance,
        {"x": np.linspace(0, 1, 160).reshape(40, 4), "y": ROWS, "features": "pixels"},
    ),
    "frozen_eigenvalues": Entry(
        nt.frozen_eigenvalues, {"scheme": "euler", "process": "psld", "variance": 0.25, "t": [0.5, 1.0]}
    ),
    "derive": Entry(nt.derive, {"family_or_name": "exponential-rk(stages=2)", "order": 1, "kind": "stiff_strong"}),
    "embedded": Entry(nt.embedded, {"scheme": "res-2s", "history": 1, "phis": 3}),
    "explicit_runge_kutta": Entry(nt.explicit_runge_kutta, {"stages": 2, "nodes": ["0", "1/2"]}),
    "exponential_adams": Entry(nt.exponential_adams, {"k": 2, "corrector": False}),
    "exponential_rk": Entry(nt.exponential_rk, {"stages": 2, "nodes": ["0", "1/2"], "phis": 3}),
    "local_error": Entry(nt.local_error, {"scheme": "ddim", "form": "trees"}),
    "modified_equation": Entry(nt.modified_equation, {"scheme": "A B", "order": 3}),
    "order_star": Entry(nt.order_star, {"scheme": "ddim", "linear": 0.0, "size": 8, "window": (-5.0, 5.0, 5.0)}),
    "optimal_stability_polynomial": Entry(
        nt.optimal_stability_polynomial, {"eigenvalues": [-1.0, -0.5 + 0.5j, -0.3, -0.1], "stages": 2, "order": 1}
    ),
    "palindrome": Entry(nt.palindrome, {"word": "A B A"}),
    "simplifying_assumptions": Entry(nt.simplifying_assumptions, {"scheme": "rk4"}),
    "stability_function": Entry(nt.stability_function, {"scheme": "ddim", "z": "-1/3"}),
    "stability_function of a tableau": Entry(
        nt.stability_function, {"A": [["5/12", "-1/12"], ["3/4", "1/4"]], "b": ["3/4", "1/4"], "name": "radau-iia-2"}
    ),
    "stability_function of a multistep method": Entry(
        nt.stability_function, {"rho": ["1/3", "-4/3", 1], "sigma": [0, 0, "2/3"]}
    ),
    "start_noise": Entry(
        nt.start_noise, {"process": "edm", "seeds": [0, 1], "shape": (2,), "t": 1.0, "dtype": np.float64}
    ),
    "Adaptive": Entry(nt.Adaptive, {"tolerance": 1e-2, "absolute": 1e-3, "pilot": 2, "seed": 3, "most": 500}),
    "adaptive_grid": Entry(
        nt.adaptive_grid,
        {
            "scheme": "res-2s",
            "process": "edm",
            "network": "gaussian(dim=2)",
            "adaptive": 0.1,
            "grid": "rho(7)",
            "nfe": 8,
            "shape": 2,
            "dtype": np.float64,
        },
    ),
    "companion": Entry(nt.companion, {"E0": nt.phi(1)}),
    "Claims": Entry(nt.Claims, {"classical": 1, "refuted": ("stiff_strong",)}),
    "Network": Entry(
        nt.Network,
        {
            "function": lambda z, t: z,
            "predicts": "data",
            "sees": "state",
            "clock": lambda t: t,
            "time": "float",
            "shape": (2,),
            "process": "vp",
            "name": "own",
        },
    ),
    "Param": Entry(
        nt.Param,
        {
            "name": "c2",
            "default": Fraction(1, 2),
            "low": Fraction(0),
            "high": Fraction(1),
            "open": True,
            "meaning": "node",
            "free": True,
        },
    ),
    "Scheme": Entry(
        nt.Scheme,
        {
            "name": "own",
            "family": "plain",
            "source": "a book",
            "steps": HEUN,
            "frozen": "drift",
            "claims": nt.Claims(classical=2),
            "aliases": ("mine",),
            "kinds": ("scalar",),
        },
    ),
    "Steps": Entry(nt.Steps, {"inner": HEUN, "start": (HEUN,), "final": (HEUN,), "remainder": ((HEUN,),)}),
    "curve_figure": Entry(
        nt.curve_figure, {"records": LINE, "title": "title", "quantities": ("error",), "slopes": (1,)}
    ),
    "error_curve": Entry(
        nt.error_curve,
        RUN | {"nfe": [3], "seeds": [0, 1], "metric": "path"},
    ),
    "error_curve of a network": Entry(
        nt.error_curve,
        RUN
        | {"network": nt.Network(lambda z, t: 0.1 * z, "data"), "nfe": [3], "seeds": [0, 1], "metric": "path"}
        | {"shape": (2,), "dtype": np.float64, "tolerance": 1e-3, "tile": 2},
    ),
    "error_curve of a network that is told labels": Entry(
        nt.error_curve,
        RUN
        | {"network": nt.Network(lambda z, t, labels: labels[:, None] * z, "data", shape=(2,)), "nfe": [3]}
        | {"conditions": [0.1, 0.2], "metric": "path", "dtype": np.float64, "tolerance": 1e-3},
        apart=("conditions",),  # of a list that is no array the network says what it cannot do with it
    ),
    "error_curve of a network beside a reference": Entry(
        lambda reference: nt.error_curve(
            *("ddim", "edm", nt.Network(lambda z, t: 0.1 * z, "data", shape=(2,), name="tenth"), "rho(7)", [3]),
            *(range(40),),
            reference=reference,
            dtype=np.float64,
            tolerance=1e-2,
        ),
        {"reference": list(range(40, 60))},
    ),
    "error_curve of a program": Entry(
        nt.error_curve, {"scheme": nt.program_of("ddim", "edm", "rho(7)", 3), "network": "gaussian(dim=2)"}
    ),
    "error_curve of a network in torch": Entry(
        nt.error_curve,
        RUN
        | {"network": nt.Network(lambda z, t: 0.1 * z, "data", shape=(2,)), "nfe": [3], "seeds": [0, 1]}
        | {"device": "cpu", "dtype": None},
    ),
    "foreign_network": Entry(
        nt.foreign_network,
        {"net": torch.nn.Linear(2, 2), "convention": "noise(clock=1000)", "checkpoint": str(WEIGHTS), "process": "vp"}
        | {"part": "ema", "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()},
    ),
    "fit": Entry(
        nt.fit, RUN | {"scheme": "iia-ddim", "seeds": [5, 6, 7], "substeps": 2, "ridge": 0.0, "cut": 1e-4, "tile": 2}
    ),
    "fit from states": Entry(
        lambda start: nt.fit(**RUN | {"scheme": "iia-ddim", "substeps": 2}, start=start), {"start": np.ones((4, 2))}
    ),
    "grid": Entry(nt.grid, {"text": "rho(7)", "process": "edm", "steps": 3}),
    "grid of a spectrum": Entry(lambda **own: nt.grid("spectral", "edm", 3, **own), {"spectrum": ([1.0, 0.1], [1, 3])}),
    "grid of sigmas": Entry(nt.grid, {"sigmas": [9.0, 3.0, 0.0], "process": "edm"}),
    "image_grid": Entry(
        nt.image_grid,
        {"panels": {"a": (np.zeros((8, 4, 4)), np.zeros(8, bool))}, "title": "title", "columns": 8, "across": 1},
    ),
    "judge": Entry(nt.judge, {"network": "network:digits-image", "data": "digits", "copies": 1, "seed": 0}),
    "law": Entry(nt.law, {"text": "mixture(dim=2)"}),
    "law_of": Entry(nt.law_of, {"text": "gaussian"}),
    "moments": Entry(
        nt.moments, {"scheme": "ddim", "process": "edm", "law": "gaussian(dim=2)", "grid": "rho(7)", "nfe": 3}
    ),
    "multistep": Entry(lambda first, then: nt.multistep(first, then), {"first": [1], "then": ["3/2", "-1/2"]}),
    "network_of": Entry(nt.network_of, {"network": "gaussian(dim=2)"}),
    "number": Entry(nt.number, {"value": "1/3"}),
    "phi": Entry(nt.phi, {"k": 1, "c": 1}),
    "pilot": Entry(
        nt.pilot,
        {"network": "gaussian(dim=3)", "process": "edm", "scheme": "ddim", "grid": "rho(7)", "nfe": 3}
        | {"outputs": 4, "seed": 5, "shape": 3, "dtype": np.float64},
    ),
    "power_ratio": Entry(nt.power_ratio, {"samples": IMAGES, "data": IMAGES[::-1] * 1.5}),
    "process": Entry(nt.process, {"text": "vp(beta_max=12)"}),
    "process of a table": Entry(nt.process, {"betas": np.linspace(1e-4, 0.02, 20), "scaling": "vp"}),
    "program_of": Entry(
        nt.program_of, {k: v for k, v in RUN.items() if k != "network"} | {"predicts": "data", "denoise": True}
    ),
    "runge_kutta": Entry(nt.runge_kutta, {"c": [0, 1], "A": [[], [1]], "b": ["1/2", "1/2"]}),
    "sample": Entry(
        nt.sample,
        RUN
        | NUMPY
        | {
            "shape": (2,),
            "update": "plain",
            "denoise": True,
            "batch": 1,
            "progress": False,
            "on_nonfinite": "mark",
            "into": np.zeros((2, 2)),
        },
    ),
    "sample from a start": Entry(nt.sample, RUN | {"start": np.ones((2, 2)), "seeds": [3, 4]}),
    "sample watched": Entry(
        nt.sample,
        RUN
        | NUMPY
        | {
            "network": nt.Network(lambda z, t, labels: labels[:, None] * z, "data", shape=(2,), time="float"),
            "start": np.ones((2, 2)),
            "strength": 0.7,
            "conditions": [0.1, 0.2],
            "callback": lambda progress: None,
            "trajectory": True,
            "grad": False,
            "dtype": None,
        },
        apart=("callback",),
    ),
    "sample adaptively": Entry(
        nt.sample, {k: v for k, v in (RUN | NUMPY).items() if k != "nfe"} | {"scheme": "res-2s", "adaptive": 0.1}
    ),
    "sample in torch": Entry(nt.sample, RUN | {"seeds": [3, 4], "dtype": None, "device": "cpu", "update": "fused"}),
    "scheme": Entry(nt.scheme, {"text": "res-2s(c2=1/3)"}),
    "search": Entry(
        nt.search,
        {
            "scheme": "res-2s",
            "process": "edm",
            "network": "gaussian(dim=2)",
            "grid": "rho(7)",
            "nfe": [4],
            "parameter": "c2",
            "bounds": (0.2, 1.0),
            "metric": "path",
        },
    ),
    "Spectrum": Entry(
        nt.Spectrum,
        {"mean": np.zeros(3), "values": [1.0, 0.1], "multiplicity": [1, 2], "basis": np.eye(3)[:, :1]}
        | {"source": "own", "nfe_pilot": 3},
    ),
    "pilot and its spectrum": Entry(nt.pilot("gaussian(dim=3)", "edm", nfe=3, outputs=4).spectrum, {"rank": 2}),
    "Spectrum reduced": Entry(nt.Spectrum(0.0, [1.0, 0.1, 0.01]).reduced, {"rank": 2}),
    "spectrum_figure": Entry(nt.spectrum_figure, {"spectra": {"own": ([1.0, 0.1], [1, 3])}, "title": "t"}),
    "recommend": Entry(
        nt.recommend,
        {"of": "gaussian(dim=2)", "process": "edm", "nfe": [3], "dynamics": "ode", "schemes": ["ddim"]}
        | {"grids": ["rho(7)"], "metric": "path", "seeds": [0, 1, 2], "by": "error"},
    ),
    "judged": Entry(nt.judged, {"process": "edm", "nfe": [3], "dynamics": "ode"}),
    "recommend for samples": Entry(
        nt.recommend, {"of": IMAGES, "nfe": 3, "schemes": ["ddim"], "grids": ["spectral({spectrum})"], "share": 0.8}
    ),
    "recommend for a network": Entry(
        nt.recommend,
        {"of": nt.network_of("gaussian(dim=2)"), "nfe": 3, "schemes": ["ddim"], "grids": ["rho(7)"]}
        | {"shape": 2, "dtype": "float64", "device": "cpu", "conditions": None, "rough": True},
    ),
    "recommend and its regret": Entry(
        nt.recommend("gaussian(dim=2)", "edm", 3, schemes=["ddim"], grids=["rho(7)"], seeds=range(3)).regret,
        {"network": "gaussian(dim=2)", "seeds": [0, 1, 2]},
    ),
    "spectrum_of": Entry(nt.spectrum_of, {"data": "gaussian(dim=2)", "rank": 1}),
    "spectrum_of bands": Entry(nt.spectrum_of, {"data": IMAGES, "dct": True}),
    "spectrum_of an array": Entry(nt.spectrum_of, {"data": IMAGES}),
    "sqrt": Entry(nt.sqrt, {"value": 2}),
    "stability": Entry(
        nt.stability,
        {"scheme": "nse", "process": "psld", "variance": 0.25, "linear": (0.0,), "size": 8, "kind": "step"},
    ),
    "stability of runs": Entry(
        lambda **own: nt.stability("ddim", kind="run", size=10, **own),
        {"process": "edm", "grid": "rho(7)", "nfe": (3, 4)},
    ),
    "stability and its reach": Entry(PLANE.reach, {"y": 1.0, "near": 0.05}),
    "defects_figure": Entry(nt.defects_figure, {"defects": [DEFECTS], "title": "title"}),
    "stability_figure": Entry(nt.stability_figure, {"regions": MAP, "title": "title"}),
    "stationary_bias": Entry(nt.stationary_bias, {"word": "B/2 A/2 O A/2 B/2"}),
    "step_defects": Entry(
        nt.step_defects, {k: v for k, v in RUN.items() if k != "network"} | {"law": "gaussian(dim=2)"}
    ),
    "step_defects of a mixture": Entry(
        nt.step_defects,
        {"scheme": "ddim", "process": "edm", "law": "mixture(dim=2)", "grid": "rho(7)", "steps": 2, "seeds": [0, 1]},
    ),
    "stepper": Entry(nt.stepper, RUN | NUMPY | {"shape": 2, "update": "plain", "denoise": True}),
    "stepper told labels": Entry(
        nt.stepper,
        RUN | NUMPY | {"network": nt.Network(lambda z, t, labels: z, "data", shape=(2,)), "conditions": [0.1, 0.2]},
    ),
    "suspicion": Entry(
        nt.suspicion,
        {"network": nt.Network(lambda z, t, labels: 0.1 * z, "data"), "process": "edm", "shape": (2,), "seed": 0}
        | {"data": np.eye(3, 2), "conditions": [0.1]},
    ),
    "symbol": Entry(nt.symbol, {"name": "c2"}),
    "tableau": Entry(nt.tableau, {"c": [0, 1], "A": [[], [nt.phi(1)]], "b": [nt.phi(1) - nt.phi(2), nt.phi(2)]}),
    "train": Entry(
        nt.train,
        {"recipe": str(RECIPE), "out": str(WEIGHTS.with_name("net.safetensors")), "steps": 1}
        | {"resume": False, "device": "cpu", "show": lambda step, mean: None},
        apart=("show",),
    ),
    "transfer": Entry(
        nt.transfer, {"scheme": "ddim", "process": "edm", "grid": "rho(7)", "nfe": 3, "scales": [1.0, 0.1]}
    ),
    "transfer of an array of scales": Entry(
        lambda scales: nt.transfer("ddim", "edm", "rho(7)", 3, scales), {"scales": np.array([1.0, 0.1])}
    ),
    "transfer over a spectrum": Entry(TRANSFER.integral, {"spectrum": ([1.0, 0.1], [2, 3])}),
    "transfer_figure": Entry(
        nt.transfer_figure, {"transfers": [TRANSFER], "title": "title", "spectrum": ([1.0, 0.1], [2, 3])}
    ),
    "transfer_series": Entry(
        nt.transfer_series, {"scheme": "ddim", "process": "edm", "grid": "rho(7)", "scales": [1.0, 0.1]}
    ),
    "verify": Entry(nt.verify, {"scheme": "euler"}),
    "word": Entry(nt.word, {"text": "S0 A"}),
}
LONGEST = 20  # seconds that an answer may take
# What callers get and do not make: results, errors, and a run whose makers are above.
RESULTS = {
    "STOP",
    "Progress",
    "Trajectory",
    "allow_imports",
    "Samples",
    "Stepper",
    "InputError",
    "InputWarning",
    "NonFiniteError",
    "NumtoolkitError",
    "StorageError",
    "catalogue",
}
CASES = [(name, argument) for name, entry in ENTRIES.items() for argument in entry.good]


def test_every_public_name_is_tried():
    """What the front door exports stands in the table, or is a result."""
    tried = {name.partition(" ")[0] for name in ENTRIES}
    assert tried | RESULTS == set(nt.__all__)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_call_that_is_spoilt_is_right_before(name):
    """Every good call answers, so that what is refused is refused for the value put in."""
    entry = ENTRIES[name]
    answer(entry, entry.good)


@pytest.mark.parametrize(("name", "argument"), CASES, ids=[f"{name}-{argument}" for name, argument in CASES])
def test_bad_input_meets_one_sentence(name, argument):
    """Another type, sign or size, nothing, not a number, misspelt: a result, or a sentence with its remedy."""
    entry, faults = ENTRIES[name], []
    for value in bad_values(entry.good[argument]):
        try:
            answer(entry, entry.good | {argument: value})
        except nt.NumtoolkitError as refusal:
            faults += [f"{argument} = {shown(value)}: {fault}" for fault in of_sentence(str(refusal))]
        except Exception as error:
            if argument in entry.apart and isinstance(error, TypeError):
                continue
            faults.append(f"{argument} = {shown(value)}: {type(error).__name__}: {str(error)[:200]}")
    assert faults == []


def answer(entry: Entry, given: dict[str, Any]) -> Any:
    """The answer of a call, without what it warns of and what numpy says of overflow."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(LONGEST)
        try:
            return entry.call(**given)
        finally:
            signal.alarm(0)
            plt.close("all")


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"no answer in {LONGEST} seconds")


def of_sentence(text: str) -> Iterator[str]:
    """What is wrong with a refusal: it is one line that ends, is short, and says more than that it refuses."""
    if "\n" in text or not text.endswith((".", "?", ".)")):
        yield f"no sentence: {text[:200]!r}"
    if len(text) > 1500:
        yield f"{len(text)} characters: {text[:100]!r}"
    if ";" not in text and "did you mean" not in text and ":" not in text:
        yield f"no remedy: {text[:200]!r}"


def shown(value: Any) -> str:
    """A value in a few characters."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
