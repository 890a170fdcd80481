"""A value of an axis that no file of the package knows runs through every engine as those in use do."""

from __future__ import annotations

import ast
import copy
import pickle
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numtoolkit
from numtoolkit import Network, printing, sample
from numtoolkit.cli import cells
from numtoolkit.declare.entries import op, phi, symbol
from numtoolkit.declare.forms import conjugate_euler, tableau
from numtoolkit.declare.runs import adams_bashforth
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure.curves import error_curve
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.measure.stability import real_interval, stability
from numtoolkit.problem import axes
from numtoolkit.problem.clocks import CLOCKS, LOG_SNR
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.grids import grid
from numtoolkit.problem.kinds import KINDS, SCALAR, LinearBeta, ScalarProcess
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.predictions import DATA, NOISE, PREDICTIONS, Prediction, convert, deviation
from numtoolkit.problem.problem import Clock, Frozen, Operator
from numtoolkit.problem.processes import EDM, PROCESSES, PSLD, VP
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.verdict import verify

LAW = Gaussian([0.3, -0.5], [0.25, 0.02])


@dataclass(frozen=True)
class SubVP(LinearBeta, ScalarProcess):
    """The sub-VP process of Song et al. 2021, B.2: sigma = 1 - alpha^2, s = 2 sinh(b / 2), b the integral of beta."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    T: float = 1.0
    t_min: float = 1e-3
    name = "sub-vp"

    def log_alpha(self, t):
        return -self.beta_integral(t) / 2

    def noise_level(self, t):
        return 2 * np.sinh(self.beta_integral(t) / 2)

    def time_of_noise_level(self, s):
        return self.time_of_beta_integral(2 * np.arcsinh(s / 2))

    def log_rates(self, t):
        beta = self.beta(t)
        return -beta / 2, beta / 2 / np.tanh(self.beta_integral(t) / 2)


CUBE_ROOT = Clock(
    "cube-root",
    "c",
    "the cube root of process time, running down",
    u=lambda problem, t: -np.cbrt(t),
    t=lambda problem, u: (-u) ** 3,
    rate=lambda problem, t: 3 * np.cbrt(t) ** 2,
)


def edm_f(problem, network, t):
    """F = (D - c_skip y) / c_out of Karras et al. 2022, eq. 7, y = z / alpha, as P z + Q out."""
    P, Q = convert(network, DATA, problem.process, t)
    skip = problem.sigma_data**2 / (problem.sigma_data**2 + problem.process.level(t) ** 2) / problem.process.alpha(t)
    out = deviation(problem.process, t, problem.sigma_data)
    return (P - skip[:, None, None]) / out[:, None, None], Q / out[:, None, None]


def edm_f_to_score(problem, t):
    """S = (alpha D - z) / sigma^2 with D = c_skip y + c_out F."""
    alpha, sigma = problem.process.alpha(t), problem.process.sigma(t)
    skip = problem.sigma_data**2 / (problem.sigma_data**2 + problem.process.level(t) ** 2)
    out = deviation(problem.process, t, problem.sigma_data)
    return ((skip - 1) / sigma**2)[:, None, None], (alpha * out / sigma**2)[:, None, None]


EDM_F = Frozen(
    "edm-f", "F of Karras et al. 2022", lambda process: 1, edm_f_to_score, edm_f, kinds=(SCALAR,)
)  # no closed form: every coefficient is a quadrature

SCALED_NOISE = Prediction(
    "tripled-noise",
    "three times the noise",
    lambda process: process.blocks,
    lambda process, t: (NOISE.to_score(process, t)[0], NOISE.to_score(process, t)[1] / 3),
    lambda process, t: tuple(3 * block for block in NOISE.from_score(process, t)),
)

DIAGONAL = Operator(
    "diagonal",
    "1 for the position and 2 for the momentum, per unit of process time",
    lambda problem, t: (
        problem.rate(t)[:, None, None] * np.diag([1.0, 2.0])[: problem.process.blocks, : problem.process.blocks]
    ),
    latex="D",
)

MEMBERS = {
    "clock": Scheme(
        "own-clock",
        "own",
        "a test",
        adams_bashforth(2),
        frozen="noise",
        clock=CUBE_ROOT,
        claims=Claims(classical=2),
    ),
    "frozen quantity": Scheme(
        "own-frozen", "own", "a test", adams_bashforth(2), frozen=EDM_F, clock="angle", claims=Claims(classical=2)
    ),
    "operator": Scheme(
        "own-operator",
        "own",
        "a test",
        conjugate_euler(symbol("shift") * op(DIAGONAL)),
        frozen="noise",
        clock="time",
        params=(Param("shift", Fraction(1, 4), meaning="of the conjugation"),),
        claims=Claims(classical=1),
    ),
    "process": scheme("res-2s"),
}
CASES = [
    ("clock", VP()),
    ("clock", PSLD()),
    ("frozen quantity", EDM()),
    ("operator", VP()),
    ("operator", PSLD()),
    ("process", SubVP()),
]


def grid_of(process, steps):
    return grid("quadratic" if process.blocks > 1 else "log-snr", process, steps)


@pytest.mark.parametrize(("axis", "process"), CASES)
def test_a_scheme_on_an_axis_of_ones_own_is_proved(axis, process):
    """Orders are derived for any clock, frozen quantity and operator: letters need no closed form."""
    verdict = verify(MEMBERS[axis])
    assert verdict.ok
    assert verdict.verdict in ("proved", "higher")


@pytest.mark.parametrize(("axis", "process"), CASES)
def test_a_scheme_on_an_axis_of_ones_own_is_shown_and_listed(axis, process):
    """The printed page and the row of `list` name the values of the axes."""
    member = MEMBERS[axis]
    page, row = printing.text(member), cells.entry(member)
    assert member.clock.name in page
    assert member.frozen.sentence in " ".join(page.split())
    assert printing.latex(member)
    assert (row["frozen"], row["clock"]) == (member.frozen.name, member.clock.name)


@pytest.mark.parametrize(("axis", "process"), CASES)
def test_a_scheme_on_an_axis_of_ones_own_has_an_error_curve_that_falls(axis, process):
    """Four times the steps leave less than a third of the error: order one at least."""
    member, law = MEMBERS[axis], mixture(dim=2)
    (coarse,), (fine,) = (
        error_curve(
            member, process, law, grid_of(process, steps), [steps * member.nfe_per_step], range(8), metric="path"
        )
        for steps in (40, 160)
    )
    assert fine["error"] < coarse["error"] / 3


@pytest.mark.parametrize(("axis", "process"), CASES)
def test_moments_of_a_scheme_on_an_axis_of_ones_own_tend_to_the_exact_law(axis, process):
    """The law of the end point nears that of the exact flow from the same start as steps grow."""
    first = exact_marginal(process, LAW, process.T)
    last = exact_marginal(process, LAW, process.t_min).block(0)
    ends = [
        moments(lower(MEMBERS[axis], process, grid_of(process, steps)), law=LAW, start=first).block(0)
        for steps in (40, 160)
    ]
    coarse, fine = (wasserstein2(end, last) for end in ends)
    assert fine < coarse / 3


@pytest.mark.parametrize(("axis", "process"), CASES)
def test_a_scheme_on_an_axis_of_ones_own_has_a_stability_region(axis, process):
    """On the test equation where it has one, else on a process."""
    member = MEMBERS[axis]
    if axis == "operator":
        with pytest.raises(InputError, match="operator diagonal has no meaning on the test equation"):
            real_interval(member)
        return
    assert stability(member, linear=(0.0,), size=8)
    assert real_interval(member) > 0


@pytest.mark.parametrize(("axis", "process"), CASES)
def test_a_scheme_on_an_axis_of_ones_own_samples(axis, process):
    """The public way to sample takes the objects, and ends near the law."""
    found = sample(
        MEMBERS[axis],
        network=Network.of(LAW),
        process=process,
        grid=grid_of(process, 60),
        seeds=range(64),
        dtype=np.float64,
    )
    points = found.samples if process.blocks == 1 else found.samples[:, 0]
    assert np.abs(points.mean(0) - LAW.mean).max() < 0.5


def test_quadrature_of_edm_f_equals_the_closed_forms_of_the_residual():
    """EDM's F is the residual of the Gaussian frame under another name: without closed forms, the same coefficients."""
    times = grid("rho(7)", EDM(), 12)
    ours, theirs = lower(MEMBERS["frozen quantity"], EDM(), times), lower(scheme("gframe-ab(2)"), EDM(), times)
    for own, known in zip(ours.steps, theirs.steps, strict=True):
        for a, b in zip(own.instructions, known.instructions, strict=True):
            if hasattr(a, "terms"):
                np.testing.assert_allclose(
                    [block for _, block in a.terms], [block for _, block in b.terms], rtol=1e-11, atol=1e-12
                )


@pytest.mark.parametrize(("name", "process"), [("ddim", VP()), ("ddim", PSLD()), ("dpmpp-2m", VP())])
def test_a_network_of_a_prediction_of_ones_own_gives_the_same_run(name, process):
    """Three times the noise, said to be so, is the noise."""

    def noise(z, t):
        return 0.3 * z

    run = {"process": process, "grid": grid_of(process, 6), "seeds": range(3), "shape": 2, "dtype": np.float64}
    plain = sample(name, network=Network(noise, "noise"), **run).samples
    scaled = sample(name, network=Network(lambda z, t: 3 * noise(z, t), SCALED_NOISE), **run).samples
    np.testing.assert_allclose(scaled, plain, rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"frozen": "dta"}, "unknown frozen quantity 'dta'; did you mean data"),
        ({"clock": "logsnr"}, "unknown clock 'logsnr'; did you mean log-snr"),
        ({"clock": "lambda"}, "unknown clock 'lambda'"),
        ({"kinds": ("vpp",)}, "unknown kind of process 'vpp'; known: phase space, scalar"),
        ({"kinds": "phase space"}, "runs in clock log-snr, which a phase space process does not have; leave"),
        ({"frozen": "velocity", "kinds": ("scalar", "phase space")}, "freezes velocity, which a phase space process"),
        ({"frozen": "noise-r", "clock": "log-snr"}, "which no one kind of process has; choose another"),
        ({"frozen": DATA}, "is no frozen quantity; known: data"),
    ],
)
def test_an_axis_that_does_not_exist_is_refused_when_the_scheme_is_made(given, sentence):
    """A1: a misspelt axis was proved; the nearest names are said."""
    with pytest.raises(InputError, match=sentence):
        Scheme(
            "wrong", "test", "test", tableau([0], [[]], [phi(1)]), **({"frozen": "data", "clock": "log-snr"} | given)
        )


def test_an_operator_that_does_not_exist_is_refused_when_it_is_named():
    """The nearest name is said."""
    with pytest.raises(InputError, match="unknown operator 'unit_bta'; did you mean unit_beta"):
        op("unit_bta")


@pytest.mark.parametrize("value", [*CLOCKS.values(), *FROZEN.values(), *OPERATORS.values(), *PREDICTIONS.values()])
def test_values_in_use_survive_copies_and_pickles(value):
    """They are compared by identity, so a copied scheme or program must hold the same objects."""
    assert copy.deepcopy(value) is value
    assert pickle.loads(pickle.dumps(value)) is value  # noqa: S301


def test_names_and_objects_are_the_same_axes():
    """A scheme keeps objects, whichever it was given."""
    step = tableau([0], [[]], [phi(1)])
    named = Scheme("x", "test", "test", step, frozen="data", clock="log-snr")
    given = Scheme("x", "test", "test", step, frozen=FROZEN["data"], clock=LOG_SNR, kinds=(SCALAR,))
    assert named == given
    assert axes.problem(EDM(), "data", "natural").clock is LOG_SNR


PACKAGE = Path(numtoolkit.__file__).parent
NAMES = {*CLOCKS, *FROZEN, *OPERATORS, *PREDICTIONS, *PROCESSES, *KINDS}
OTHERS = {
    ("schemes/conjugate.py", "beta"),
    ("schemes/conjugate.py", "time"),
    ("schemes/conjugate.py", "mm"),  # values of B, skip
    ("symbolic/stationary.py", "O"),  # a letter of words
    ("training/data.py", "L"),  # a mode of Pillow
}


def compared(tree):
    """Every text that code compares with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                for leaf in side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else (side,):
                    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                        yield leaf.value, node.lineno


def test_no_room_but_the_problem_asks_for_the_name_of_an_axis():
    """A new value of an axis must not need a line elsewhere."""
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    asked = [
        (file, line, name)
        for file, path in files.items()
        if not file.startswith("problem/")
        for name, line in compared(ast.parse(path.read_text(encoding="utf-8")))
        if name in NAMES and (file, name) not in OTHERS
    ]
    assert asked == []
