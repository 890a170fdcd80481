"""`curve` and `stability` print what they measure and write what they print."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from numtoolkit.files.storage import read_json, write_json, write_npz
from tests.support.command_line import CURVE
from tests.support.tiers import breadth

# --- curve


def test_curve_gives_errors_that_fall(result):
    """One record for each scheme and budget; ddim halves its error with each doubling, res-2s is far below it."""
    records = result(*CURVE, "--schemes", "ddim,res-2s(c2=1/3)", "--nfe", "10,20,40")
    assert [(r["scheme"], r["nfe"], r["steps"]) for r in records] == [
        ("ddim", 10, 10), ("ddim", 20, 20), ("ddim", 40, 40),
        ("res-2s(c2=1/3)", 10, 5), ("res-2s(c2=1/3)", 20, 10), ("res-2s(c2=1/3)", 40, 20),
    ]  # fmt: skip
    assert all({"scheme", "nfe", "steps", "metric", "error", "median"} <= r.keys() for r in records)
    ddim = [r["error"] for r in records[:3]]
    # First order: each doubling halves the error, up to the next order.
    assert ddim[0] / ddim[1] == pytest.approx(2, rel=0.1)
    assert ddim[1] / ddim[2] == pytest.approx(2, rel=0.1)
    assert all(second["error"] < first / 10 for first, second in zip(ddim, records[3:], strict=True))


def test_curve_says_how_a_budget_is_spent(run, result):
    """A budget that whole steps do not spend shows its plan; a table without one has no such column."""
    records = result(*CURVE, "--schemes", "heun-edm", "--nfe", "5,6")
    assert [record["plan"] for record in records] == ["2 steps of 2 evaluations, 1 of 1", None]
    assert all(record["error"] > 0 for record in records)
    assert "1 of 1" in run(*CURVE, "--schemes", "heun-edm", "--nfe", "5,6")[1]
    assert "plan" not in run(*CURVE, "--schemes", "heun-edm", "--nfe", "6")[1]


def test_curve_says_why_nothing_was_measured_and_goes_on(run, result):
    """A scheme that cannot run leaves the others their errors; where none can, the reason is the exit."""
    phase = [*CURVE, "--process", "psld", "--grid", "quadratic(zero=1)", "--nfe", "5"]
    records = result(*phase, "--schemes", "ddim,gframe-ab")
    assert (records[0]["error"] > 0, records[1]["error"]) == (True, None)
    assert records[1]["why"] == (
        "scheme gframe-ab(2) has no step to t = 0 on process psld, whose noise is singular there; end the grid at a "
        "time above 0."
    )
    code, out, err = run(*phase, "--schemes", "gframe-ab")
    assert (code, out) == (2, "")
    assert err == f"numtoolkit: nothing was measured: {records[1]['why']}\n"


def test_curve_takes_schedules_files_and_grids_of_other_libraries(run, result, tmp_path):
    """The same errors by the name of a schedule, its table in a file and its config; a bad file is one line."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    table = write_npz(tmp_path / "sd.npz", {"betas": betas})
    config = write_json(
        tmp_path / "scheduler_config.json",
        {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000},
    )
    words = ["curve", "--law", "gaussian", "--schemes", "dpmpp-2m", "--nfe", "6"]
    for grid in ("karras", "sgm_uniform", "ays(sdxl, zero=1)", "sigmas((14, 3, 0.5, 0))"):
        named = result(*words, "--grid", grid, "--process", "sd")
        assert named[0]["error"] > 0
        for process in (table, f"table({table})", config):
            assert result(*words, "--grid", grid, "--process", process) == named
    code, _, err = run(*words, "--grid", "karras", "--process", tmp_path / "none.npz")
    assert (code, err.count("\n")) == (2, 1)


def test_curve_draws_the_seeds_it_is_told(result):
    """`--samples 8` is `--seeds 0-7`, in any spelling, and other seeds give other numbers."""
    words = [*CURVE, "--schemes", "ddim", "--nfe", "5"]
    eight = result(*words, "--samples", 8)
    assert eight == result(*words, "--seeds", "0-7") == result(*words, "--seeds", "0,1-3,4-7")
    assert eight != result(*words, "--seeds", "1-8")


ENDINGS = [".json", ".csv", ".png", ".svg", ".pdf", ".PNG"]


@pytest.mark.parametrize("ending", breadth(ENDINGS, lambda ending: ending in (".csv", ".PNG")))
def test_curve_writes_what_it_prints(run, tmp_path, ending):
    """Every format, with a JSON sidecar of data, command and versions beside pictures; the same bytes each time."""
    path = tmp_path / "new" / f"x{ending}"
    code, out, err = run(*CURVE, "--schemes", "ddim,em", "--nfe", "5,9", "--out", path, "--json")
    assert sorted(file.suffix for file in path.parent.iterdir()) == sorted(
        {ending, ".csv" if ending == ".csv" else ".json"}
    )
    assert (code, err) == (0, f"wrote {path}\n")
    records = json.loads(out)
    if ending == ".csv":
        lines = path.read_text().splitlines()
        assert lines[0].startswith("scheme,nfe,steps,metric,error,median")
        assert [line.split(",")[4] for line in lines[1:]] == [str(r["error"]) for r in records]
        return
    sidecar = read_json(path.with_suffix(".json"))
    assert sidecar["data"] == records
    assert sidecar["command"].startswith("numtoolkit curve --process edm --law gaussian --grid 'rho(7)' --schemes")
    assert sidecar["versions"].keys() >= {"numtoolkit", "numpy"}
    first = path.read_bytes()
    run(*CURVE, "--schemes", "ddim,em", "--nfe", "5,9", "--out", path)
    assert path.read_bytes() == first.replace(b" --json", b"")


# --- stability


def test_stability_draws_and_tells_how_far(run, result, tmp_path):
    """The records printed are those of the sidecar; Euler's method is stable on [-2, 0]."""
    records = result("stability", "ddim", "res-2s(c2=1/3)", "rvv", "--out", tmp_path / "x.png")
    assert [r["scheme"] for r in records if r["on"] == "h L = 0"] == ["ddim", "res-2s(c2=1/3)"]
    # Euler's method is stable on [-2, 0].
    assert records[0] == {"scheme": "ddim", "on": "h L = 0", "of": "w in [-extent, 0]", "extent": pytest.approx(2)}
    assert next(r["on"] for r in records if r["scheme"] == "rvv").startswith("psld")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert read_json(tmp_path / "x.json")["data"] == records


def test_stability_without_a_picture_is_a_formula(run, result):
    """Each scheme's R or polynomial, its order, ends and flags; the same as JSON, and the equation below the table."""
    records = result("stability", "ddim", "dpmpp-2m")
    table = {(r["scheme"], r["of"]): r["value"] for r in records}
    assert table["ddim", "R(z, w)"] == "w*(exp(z) - 1)/z + exp(z)"
    assert (table["dpmpp-2m", "order on linear equations"], table["dpmpp-2m", "zero-stable at h L = 0"]) == (2, True)
    code, out, err = run("stability", "rk4", "ddim")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert "real interval at h L = 0 2.785293563405 (root of r**3 - 4*r**2 + 12*r - 24)" in words
    assert "imaginary interval at h L = 0 2.828427124746 (2*sqrt(2))" in words
    assert "real interval at h L = 0 2 imaginary" in words
    assert "w = 0 is exact yes" in words
    assert "u' = L u + (w/h) u" in words


def test_stability_on_a_process_without_a_picture_is_the_table_alone(run, result, tmp_path):
    """The records are those beside a picture."""
    words = ["stability", "rvv", "--process", "psld"]
    assert result(*words) == result(*words, "--out", tmp_path / "x.svg")


def test_stability_draws_order_stars(run, result, tmp_path):
    """Three panels, of three values of h L; the records are the ends of intervals."""
    records = result("stability", "rk4", "--order-star", "--out", tmp_path / "x.svg")
    assert [r["on"] for r in records] == [f"order star at h L = {x}" for x in (0, -1, -2)]
    assert records[0]["extent"] == pytest.approx(2.785293563405282)
    assert "grow faster than exp" in read_json(tmp_path / "x.json")["title"]


def test_stability_says_which_equation_it_is_of(run, tmp_path):
    """The table of the test equation has its sentence below, that of a process none."""
    _, drawn, _ = run("stability", "heun-edm", "--out", tmp_path / "x.svg")
    assert "u' = L u + (w/h) u" in drawn
    assert "1.164" in drawn
    _, limits, _ = run("stability", "sscs", "--out", tmp_path / "y.svg")
    assert "u' = L u" not in limits


def test_stability_names_a_scheme_without_bound(run, tmp_path):
    """sscs never grows on a Gaussian: the table says so instead of an infinite number."""
    code, out, err = run("stability", "sscs", "--out", tmp_path / "x.svg")
    assert (code, err) == (0, f"wrote {tmp_path / 'x.svg'}\n")
    assert "no bound" in out


def test_stability_draws_planes_and_tells_how_far_they_are_near_1(run, result, tmp_path):
    """The longest step of DDIM within 5 % at equal scales of data and noise, by its closed form."""
    records = result("stability", "ddim", "gframe-ab", "--kind", "diffusion", "--out", tmp_path / "x.svg")
    assert [r["of"] for r in records[:3]] == [f"step within 5 %, scale {y}" for y in ("0.1", "1", "10")]
    h = records[1]["extent"]
    within = [(math.exp(-x) + 1) / 2 * math.sqrt(2 / (1 + math.exp(-2 * x))) for x in (h, h + 3 / 80)]
    assert within[0] > 0.95 - 2e-3  # the scale that is nearest to 1 is 1.03
    assert within[1] < 0.95 + 2e-3
    assert [r["extent"] for r in records[3:]] == [None] * 3  # exact
    _, out, _ = run("stability", "ddim", "gframe-ab", "--kind", "diffusion", "--out", tmp_path / "x.svg")
    assert "no bound" in out
    assert "Within 5 %" in out


def test_stability_of_runs_takes_a_grid_and_budgets(run, result, tmp_path):
    """A scheme that is not near 1 by the largest budget is told so."""
    line = ("stability", "ddim", "--kind", "run", "--process", "edm", "--grid", "rho(7)", "--nfe", "8,200")
    records = result(*line, "--out", tmp_path / "x.svg")
    assert [r["on"] for r in records] == ["edm, rho(7)"] * 3
    assert {r["extent"] for r in records} <= {200.0, None}
    _, out, _ = run(*line[:-1], "8,9", "--out", tmp_path / "x.svg")
    assert "not yet" in out
    code, _, err = run("stability", "ddim", "--nfe", "8", "--out", tmp_path / "y.svg")
    assert code == 2
    assert "--nfe is of whole runs; add --kind run" in err
