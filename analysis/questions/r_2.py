"""R.2 (arXiv:2308.02157): what does a sampler without training mean for students that are distilled from it?

A student that is trained to make in one call what its teacher makes in N has the teacher's error for a floor: by the
triangle inequality its distance from the exact flow lies within its own training loss of the teacher's defect, in
root mean square and in Wasserstein distance alike. So a better tableau is a better student, by the ratio of the
defects, and where it ends is known before it is trained.

Consistency models are the same case with another name for the teacher. Trained by the *distillation* of a solver over
a grid, a student f with f(x_(n+1)) = f(step x_(n+1)) is the run of the solver. Trained *without* a teacher, on pairs
x_0 + s n and x_0 + s' n of one noise, it is f(x) = E[f(x_0 + s' n) | x_0 + s n = x] at the optimum, and where f is
linear the mean moves by D + s' (x - D)/s: a step of DDIM. On Gaussian data both are therefore the map of a run, in
closed form, x -> m + g (x - m) with the exact g = sqrt(v / (v + s^2)); a consistency model without a teacher ends
where a run of DDIM over its N levels does, with an error that falls as 1/N and a variance that is too small.

**Open:** what a network of limited size, an adversarial loss or a changing grid make of it. Here students are smooth
interpolants of what their teacher makes of n starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import grid, law_of, program_of, sample, transfer_series
from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, exact_flow, gaussian_flow
from numtoolkit.problem.processes import process

LAWS = "two-modes", "ring", "mixture(dim=2, components=6)"
TEACHERS = (("ddim", 8), ("dpmpp-2s", 8), ("res-2s", 8), ("res-2s", 16))  # and their evaluations
SIZES, HELD = (30, 100, 300, 1000), range(5000, 5500)
GRID = "log-snr"
STUDENTS = (
    "Error of a student of n starts of its teacher, and of its teacher, against the exact flow, over its deviation"
)
GAUSSIAN = "Consistency model without a teacher over N levels, data N(0, 1/4): its slope over the exact one, less 1"


def statement() -> list[str]:
    """The step of a consistency model, and its defect by the series of a run."""
    import sympy

    v, s, t, x = sympy.symbols("v s t x", positive=True)
    moved = x * (v + s * t) / (v + s**2)  # Cov(x_0 + t n, x_0 + s n) over Var(x_0 + s n)
    D = x * v / (v + s**2)
    found = transfer_series("ddim", "edm", GRID, [0.5])
    ours = [_consistency(n, 0.25) for n in (16, 32)]
    runs = [affine_map(program_of("ddim", "edm", GRID, steps=n), Gaussian(0.0, 0.25))[0][0, 0, 0] for n in (16, 32)]
    return [
        derived(
            sympy.simplify(moved - (D + t * (x - D) / s)) == 0,
            "E[x_0 + t n | x_0 + s n = x] = x (v + s t)/(v + s^2) of Gaussian data is DDIM's step D + t (x - D)/s.",
        ),
        derived(
            np.allclose(ours, runs, rtol=1e-12),
            "The product of these over a grid is the map of the run of ddim, to 12 digits.",
        ),
        derived(
            found.order == 1 and bool(found.coefficient[0] < 0),
            "The deviation of what ddim makes of data of deviation 1/2 falls short by kappa/N, kappa of the series of "
            f"the run: {-found.coefficient[0]:.4g} on equal steps of log-SNR.",
        ),
    ]


def _consistency(levels: int, v: float) -> float:
    """The slope of a consistency model without a teacher, of Gaussian data, over N + 1 levels."""
    s = process("edm").noise_level(grid(GRID, process("edm"), levels))
    return float(np.prod((v + s[:-1] * s[1:]) / (v + s[:-1] ** 2)))


def numbers(quick: bool = False) -> Tables:
    """Students by the number of starts, and consistency models by levels."""
    laws, teachers, sizes = (LAWS[:1], TEACHERS[:1], SIZES[:2]) if quick else (LAWS, TEACHERS, SIZES)
    students = [row for law in laws for teacher in teachers for row in taught(law, *teacher, sizes)]
    return {STUDENTS: students, GAUSSIAN: [levels(n) for n in ((8, 16) if quick else (8, 16, 32, 64, 128))]}


def levels(n: int) -> Record:
    """How far the slope is from the exact one, and what the series of a run of ddim says."""
    on = process("edm")
    exact = gaussian_flow(on, np.array([0.25]), on.T, on.t_min)[0, 0, 0]
    series_ = transfer_series("ddim", "edm", GRID, [0.5]).coefficient[0]
    return {"N": n, "slope over the exact": _consistency(n, 0.25) / exact - 1, "-kappa / N": float(series_ / n)}


def taught(law: str, scheme: str, nfe: int, sizes: Any) -> list[Record]:
    """Students of a teacher on other starts."""
    from scipy.interpolate import RBFInterpolator

    own, on = law_of(law), process("edm")
    starts, ends = _run(law, scheme, nfe, range(max(sizes)))
    held, made = _run(law, scheme, nfe, HELD)
    (exact,) = exact_flow(on, own, [held], on.T, on.t_min)
    scale = float(np.sqrt(np.mean((exact - own.mean) ** 2)))
    rows = []
    for n in sizes:
        student = RBFInterpolator(starts[:n] / on.T, ends[:n], neighbors=min(n, 50))(held / on.T)
        errors = {"error": student - exact, "teacher's error": made - exact, "training loss": student - made}
        found = {name: float(np.sqrt(np.mean(apart**2))) / scale for name, apart in errors.items()}
        rows.append({"law": law, "teacher": f"{scheme}, {nfe}", "n": n, **found})
    return rows


def _run(law: str, scheme: str, nfe: int, seeds: Any) -> tuple[Any, Any]:
    """Starts and what the teacher makes of them."""
    found = sample(scheme, "edm", law, GRID, nfe, seeds=list(seeds), dtype=np.float64, trajectory=True)
    assert found.trajectory is not None
    return found.trajectory.states[0], found.samples


def picture(tables: Tables) -> Any:
    """Students by starts, a panel a law, and the floors of their teachers as lines."""
    rows = tables[STUDENTS]
    curves = [row | {"what": f"student of {row['teacher']}", "y": row["error"]} for row in rows]
    floors = [row | {"what": f"{row['teacher']} itself", "y": row["teacher's error"]} for row in rows]
    return panels_figure(
        [
            Panel(law, series([row for row in curves + floors if row["law"] == law], "what", "n", "y"), "starts n",
                  "RMS error against the exact flow")
            for law in dict.fromkeys(row["law"] for row in rows)
        ],
        "How good can a student of one call be, by its teacher?",
    )  # fmt: skip
