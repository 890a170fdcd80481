"""Experiments on steps that runs find: each way is the run that it says, and its table is the one that is shown."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import Adaptive, adaptive_grid, law, process, sample
from numtoolkit.errors import InputError
from numtoolkit.measure import error_curve
from numtoolkit.measure.distances import relative_rms
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.reproduce.found_steps import FoundSteps, Way
from numtoolkit.schemes import scheme
from tests.support.checkout import ROOT

pytest.importorskip("matplotlib")

LAW = "anisotropic(dim=4)"  # whose samples take steps of their own
WAYS = (Way("res-2s", "grid"), Way("res-2s", "pilot", corrected=True), Way("bs32", "own"))
ASKED = FoundSteps("What?", "edm", LAW, "log-snr", WAYS, (8, 11), (0.1,), pilot=0.05, samples=3)
BETTER = scheme("res-2s").corrected()


@pytest.fixture(scope="module")
def found():
    """The records of the three ways, by their label."""
    result = ASKED.run(quick=False)
    records = {}
    for record in result.data:
        records.setdefault(record["scheme"], []).append(record)
    return result, records


def pilot_times(nfe):
    """The grid of the pilot run for a budget."""
    return adaptive_grid(BETTER, "edm", law(LAW), 0.05, nfe=nfe, dtype=np.float64).times


def test_each_way_of_finding_steps_is_the_run_that_it_says(found):
    """On the grid, on the pilot's grid spread over each budget, and with steps of each sample's own."""
    _, records = found
    plain = error_curve("res-2s", "edm", law(LAW), "log-snr", [8, 11], range(3), metric="path")
    assert [r["error"] for r in records["res-2s, log-snr"]] == pytest.approx([r["error"] for r in plain], rel=1e-5)
    pilot = [
        error_curve(BETTER, "edm", law(LAW), pilot_times(n), [n],
                    range(3), metric="path")[0]["error"]
        for n in (8, 11)
    ]  # fmt: skip
    assert [r["error"] for r in records["res-2s-corrected, pilot grid"]] == pytest.approx(pilot, rel=1e-5)
    drawn = sample(
        "bs32", "edm", law(LAW), "log-snr", adaptive=Adaptive(0.1, pilot=0), seeds=range(3), dtype=np.float64
    )
    ends = ExactNetwork(law(LAW), process("edm")).ends(80.0, 0.002, (0, 1, 2)).data
    (own,) = records["bs32, own steps"]
    assert own["error"] == pytest.approx(relative_rms(drawn.samples, ends).rms, rel=1e-5)
    taken = [grid.evaluations for grid in drawn.adaptive]
    assert len(set(taken)) > 1
    assert own["nfe"] == pytest.approx(np.mean(taken), rel=1e-5)


@pytest.mark.check
def test_the_table_of_found_steps_has_budgets_and_tolerances(found):
    """A row a way; beside a tolerance stand the evaluations that it took, and the figure draws every way."""
    result, records = found
    first, second = (part.splitlines() for part in result.table.split("\n\n")[1::2])
    assert [line.split("|")[1].strip() for line in first[2:]] == ["res-2s, log-snr", "res-2s-corrected, pilot grid"]
    (own,) = records["bs32, own steps"]
    assert f"{own['nfe']:.0f}: {own['error']:.1e}" in second[2]
    (ax,) = result.figure().axes
    assert len(ax.get_legend().get_texts()) == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ways": (Way("res-2s", "guess"),)}, "unknown steps 'guess'"),
        ({"ways": (Way("ddim", "own"),)}, "scheme ddim declares no companion to find its steps by; take grid"),
        ({"ways": (Way("ddim", "grid", True),)}, "declares no companion"),
        ({"ways": ()}, "ways is an empty list"),
        ({"ways": WAYS[:1] * 2}, "ways holds .* twice"),
        ({"tolerances": (2.0,)}, "tolerance = 2.0 is no finite number"),
        ({"tolerances": ()}, "tolerances is an empty list"),
        ({"nfe": (0,)}, "holds no budgets"),
        ({"samples": 0}, "samples = 0 is no whole number from 1"),
    ],
)
def test_an_experiment_on_found_steps_that_cannot_be_run_is_refused(changed, said):
    """As it is read, in one sentence."""
    with pytest.raises(InputError, match=said):
        FoundSteps(**(vars(ASKED) | changed))


def test_the_page_shows_the_tables_that_were_made():
    """Every row of the tables of the mixture and of the digits, as `reproduce` wrote them."""
    page = (ROOT / "docs/adaptive.md").read_text("utf-8").splitlines()
    for name in ("mixture", "digits"):
        made = (ROOT / f"figures/found-steps-{name}.md").read_text("utf-8").splitlines()
        rows = [line for line in made if line.startswith("|")]
        assert len(rows) == 12
        assert [row for row in rows if row not in page] == []
