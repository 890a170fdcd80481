"""A judging: it runs what its file was written for and nothing else, and its tables are those of the errors."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.files.storage import read_json
from numtoolkit.laws import law_of
from numtoolkit.laws.spectra import spectrum_of
from numtoolkit.measure import error_curve
from numtoolkit.measure.candidates import Pair as Candidate
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.network import Network
from numtoolkit.reproduce import judging as judging_module
from numtoolkit.reproduce.job import reproduce
from numtoolkit.reproduce.judging import Group, Judging, Known, Row, Subject, identity
from numtoolkit.reproduce.reading import read_experiments
from numtoolkit.reproduce.verdicts import summarised, tables
from numtoolkit.schemes import catalogue
from tests.support.checkpoints import written

pytest.importorskip("matplotlib")

LAW = "ring"
SEED, STARTS = 1000, 40
FRAME = Candidate("gframe-ab(1, sigma_data={s}, mean={m})", "angle({s}, zero=1)")
PAIRS = (FRAME, Candidate("ddim", "log-snr"))
RULE = Row(1, 5, "ddim", "rho(7)"), Row(6, 9, "unipc(2)", "angle({s})")
PATHS = Group("paths", "edm", "ode", Candidate("dpmpp-2m", "rho(7)"), PAIRS, (), RULE)
NOISE = Group("noise", "edm", "sde", Candidate("em", "rho(7)"), (), (), (Row(1, 9, "sde-dpmpp-2m", "log-snr"),))


def subject(name: str, law: str, process: str = "edm", **own: Any) -> Subject:
    """With the digest that it has."""
    return Subject(name, process, law, identity(law), **own)


def judging(*subjects: Subject, groups: tuple[Group, ...] = (PATHS,), **own: Any) -> Judging:
    """Of some subjects, which a Gaussian is not."""
    known = own.pop("development", (Known("gaussian", identity("gaussian")),))
    return Judging("Better?", (5, 6), SEED, 3, known, subjects, groups, starts=STARTS, law_starts=STARTS, **own)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """Of a law, along paths and in law."""
    return judging(subject("a ring", LAW), groups=(PATHS, NOISE)).run(quick=False).data


@cache
def errors(scheme: str, grid: str, nfe: int) -> dict[str, Any]:
    """Of a pair, told of the ring."""
    deviation = f"{math.sqrt(law_of(LAW).variance):.4f}"
    told = [text.replace("{s}", deviation).replace("{m}", "0.0000") for text in (scheme, grid)]
    return error_curve(told[0], "edm", law_of(LAW), told[1], [nfe], range(SEED, SEED + STARTS))[0]


def test_the_best_in_hindsight_is_the_best_at_each_budget_and_quantity(result: dict[str, Any]) -> None:
    """Of the pairs and the default, by errors from the same starts; in law none counts as less than its floor."""
    assert len(result["records"]) == 2 * 3 + 2
    for record in result["records"]:
        if record["group"] == "noise":
            continue
        pairs = {str(pair): errors(pair.scheme, pair.grid, record["nfe"]) for pair in (*PAIRS, PATHS.default)}
        floor = "floor" if record["quantity"] == "law" else None
        values = {name: max(e[record["quantity"]], e[floor] if floor else 0) for name, e in pairs.items()}
        assert record["errors"]["best"] == pytest.approx(min(values.values()), rel=1e-5)
        assert values[record["best"]] == min(values.values())
        ruled = PATHS.ruled(record["nfe"], subject("ring", LAW))
        own = errors(ruled.scheme, ruled.grid, record["nfe"])
        assert record["errors"]["rule"] == pytest.approx(
            max(own[record["quantity"]], own[floor] if floor else 0), rel=1e-5
        )
        for rival in ("best", "default"):
            ratio = record["errors"]["rule"] / record["errors"][rival]
            assert record[f"over {rival}"][0] == pytest.approx(ratio, rel=1e-4)


def test_ratios_along_paths_have_intervals_and_those_in_law_none(result: dict[str, Any]) -> None:
    """Paired ones hold the ratio; errors in law have their own interval beside them."""
    for record in result["records"]:
        value, low, high = record["over best"]
        if record["quantity"] == "law":
            assert (low, high) == (None, None)
            assert record["intervals"]["rule"][1] > 0
        else:
            assert low <= value <= high
    noise = [r for r in result["records"] if r["group"] == "noise"]
    assert {r["quantity"] for r in noise} == {"law"}
    assert {r["rule"] for r in noise} == {"sde-dpmpp-2m on log-snr"}


def test_a_law_meets_the_whole_catalogue_and_a_network_the_pairs_alone(tmp_path: Path) -> None:
    """Every deterministic scheme that needs no fitting and follows a flow, on every grid of the group."""
    group = replace(PATHS, grids=("log-snr", "rho(7)"))
    path = written(tmp_path / "own.safetensors", Blueprint("mlp", (2,), "edm", "data", 0.5, 16, 1))
    network = subject("net", str(path), deviation=0.5)
    assert group.rivals(network) == [PATHS.default, *PAIRS]
    rivals = group.rivals(subject("ring", LAW))
    own = {
        s.name for s in catalogue() if "edm" in s.processes and s.kind == "ode" and not s.fitted and s.family != "CFG++"
    }
    assert {pair.scheme.split("(")[0] for pair in rivals} == own
    assert "gframe-abm(2, sigma_data={s}, mean={m})" in {pair.scheme for pair in rivals}
    assert len(rivals) == 2 * len(own) + 1  # the frame on a grid that is no usual one


def test_a_network_is_judged_against_its_own_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same starts as laws, its law told by as many ends of its flow from seeds that follow."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "own.safetensors", Blueprint("mlp", (2,), "edm", "data", 0.5, 16, 1))
    found = (
        judging(subject("net", "own.safetensors", deviation=0.5, mean=0.1, dtype="float32"))
        .run(quick=False)
        .data["records"]
    )
    seeds = range(SEED, SEED + STARTS)
    reference = range(SEED + STARTS, SEED + 2 * STARTS)
    network = Network.load(path, dtype="float32")
    own = error_curve("ddim", "edm", network, "rho(7)", [5], seeds, reference=reference)[0]
    first = {r["quantity"]: r for r in found if r["nfe"] == 5}
    for quantity in ("path", "median"):
        assert first[quantity]["errors"]["rule"] == pytest.approx(own[quantity], rel=1e-3)
    assert first["law"]["errors"]["rule"] == pytest.approx(max(own["law"], own["floor"]), rel=1e-3)
    assert first["path"]["network"] is True
    written(path, Blueprint("mlp", (2,), "edm", "data", 0.6, 16, 1))
    with pytest.raises(InputError, match="judge what the file was written for"):
        judging(subject("net", "own.safetensors", deviation=0.5), replace(subject("x", LAW), sha256="0" * 64))


def test_a_rule_is_told_the_spectrum_of_each_subject(tmp_path: Path) -> None:
    """By the file that the subject names, whose digest is held; grid and scheme are told by one name."""
    path = spectrum_of(LAW).save(tmp_path / "ring.npz")
    group = replace(PATHS, rule=(Row(1, 9, "gframe-abm(1, spectrum={spectrum})", "spectral"),))
    own = subject("ring", LAW, spectrum=str(path), spectrum_sha256=identity(str(path)))
    first, second = (f"gframe-abm(1, spectrum={path})", "spectral")
    assert own.told(group.ruled(5, own)) == (first, second)
    cells = judging(own, groups=(group,)).cells(False, {})
    assert first in {cell.data["scheme"] for cell in cells}
    with pytest.raises(InputError, match=r"ring\.npz' is .* now, not"):
        judging(replace(own, spectrum_sha256="0" * 64), groups=(group,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, "judge what the file was written for"),
        ({"law": "network:digits-image"}, "judge what the file was written for"),
        ({"process": "psld"}, "no group is of the kind of psld"),
        ({"classes": 3}, "classes = 3 are told to a network"),
    ],
)
def test_a_subject_that_is_not_what_it_says_is_refused(change: dict[str, Any], words: str) -> None:
    """Before anything runs."""
    with pytest.raises(InputError, match=words):
        judging(replace(subject("ring", LAW), **change))


def test_what_a_rule_was_developed_on_does_not_judge_it() -> None:
    """Neither the same law, nor a network of the same seed, data or architecture."""
    own = subject("ring", LAW)
    with pytest.raises(InputError, match="is of the development set too"):
        judging(own, development=(Known(LAW, identity(LAW)),))
    name = "network:digits-image"
    digits = subject("digits", "network:digits-class", deviation=0.5, classes=10)
    with pytest.raises(InputError, match="shares its seed, 0, with a network of the development set"):
        judging(digits, development=(Known(name, identity(name)),))


def test_rows_of_a_rule_may_be_for_networks_or_for_laws_alone(tmp_path: Path) -> None:
    """A network is rough and takes another order than a closed form; the file of the network says which it is."""
    rows = Row(1, 9, "ddim", "rho(7)", "laws"), Row(1, 9, "dpmpp-2m", "log-snr", "networks")
    group = replace(PATHS, rule=rows)
    path = written(tmp_path / "own.safetensors", Blueprint("mlp", (2,), "edm", "data", 0.5, 16, 1))
    network = subject("net", str(path), deviation=0.5)
    assert group.ruled(5, subject("ring", LAW)) == Candidate("ddim", "rho(7)")
    assert group.ruled(5, network) == Candidate("dpmpp-2m", "log-snr")
    cells = judging(network, groups=(replace(group, pairs=()),)).cells(False, {})
    assert {cell.data["scheme"] for cell in cells} == {"dpmpp-2m"}
    assert {tuple(cell.data["nfe"]) for cell in cells} == {(5, 6)}
    dear = judging(network, subject("ring", LAW), groups=(replace(group, pairs=(), most=5),)).cells(False, {})
    assert {(cell.data["scheme"], *cell.data["nfe"]) for cell in dear} == {
        ("dpmpp-2m", 5),
        ("dpmpp-2m", 5, 6),
        ("ddim", 5, 6),
    }


def test_a_rule_that_is_not_written_down_is_not_judged() -> None:
    """Every budget has one row; a scheme of another dynamics stands in no group."""
    own = subject("ring", LAW)
    with pytest.raises(InputError, match="has 0 rows for 5 evaluations on laws; write one before anything is judged"):
        judging(own, groups=(replace(PATHS, rule=()),))
    with pytest.raises(InputError, match="has 2 rows for 6 evaluations on laws"):
        judging(own, groups=(replace(PATHS, rule=(*PATHS.rule, Row(6, 6, "ddim", "rho(7)"))),))
    with pytest.raises(InputError, match="has 0 rows for 5 evaluations on laws"):
        judging(own, groups=(replace(PATHS, rule=tuple(replace(row, on="networks") for row in PATHS.rule)),))
    with pytest.raises(InputError, match="unknown on 'nets'; did you mean networks"):
        judging(own, groups=(replace(PATHS, rule=(replace(PATHS.rule[0], on="nets"), *PATHS.rule[1:])),))
    with pytest.raises(InputError, match="em in group 'paths' is of kind sde; give ode"):
        judging(own, groups=(replace(PATHS, default=Candidate("em", "rho(7)")),))


def test_means_are_geometric_with_intervals_over_subjects() -> None:
    """Student's interval of the logarithms; a subject without a ratio is left out, and one alone has no interval."""
    ratios = {"a": 0.5, "b": 1.0, "c": 4.0, "d": None}
    records = [
        {"group": "g", "subject": name, "network": name == "c", "nfe": 5, "quantity": "law", "rule": "r",
         "best": "b", "default": "d", "over best": [ratio, None, None], "over default": [1.0, 0.5, 2.0]}
        for name, ratio in ratios.items()
    ]  # fmt: skip
    lines = {(s["class"], s["over"]): s for s in summarised(records)}
    every = lines["all", "best"]
    assert every["mean"] == pytest.approx(2 ** (1 / 3), rel=1e-5)
    assert (every["ahead"], every["of"]) == (2, 3)
    half = 4.302653 * np.std(np.log([0.5, 1, 4]), ddof=1) / math.sqrt(3)
    assert every["high"] == pytest.approx(2 ** (1 / 3) * math.exp(half), rel=1e-5)
    assert lines["networks", "best"]["low"] is None
    assert lines["networks", "best"]["mean"] == pytest.approx(4)
    assert lines["laws", "best"]["mean"] == pytest.approx(math.sqrt(0.5), rel=1e-5)
    text = tables(records, list(lines.values()))
    assert "rule over best in hindsight" in text
    assert "| d " in text
    assert "1 (0.5-2)" in text


TOY = """
kind = "judging"
title = "Better?"
nfe = [5]
seed = 1000
variants = 7
starts = 40
development = [{{law = "gaussian", sha256 = "{known}"}}]

[[subjects]]
name = "a ring"
process = "edm"
law = "ring"
sha256 = "{own}"

[[groups]]
name = "paths"
process = "edm"
dynamics = "ode"
default = {{scheme = "ddim", grid = "log-snr"}}
pairs = [{{scheme = "dpmpp-2m", grid = "log-snr"}}]
rule = [{{first = 5, last = 5, scheme = "ddim", grid = "rho(7)"}}]
"""


def test_a_judging_is_run_as_other_experiments_are(tmp_path: Path) -> None:
    """By its file, into data, tables and a figure; the tables say how many variants were tried."""
    path = tmp_path / "judged.toml"
    path.write_text(TOY.format(known=identity("gaussian"), own=identity(LAW)))
    written = {file.name for file in reproduce(tmp_path, tmp_path / "out", ["judged"])}
    assert {"judged.json", "judged.md", "judged.png"} <= written
    assert "tried on the development set before: 7." in (tmp_path / "out" / "judged.md").read_text()
    data = read_json(tmp_path / "out" / "judged.json")["data"]
    assert data["records"][0]["best"] in ("ddim on log-snr", "dpmpp-2m on log-snr")
    path.write_text(TOY.format(known=identity("gaussian"), own=identity("ring(modes=9)")))
    with pytest.raises(InputError, match=r"'ring' is .* now, not"):
        read_experiments(tmp_path)


def test_a_law_is_told_from_others_by_its_name_and_its_denoiser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters that are defaults change nothing; a law that answers otherwise under its name is another one."""
    before = identity("ring")
    assert before == identity("ring(modes=8)") != identity("ring(modes=9)")
    other = law_of("ring(modes=9)")
    monkeypatch.setattr(judging_module, "law_at", lambda *about: other)
    assert identity("ring") not in (before, identity("ring(modes=9)"))
