"""The main job goes on where it stopped, is shared by processes, and is held to what it found before."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from numtoolkit.cli import main
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files import storage
from numtoolkit.files.result_store import Cell, Store
from numtoolkit.files.storage import read_json
from numtoolkit.laws import law_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.reproduce import work
from numtoolkit.reproduce.job import Progress, check, reproduce, strangers
from numtoolkit.reproduce.reading import read_experiments
from numtoolkit.schemes import scheme
from tests.support.checkout import ROOT
from tests.support.shipped import shipped

pytest.importorskip("matplotlib")
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

CURVE = """
kind = "curve"
title = "Which falls faster?"
process = "edm"
law = "gaussian"
grid = "rho(7)"
schemes = ["euler", "res-2s"]
nfe = [6, 10]
"""
STABILITY = 'kind = "stability"\ntitle = "Where?"\nschemes = ["euler"]\nlinear = [0]\n'


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder and those in it."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A curve `a` of two schemes and the stability `b` of one."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/a.toml").write_text(CURVE)
    (tmp_path / "plans/b.toml").write_text(STABILITY)
    return tmp_path / "plans"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are texts of what they show: what is not about how they look need not wait for it."""

    def drawn(records: Any, *about: Any) -> str:
        return repr([getattr(record, "scheme", record) for record in records])

    monkeypatch.setattr("numtoolkit.plots.curve_figure", drawn)
    monkeypatch.setattr("numtoolkit.plots.stability_figure", drawn)
    monkeypatch.setattr("numtoolkit.reproduce.job.write_figure", storage.write)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of work that are done, one after the other."""
    calls: list[str] = []

    def counting(kind: str, own: work.Work) -> work.Work:
        def run(**data: Any) -> Any:
            calls.append(kind)
            return own.run(**data)

        return work.Work(run, own.absolute)

    for kind, own in work.WORK.items():
        monkeypatch.setitem(work.WORK, kind, counting(kind, own))
    return calls


def killed(plans: Path, tmp_path: Path) -> Iterator[tuple[int, dict[str, bytes]]]:
    """What is in the folder after a kill at each file operation and a second run; 0 is undisturbed."""
    words = ["reproduce", "a", "--experiments", str(plans), "--out", "OUT", "--workers", "1"]  # which may be forked
    command = [sys.executable, "-m", "tests.support.kills", str(tmp_path / "out"), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    operations = int(done.stderr.split()[-1])
    assert operations >= 2 * 6 + 5 * 5  # two results with their claims, and five files
    for n in range(operations + 1):
        yield n, contents(tmp_path / "out" / str(n))


@needs_fork
@pytest.mark.check
def test_a_job_that_was_killed_at_any_file_operation_ends_with_the_same_bytes(plans: Path, tmp_path: Path) -> None:
    """The second run succeeds, nothing differs from an undisturbed one, and nothing else is there."""
    cases = dict(killed(plans, tmp_path))
    assert len(cases) > 2
    assert len(cases[0]) == 2 + 5
    for n, found in cases.items():
        assert found == cases[0], f"after a kill at operation {n}"


@pytest.mark.usefixtures("undrawn")
def test_what_is_there_is_not_computed_again(plans: Path, tmp_path: Path, computed: list[str]) -> None:
    """A second run draws the same files from the results of the first; one that is missing is computed alone."""
    reproduce(plans, tmp_path / "out")
    first = contents(tmp_path / "out")
    assert computed == ["stability", "curve", "curve"]
    reproduce(plans, tmp_path / "out")
    assert len(computed) == 3
    curve = next((tmp_path / "out/cells/curve").iterdir())
    curve.unlink()
    reproduce(plans, tmp_path / "out")
    assert computed[3:] == ["curve"]
    assert contents(tmp_path / "out") == first


@pytest.mark.usefixtures("undrawn")
def test_running_one_experiment_drops_no_other_from_the_index(plans: Path, tmp_path: Path) -> None:
    """By name and by path; each is in the index as soon as it is done."""
    reproduce(plans, tmp_path / "out", ["a"])
    index = (tmp_path / "out/README.md").read_text()
    assert ("(a.png)" in index, "(b.png)" in index) == (True, False)
    shutil.move(plans / "b.toml", tmp_path / "mine.toml")
    reproduce(plans, tmp_path / "out", [str(tmp_path / "mine.toml")])
    reproduce(plans, tmp_path / "out", ["a"], quick=True)
    index = (tmp_path / "out/README.md").read_text()
    assert index.index("(mine.png)") < index.index("(a.png)")  # by kind, then by name
    assert f"by `numtoolkit reproduce {tmp_path}/mine.toml`." in index
    assert f"by `numtoolkit reproduce a --experiments {plans} --quick`." in index


@pytest.mark.usefixtures("undrawn")
def test_files_of_others_in_the_folder_are_no_experiments(plans: Path, tmp_path: Path) -> None:
    """Data of another kind, damaged or foreign, neither stop the job nor stand in the index."""
    reproduce(plans, tmp_path / "out", ["b"])
    index = (tmp_path / "out/README.md").read_text()
    for name, text in {"x": "{", "y": '{"title": "y", "data": []}', "z": "[]", "w": '{"experiment": 1}'}.items():
        (tmp_path / f"out/{name}.json").write_text(text)
    record = read_json(tmp_path / "out/b.json")
    record["experiment"]["kind"] = "other"
    (tmp_path / "out/v.json").write_text(json.dumps(record))
    reproduce(plans, tmp_path / "out", ["b"])
    assert (tmp_path / "out/README.md").read_text() == index


@pytest.mark.usefixtures("undrawn")
def test_the_command_that_is_recorded_writes_the_same_file(plans: Path, tmp_path: Path) -> None:
    """In another folder, and whatever else was asked for."""
    reproduce(plans, tmp_path / "out", workers=2)
    words = read_json(tmp_path / "out/a.json")["command"].split()
    assert words[0] == "numtoolkit"
    assert main([*words[1:], "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again/a.json").read_bytes() == (tmp_path / "out/a.json").read_bytes()


SLOW = """
import sys, time
from pathlib import Path
from numtoolkit.reproduce import job, work
def slow(**data):
    time.sleep(0.3)
    with open(sys.argv[3], "a") as stream:
        stream.write(f"{sys.argv[4]} {data['scheme']}\\n")
    return own(**data)
own = work.WORK["curve"].run
work.WORK["curve"] = work.Work(slow)
print("ready", flush=True)
sys.stdin.readline()
job.reproduce(Path(sys.argv[1]), Path(sys.argv[2]), ["a"])
"""


@pytest.mark.check
@pytest.mark.skipif(storage.fcntl is None, reason="needs locks")
def test_two_processes_share_a_store_and_compute_nothing_twice(plans: Path, tmp_path: Path) -> None:
    """Started together, both end with all files, and each result was computed by one of them."""
    (plans / "a.toml").write_text(CURVE.replace('"res-2s"', '"res-2s", "ddim", "heun-edm"'))
    words = [sys.executable, "-c", SLOW, str(plans), str(tmp_path / "out"), str(tmp_path / "done")]
    piped: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen([*words, name], cwd=ROOT, text=True, **piped) for name in ("first", "second")]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        error = process.communicate()[1]
        assert process.returncode == 0, error
    by = [line.split() for line in (tmp_path / "done").read_text().splitlines()]
    assert sorted(cell for _, cell in by) == ["ddim", "euler", "heun-edm", "res-2s"]
    assert {who for who, _ in by} == {"first", "second"}
    reproduce(plans, tmp_path / "alone", ["a"])
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


@pytest.mark.usefixtures("undrawn")
def test_workers_write_what_one_process_writes(plans: Path, tmp_path: Path) -> None:
    """Three processes, in any order: the same bytes, and all is counted."""
    tally: list[tuple[int, int]] = []
    reproduce(plans, tmp_path / "three", workers=3, progress=Progress(count=lambda *now: tally.append(now)))
    reproduce(plans, tmp_path / "one")
    assert contents(tmp_path / "three") == contents(tmp_path / "one")
    assert (tally[0], tally[-1]) == ((0, 3), (3, 3))
    assert tally == sorted(tally)


@pytest.mark.usefixtures("undrawn")
def test_parts_together_are_the_whole(plans: Path, tmp_path: Path, computed: list[str]) -> None:
    """Each part computes its own cells, and the last one, which finds all others, draws."""
    cells = [cell for plan in read_experiments(plans) for cell in plan.experiment.cells(False, {})]
    sizes = Counter(int(cell.digest, 16) % 3 for cell in cells)
    for i in (1, 2, 3):
        before = len(computed)
        reproduce(plans, tmp_path / "out", shard=(i, 3))
        assert len(computed) - before == sizes[i - 1]
    reproduce(plans, tmp_path / "one")
    assert contents(tmp_path / "out") == contents(tmp_path / "one")
    with pytest.raises(InputError, match="shard = 4 is no whole number from 1 to 3"):
        reproduce(plans, tmp_path / "out", shard=(4, 3))


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_result_is_said_set_aside_and_computed_again(plans: Path, tmp_path: Path) -> None:
    """The job ends as if nothing had been."""
    reproduce(plans, tmp_path / "out")
    first = contents(tmp_path / "out")
    spoiled = next((tmp_path / "out/cells/curve").iterdir())
    spoiled.write_text(spoiled.read_text().replace('"error": [', '"error": [9, '))
    lines: list[str] = []
    reproduce(plans, tmp_path / "out", progress=Progress(lines.append))
    assert [line for line in lines if "aside" in line] == [
        f"{spoiled} does not hold what was written; it is now {spoiled.stem}.aside, and is computed anew"
    ]
    spoiled.with_suffix(".aside").unlink()
    assert contents(tmp_path / "out") == first


@pytest.mark.usefixtures("undrawn")
def test_results_are_removed_where_all_is_asked_for_from_nothing(
    plans: Path, tmp_path: Path, computed: list[str]
) -> None:
    """All of them, or those of the experiments that are named."""
    reproduce(plans, tmp_path / "out")
    del computed[:]
    reproduce(plans, tmp_path / "out", ["b"], from_nothing=True)
    assert computed == ["stability"]
    Store(tmp_path / "out/cells", {}).compute(Cell.of("curve", x=1), lambda cell: 0)
    reproduce(plans, tmp_path / "out", from_nothing=True)
    assert computed[1:] == ["stability", "curve", "curve"]
    assert strangers(plans, tmp_path / "out") == []


@pytest.mark.usefixtures("undrawn")
def test_results_that_no_experiment_asks_for_are_pruned(
    plans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An experiment that changed leaves its old results, until they are pruned; they are printed."""
    words = ["reproduce", "--experiments", str(plans), "--out", str(tmp_path / "out"), "--workers", "1", "--json"]
    assert main(words) == 0
    old = set((tmp_path / "out/cells/curve").iterdir())
    (plans / "a.toml").write_text(CURVE.replace("[6, 10]", "[6, 12]"))
    assert main(words) == 0
    assert set(strangers(plans, tmp_path / "out")) == old
    capsys.readouterr()
    assert main([*words, "--prune"]) == 0
    assert set(json.loads(capsys.readouterr().out)["removed"]) == set(map(str, old))
    assert len(list((tmp_path / "out/cells/curve").iterdir())) == 2


@pytest.mark.usefixtures("undrawn")
def test_a_result_is_of_what_it_was_computed_from(plans: Path, tmp_path: Path, computed: list[str]) -> None:
    """Another declaration in the same file, or another law, is another cell; words of a declaration change no curve."""
    file = tmp_path / "mine.json"

    (plans / "a.toml").write_text(CURVE.replace('"euler", "res-2s"', f'"{file}"'))
    mine = replace(scheme("res-2s"), name="mine", aliases=())
    counts = []
    for declared in (mine, replace(mine, source="another book"), mine.bind(c2=Fraction(1, 3))):
        write_scheme(file, declared)
        reproduce(plans, tmp_path / "out", ["a"])
        counts.append(len(computed))
    assert counts == [1, 1, 2]
    cell = work.curve_cell("ddim", "edm", "mixture", ["rho(7)"], [5])
    assert cell.data["law"] == law_of("mixture").name
    assert cell == work.curve_cell("DDIM", "EDM", "mixture(dim=8)", ["rho(7)"], [5])
    assert cell != work.curve_cell("ddim", "edm", "mixture", ["rho(7)"], [5], 64)
    assert cell != work.curve_cell("ddim", "edm", "mixture", ["rho(7)"], [5], metric="path")
    assert cell != work.curve_cell("ddim", "edm", "mixture(seed=1)", ["rho(7)"], [5])
    changed = Cell.of("curve", **cell.data | {"scheme_sha256": "0"})
    with pytest.raises(InputError, match="scheme 'ddim' has changed since its results were asked for; run again"):
        work.compute(changed)


# --- results computed again


@pytest.mark.usefixtures("undrawn")
def test_a_sample_of_results_is_computed_again_and_agrees(plans: Path, tmp_path: Path, computed: list[str]) -> None:
    """The choice depends on the seed alone, and is of what is kept."""
    reproduce(plans, tmp_path / "out")
    del computed[:]
    samples = [check(plans, tmp_path / "out", count=2, seed=seed).cells for seed in range(8)]
    assert len(computed) == 16
    assert samples[3] == check(plans, tmp_path / "out", count=2, seed=3).cells
    assert len({frozenset(sample) for sample in samples}) > 1
    whole = check(plans, tmp_path / "out", count=100)
    assert (len(whole.cells), whole.differ) == (3, [])
    assert check(plans, tmp_path / "nothing", count=5).cells == []


@pytest.mark.usefixtures("undrawn")
def test_a_result_that_is_another_one_now_is_named_and_ends_with_1(
    plans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence says in which file, where in it, and what was and is there."""
    words = ["reproduce", "a", "--experiments", str(plans), "--out", str(tmp_path / "out"), "--check", "9"]
    words += ["--workers", "1"]
    assert main(words) == 0
    assert "0 of 0 results are the same to 4 digits" in capsys.readouterr().err
    own = work.WORK["curve"]

    def wrong(**data: Any) -> Any:
        found = own.run(**data)
        if data["scheme"] == "res-2s":
            found["curves"][0]["error"][1] *= 1.001
        return found

    monkeypatch.setitem(work.WORK, "curve", work.Work(wrong, own.absolute))
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "1 of 2 results are the same to 4 digits (--seed 0)" in said
    (line,) = [line for line in said.split("\n") if "is not reproduced" in line]
    assert line.startswith(str(tmp_path / "out/cells/curve"))
    assert "curves[0].error[1] was " in line
    assert '"scheme":"res-2s"' in line


@pytest.mark.parametrize(
    ("kept", "again", "where"),
    [
        ({"curves": [{"error": [1.0, 1e-3]}]}, {"curves": [{"error": [1.00009, 1.00009e-3]}]}, ""),
        ({"curves": [{"error": [1.0]}]}, {"curves": [{"error": [1.00011]}]}, r"curves\[0\].error\[0\] was 1.0 and is"),
        ({"error": [1e-13]}, {"error": [9e-12]}, ""),  # below what the exact flow is good to
        ({"error": [1e-13]}, {"error": [2e-11]}, r"error\[0\] was"),
        ({"steps": [5]}, {"steps": [6]}, r"steps\[0\] was 5 and is 6"),
        ({"error": [None]}, {"error": [1.0]}, r"error\[0\] has changed"),
        ({"metric": "x"}, {"metric": "y"}, "metric has changed"),
        ({"error": [1.0]}, {"error": [1.0, 2.0]}, "error has changed"),
        ({"error": []}, {"errors": []}, "it has changed"),
        (1.0, 2.0, "it was 1.0 and is 2.0"),
        ({"flag": True}, {"flag": False}, "flag has changed"),
    ],
)  # fmt: skip
def test_results_agree_to_the_digits_that_are_stated(kept: Any, again: Any, where: str) -> None:
    """Four digits of a number, more slack where the kind of work says so, everything else exactly."""
    found = work.difference(Cell.of("curve"), kept, again)
    if where:
        assert re.match(where, found)
    else:
        assert found == ""


def test_a_result_of_a_network_in_float32_is_as_rough_as_its_roundings() -> None:
    """An error may differ by what they move it, and no count of steps; in float64 it may not."""
    found = ((1e-2, 5), (1.009e-2, 5), (1e-2, 6))
    kept, again, other = ({"error": [error], "steps": [steps]} for error, steps in found)
    rough, exact = Cell.of("curve", dtype="float32"), Cell.of("curve")
    assert work.difference(rough, kept, again) == ""
    assert work.difference(exact, kept, again) == "error[0] was 0.01 and is 0.01009"
    assert work.difference(rough, kept, {"error": [1.02e-2], "steps": [5]}) == "error[0] was 0.01 and is 0.0102"
    assert work.difference(rough, kept, other) == "steps[0] was 5 and is 6"


def test_a_result_does_not_depend_on_what_was_computed_before(plans: Path) -> None:
    """Cells in any order, once and again, give the same data."""
    cells = [cell for plan in read_experiments(plans) for cell in plan.experiment.cells(True, {})]
    first = {cell: work.compute(cell) for cell in cells}
    random.Random(0).shuffle(cells)
    assert {cell: work.compute(cell) for cell in cells * 2} == first


# --- the command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c"], "unknown experiment 'c'; known: a, b"),
        (["nowhere/c.toml"], "cannot read 'nowhere/c.toml'"),
        (["--workers", "0"], "--workers 0 is out of range; give whole numbers from 1 to 256"),
        (["--workers", "many"], "--workers 'many' is not one whole number"),
        (["--shard", "4/3"], "--shard '4/3' is no part of a whole; give 2/3 for the second of three"),
        (["--shard", "0/3"], "--shard '0/3' is no part"),
        (["--shard", "half"], "--shard 'half' is no part"),
        (["--check", "0"], "--check 0 is out of range"),
        (["--seed", "-1"], "--seed '-1' is not one whole number"),
        (["b", "PLANS/b.toml"], "two experiments are called 'b', and so would their results; rename one."),
    ],
)
def test_a_command_that_asks_for_what_is_not_there_is_refused(
    plans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """In one sentence, before anything is written."""
    words = [word.replace("PLANS", str(plans)) for word in words]
    assert main(["reproduce", *words, "--experiments", str(plans), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_cell_that_fails_in_a_worker_is_said_by_the_job(plans: Path, tmp_path: Path) -> None:
    """A law that vanishes after the experiments were read is a sentence, with workers too."""
    file = tmp_path / "mine.json"
    write_scheme(file, scheme("ddim"))
    (plans / "a.toml").write_text(CURVE.replace('"euler"', f'"{file}"'))
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        file.unlink()

    with pytest.raises(StorageError, match=r"cannot read .*mine\.json"):
        reproduce(plans, tmp_path / "out", progress=Progress(say))
    assert lines == ["1/2 b"]


# --- what is kept in the repository


@pytest.mark.check
def test_kept_results_are_those_that_the_shipped_experiments_ask_for() -> None:
    """None is missing, none is left over of what has changed since, and files of figures name them."""
    figures = ROOT / "figures"
    assert strangers(ROOT / "experiments", figures) == []
    named = {figures / "cells" / cell for path in figures.glob("*.json") for cell in read_json(path)["cells"]}
    assert named == set((figures / "cells").glob("*/*.json"))
    plans = {plan.name: plan.table for plan in shipped()}
    assert {path.stem: read_json(path)["experiment"] for path in figures.glob("*.json")} == plans


def test_a_cell_whose_grid_follows_a_file_holds_the_digest_of_its_spectrum(tmp_path, monkeypatch):
    """The same cell while the file holds that spectrum; another one, and no result of the old one, when it changed."""
    monkeypatch.chdir(tmp_path)
    Spectrum(0.0, [1.0, 0.01]).save("own.npz")
    asked = "ddim", "edm", "gaussian(dim=2)", ["spectral(own.npz)", "rho(7)"], [4]
    cell = work.curve_cell(*asked)
    assert cell.data["grids"] == [f"spectral(own.npz, digest={Spectrum.load('own.npz').digest})", "rho(7)"]
    assert work.compute(cell)["curves"][0]["error"]
    others = [
        work.defects_cell("ddim", "edm", "gaussian(dim=2)", "spectral(own.npz)", 4, 1),
        work.found_steps_cell("ddim", False, work.GRID, "edm", "gaussian(dim=2)", "spectral(own.npz)", 2, nfe=[4]),
    ]
    assert [own.data["grid"] for own in others] == [cell.data["grids"][0]] * 2
    Spectrum(0.0, [2.0, 0.01]).save("own.npz")
    assert work.curve_cell(*asked) != cell
    with pytest.raises(StorageError, match="give the file of then"):
        work.compute(cell)
