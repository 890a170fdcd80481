"""What an object shows of itself at the prompt: its name, in a line that fits a screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from numtoolkit.cli import COMMANDS
from numtoolkit.declare.entries import L, N, adams, covariance, flow, integral, phi, sqrt, symbol
from numtoolkit.declare.forms import past
from numtoolkit.files.fitted_coefficients import FittedCoefficients, FittedStep
from numtoolkit.files.result_store import Cell, Store
from numtoolkit.files.sample_folder import SampleFolder
from numtoolkit.laws import Empirical, Imperfect, law_of
from numtoolkit.measure import exact_marginal
from numtoolkit.measure.conditioning import condition
from numtoolkit.measure.distances import Moments, relative_rms, sliced_wasserstein
from numtoolkit.measure.stability import stability
from numtoolkit.measure.transfer import transfer
from numtoolkit.models.network import Network
from numtoolkit.printing.pages import tableau
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import PROCESSES, PSLD, VP
from numtoolkit.program.program import lower, problem_of
from numtoolkit.references import Reference
from numtoolkit.sampling.noise import keys
from numtoolkit.sampling.runner import sample
from numtoolkit.sampling.state import origin
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.spec_text import parse
from numtoolkit.symbolic.algebraic import exact_numbers
from numtoolkit.symbolic.assumptions import simplifying_assumptions
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.conditions import conditions
from numtoolkit.symbolic.error_norm import error_constant
from numtoolkit.symbolic.local_error import local_error
from numtoolkit.symbolic.modified_equation import modified_equation
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.score_blocks import Blocks
from numtoolkit.symbolic.series import SeriesExpansion
from numtoolkit.symbolic.splittings import splitting
from numtoolkit.symbolic.stability_function import stability_function
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import StiffConditions, stiff_order
from numtoolkit.symbolic.verdict import verify
from numtoolkit.symbolic.weak import weak_order
from tests.support.shipped import shipped

LONGEST = 300
ROOT = Path(__file__).resolve().parents[2]


def made() -> dict[str, tuple[object, str]]:
    """One of each public kind of object, and a word that its face must hold."""
    long = scheme("hochbruck-ostermann-4")
    process, law = PSLD(), law_of("mixture(dim=2)")
    program = lower(scheme("cvv"), process, grid("quadratic", process, 50))
    drawn = sample(
        "ddim", network=Network.of(law), process="vp", grid="uniform", nfe=40, seeds=range(200), dtype=np.float64
    )
    expansion = SeriesExpansion(Field(["c2"]), 4)
    symbols = Field(["c2", "r0", "r1"])
    c2, r0 = symbols.symbols["c2"], symbols.symbols["r0"]
    steps = tuple(FittedStep(1 - i / 100, 1 - (i + 1) / 100, (0.1, 0.2), 2, 1.0, 0.5) for i in range(90))
    table = FittedCoefficients("iia-edm", "heun-edm", "edm", "rho(7)", "net", ("a", "b"), steps, {"nfe": 180})
    images = Empirical(np.linspace(-1, 1, 4000).reshape(250, 4, 4), name="images")
    network = Network(lambda z, t: z, "noise", name="unet")
    return {
        "Scheme": (long, "hochbruck-ostermann-4"),
        "Step": (long.steps.inner, "E0"),
        "Row": (long.steps.inner.items[-1], "="),
        "Eval": (long.steps.inner.items[0], "E0"),
        "Noise": (scheme("em").steps.inner.noises[0], "xi"),
        "Param": (scheme("res-2s").params[0], "c2"),
        "Claims": (long.claims, "classical"),
        "Entry": (adams(past(4))[0], "Int"),
        "Sum": (phi(1) - phi(2) / symbol("c2"), "phi(2, 1)/c2"),
        "Flow": (flow(), "<Entry Flow(L; 0, 1)>"),
        "Int": (integral(0, 1, tuple(range(1, 30))), "Int"),
        "Cov": (covariance(), "Cov"),
        "Op": (L - 3 * N, "L - 3*N"),
        "Problem": (problem_of(long, VP()), "Problem"),
        "Program": (program, "cvv"),
        "ProgramStep": (program.steps[0], "E0"),
        "Affine": (max((i for s in program.steps for i in s.instructions), key=lambda i: len(repr(i))), "="),
        "Samples": (drawn, "ddim"),
        "Origin": (origin(process, 1.0, range(1000), None, (3, 32, 32), np.float64, None), "1000 samples"),
        "Keys": (keys(range(1000)), "1000 samples"),
        "Network": (network, "unet"),
        "Gaussian": (law_of("gaussian(dim=16)"), "gaussian"),
        "GaussianMixture": (law, "mixture"),
        "Empirical": (images, "images"),
        "Normal": (exact_marginal(process, law_of("gaussian(dim=64)"), 0.5), "Normal"),
        "Moments": (Moments.of(images.images), "250"),
        "Reference": (Reference("mine.py:X", Path("mine.py"), "0" * 64, images), "mine.py:X"),
        "Interval": (sliced_wasserstein(images.images, images.images), "value"),
        "RelativeError": (relative_rms(images.images, images.images), "rms"),
        "Region": (stability("res-2s", size=8)[0], "res-2s"),
        "StabilityFunction": (stability_function("hochbruck-ostermann-4", z=-1), "R(w), h L = -1"),
        "RealField": (exact_numbers([("a", sqrt(2))])[0].field, "sqrt(2)"),
        "Algebraic": (exact_numbers([("a", sqrt(2) / 3)])[0], "sqrt(2)/3"),
        "Angle": (stability_function(A=[[1]], b=[1]).alpha, "cosine"),
        "StepLimit": (stability("rvv", size=10)[0], "rvv"),
        "Plane": (stability("ddim", kind="diffusion", size=10)[0], "diffusion"),
        "Conditioning": (condition("ddim", "psld", "quadratic", 4), "ddim on psld, 4 steps"),
        "Transfer": (transfer("rvv", "psld", "quadratic", 4), "rvv on psld"),
        "Verdict": (verify(scheme("res-2s")), "proved"),
        "Order": (order(scheme("res-2s")), "Order 2"),
        "WeakOrder": (weak_order(scheme("em")), "WeakOrder 1"),
        "StiffOrder": (stiff_order(scheme("res-2s")), "strong=2"),
        "ErrorConstant": (error_constant(long), "h^"),
        "Field": (symbols, "c2, r0, r1"),
        "Ratio": ((c2 + r0) ** 40 / (c2 - r0) ** 2, "c2"),
        "SeriesExpansion": (expansion, "c2"),
        "Jet": (expansion.jets(L)[0], "L"),
        "StepInClock": (StepInClock(long), long.name),
        "StiffConditions": (StiffConditions(scheme("res-2s")), "res-2s"),
        "Conditions": (conditions(long, 4), "hochbruck-ostermann-4"),
        "Condition": (conditions(long, 4, "stiff_strong")[-1], "b c psi2"),
        "LocalError": (local_error(long), "hochbruck-ostermann-4"),
        "ModifiedEquation": (modified_equation("A B", 5), "h^4"),
        "Page": (verify("res-2s").page(), " tables"),
        "Table": (verify("res-2s").page().tables[0], "claimed"),
        "Assumptions": (simplifying_assumptions("rk4"), "B(4)"),
        "Blocks": (Blocks(scheme("rvv"), 1, Field()), "rvv"),
        "SubFlow": (splitting("1/3*A@0").flows[0], "1/3"),
        "Splitting": (splitting("A/2@0 B@1/2 " * 50), "100 flows"),
        "Node": (StiffConditions(long).nodes[-1], "Node"),
        "FittedCoefficients": (table, "iia-edm"),
        "FittedStep": (steps[0], "rank"),
        "Cell": (Cell.of("curve", grids=["rho(7)"] * 99), "curve/"),
        "Store": (Store(Path("out"), {"numpy": "2"}), "out"),
        "Imperfect": (Imperfect(law, 0.1), "wrong by 0.1"),
        "SampleFolder": (SampleFolder(Path("out"), {"scheme": "ddim"}, {}, (2,), "float64"), "out"),
        "Tableau": (tableau(long, long.steps.inner), "E0"),
        "Spec": (parse("unipc(2, variant=bh1)"), "unipc"),
        "Command": (COMMANDS["list"], "list"),
    }


MADE = made()


@pytest.mark.parametrize("kind", MADE)
def test_what_an_object_shows_of_itself_names_it_and_fits_a_screen(kind):
    """The repr of one of each public kind of object holds its name and has at most 300 characters."""
    thing, word = MADE[kind]
    face = repr(thing)
    assert word in face
    assert len(face) <= LONGEST
    assert "\n" not in face
    assert " object at 0x" not in face.partition("Command")[0]


@pytest.mark.parametrize("member", catalogue(), ids=lambda member: member.name)
def test_every_scheme_and_all_its_items_are_shown_in_a_line(member):
    """No declaration of the catalogue prints its rows where its name is asked for."""
    things = [member, *member.steps.distinct, *(item for layout in member.steps.distinct for item in layout.items)]
    things += [entry for layout in member.steps.distinct for _, entry in layout.entries()]
    assert [face for face in map(repr, things) if len(face) > LONGEST] == []


@pytest.mark.parametrize("kind", PROCESSES.values(), ids=PROCESSES)
def test_every_process_is_shown_in_a_line(kind):
    """Schedules stay out of the face of a process."""
    assert len(repr(kind())) <= LONGEST


@pytest.mark.check
def test_every_shipped_experiment_is_shown_in_a_line():
    """Captions and data stay out of the face of an experiment."""
    things = [*shipped(), *(plan.experiment for plan in shipped())]
    assert [face for face in map(repr, things) if len(face) > LONGEST] == []
