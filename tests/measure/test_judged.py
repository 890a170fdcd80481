"""What is said of nothing known is the rule that was judged, and the figures of its judging."""

from __future__ import annotations

import math
import tomllib

import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError
from numtoolkit.files.storage import read_json
from tests.support.checkout import ROOT

FILE = tomllib.loads((ROOT / "experiments/judging.toml").read_text(encoding="utf-8"))
DATA = read_json(ROOT / "figures/judging.json")["data"]


@pytest.mark.parametrize("process", ["edm", "flow", "psld"])
@pytest.mark.parametrize("dynamics", ["ode", "sde"])
def test_the_rule_is_that_of_the_file_and_its_means_those_of_the_judging(process, dynamics):
    """At every judged budget: the row for networks, told a pilot run, the default, and the mean over the networks."""
    kind = "psld" if process == "psld" else "edm"
    (group,) = (g for g in FILE["groups"] if (g["process"], g["dynamics"]) == (kind, dynamics))
    quantity = "path" if dynamics == "ode" else "law"
    for nfe in (n for n in FILE["nfe"] if n <= group.get("most", n)):
        told, usual = nt.judged(process, nfe, dynamics)
        (row,) = (r for r in group["rule"] if r["first"] <= nfe <= r["last"] and r.get("on", "networks") == "networks")
        assert told["scheme"] == row["scheme"].replace("{spectrum}", "pilot")
        assert told["grid"] == row["grid"].replace("{spectrum}", "pilot")
        assert usual["scheme"] == group["default"]["scheme"]
        ratios = [
            r["over default"][0]
            for r in DATA["records"]
            if (r["group"], r["quantity"], r["nfe"]) == (group["name"], quantity, nfe) and r["network"]
        ]
        assert told["mean"] == pytest.approx(math.exp(sum(map(math.log, ratios)) / len(ratios)), rel=1e-4)
        assert (told["ahead"], told["of"]) == (sum(r <= 1 for r in ratios), len(ratios))
        assert (told["least"], told["most"]) == (min(ratios), max(ratios))
        assert usual["mean"] is None


def test_what_is_named_runs():
    """Both pairs of a budget, the first after its pilot run."""
    for record in nt.judged("edm", 6):
        run = nt.sample(record["scheme"], "edm", "gaussian(dim=3)", record["grid"], 6, seeds=range(2))
        assert run.samples.shape == (2, 3)


def test_budgets_between_and_beyond_the_judged_ones_take_the_nearest_below():
    """The figures at 12 are those at 10, those at 3 of 5, and at 4000 the last."""
    found = {nfe: nt.judged("edm", nfe)[0] for nfe in (3, 5, 10, 12, 100, 4000)}
    assert (found[12]["judged_at"], found[3]["judged_at"], found[4000]["judged_at"]) == (10, 5, 100)
    assert found[12]["mean"] == found[10]["mean"]
    with pytest.raises(InputError, match="unknown dynamics 'pde'"):
        nt.judged("edm", 5, "pde")
