"""Cells are computed by processes of this machine or of a Dask cluster, to the same bytes, and some of them die."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from numtoolkit.cli import main
from numtoolkit.errors import InputError, WorkerError
from numtoolkit.files.result_store import Cell, Store
from numtoolkit.files.versions import versions
from numtoolkit.references import allow_imports
from numtoolkit.reproduce import job, work, workers
from numtoolkit.reproduce.job import reproduce
from numtoolkit.reproduce.workers import Executor, executor
from tests.support import deadly
from tests.support.checkout import ROOT

pytest.importorskip("matplotlib")
needs_processes = pytest.mark.skipif(sys.platform != "linux", reason="needs SIGKILL and /proc")
CELLS = [Cell.of("square", x=x) for x in range(8)]
work.WORK["square"] = work.Work(deadly.square)  # of whose kind a job asks for versions
MINE = "from numtoolkit.schemes import scheme\nSCHEME = scheme('ddim')\n"
CURVE = """
kind = "curve"
title = "Which falls faster?"
process = "edm"
law = "gaussian(dim=2)"
grid = "rho(7)"
schemes = ["euler", "res-2s", "ddim", "dpmpp-2m", "heun-edm", "dpmpp-2s", "dpm-solver-2", "ipndm"]
nfe = [6, 10]
"""


def seconds(most: float) -> Iterator[None]:
    """Moments until so much time is over, which is a failure."""
    end = time.monotonic() + most
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
    raise AssertionError(f"nothing happened in {most} s")


def results(out: Path) -> dict[str, bytes]:
    """The bytes of each result in a folder of figures."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("cells/*/*"))}


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A curve of eight schemes, which are eight cells."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/a.toml").write_text(CURVE)
    return tmp_path / "plans"


@pytest.fixture(autouse=True)
def _drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numtoolkit.reproduce.job._write", lambda out, plan, *_: [out / plan.name])


# --- a cluster

Cluster = tuple[str, list[subprocess.Popen[str]]]  # its address, and its workers


def dask(*words: str, folder: Path) -> subprocess.Popen[str]:
    """A process of a cluster, which works in a folder of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True}
    return subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=folder, env=environment, **quiet)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers of one thread; nothing starts a worker again."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("cluster")
    said = folder / "scheduler.json"
    local = "--host", "127.0.0.1", "--no-dashboard"
    own = [dask("scheduler", *local, "--port", "0", "--scheduler-file", str(said), folder=folder)]
    try:
        for _ in seconds(300):
            if said.exists() and said.read_text():
                break
        address = json.loads(said.read_text())["address"]
        for _ in range(2):
            own.append(dask("worker", address, *local, "--nthreads", "1", "--no-nanny", folder=folder))
        yield address, own[1:]
    finally:
        for process in own:
            process.kill()
            process.wait()


@pytest.fixture(params=["cores", pytest.param("cluster", marks=pytest.mark.check)])
def execute(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Two processes of this machine, and two workers of a cluster."""
    address = request.getfixturevalue("cluster")[0] if request.param == "cluster" else None
    with executor(2, address) as own:
        yield own


# --- executors


def test_every_cell_comes_once_with_what_is_made_of_it(execute: Executor) -> None:
    """In any order; of no cells nothing."""
    assert sorted((cell.text, square) for cell, square in execute(deadly.square, CELLS)) == sorted(
        (cell.text, x * x) for x, cell in enumerate(CELLS)
    )
    assert list(execute(deadly.square, [])) == []


@pytest.mark.check
@needs_processes
def test_a_worker_that_is_renewed_stops_no_job_where_warnings_are_errors() -> None:
    """As they are in these tests: the thread that deals the cells would end by joblib's, and the job would never."""
    code = (
        "from tests.support import deadly; from numtoolkit.files.result_store import Cell\n"
        "from numtoolkit.reproduce.workers import executor\n"
        "with executor(2) as execute:\n"
        "    found = execute(deadly.leaves, [Cell.of('square', x=x) for x in range(8)])\n"
        "    assert sorted(square for _, square in found) == [x * x for x in range(8)]\n"
    )
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], cwd=ROOT, timeout=90, check=True)


@needs_processes
def test_the_cells_of_a_worker_that_dies_are_computed_by_others(execute: Executor, tmp_path: Path) -> None:
    """Each comes once, that which it was at among them."""
    found = list(execute(partial(deadly.dies_once, tmp_path), CELLS))
    assert (tmp_path / "died").exists()
    assert sorted(square for _, square in found) == [x * x for x in range(8)]


@pytest.mark.check
@needs_processes
def test_a_cell_that_kills_its_worker_again_and_again_is_named_after_all_others() -> None:
    """It stops none of them, and the sentence quotes it."""
    with executor(2) as execute:
        coming = execute(deadly.dies, CELLS)
        found = [square for _, (_, square) in zip(CELLS[1:], coming, strict=False)]
        with pytest.raises(
            WorkerError, match=r"^3 workers died at square/[0-9a-f]+\.json, perhaps .* is \{\"x\":3\}\.$"
        ):
            next(coming)
    assert sorted(found) == [x * x for x in range(8) if x != deadly.FATAL]


@pytest.mark.check
def test_what_a_cell_raises_is_raised_where_it_was_asked_for(execute: Executor) -> None:
    """The same exception, with its sentence."""
    with pytest.raises(InputError, match=r"^\d is no good; give another\.$"):
        list(execute(deadly.fails, CELLS))


def test_names_of_files_begin_where_one_asks_and_a_process_has_one_thread(
    execute: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of processes that were started elsewhere before."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    here = os.getcwd()
    list(execute(deadly.square, CELLS))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "note").write_text(name)
        monkeypatch.chdir(tmp_path / name)
        said = {about for _, about in execute(deadly.where, CELLS)}
        assert {(note, threads) for note, threads, _ in said} == {(name, "1")}
        assert os.getpid() not in {process for *_, process in said}
    monkeypatch.chdir(here)


def test_references_are_taken_in_workers_where_the_job_may(execute: Executor, tmp_path: Path, monkeypatch) -> None:
    """With allow_imports."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    with allow_imports():
        assert {name for _, name in execute(deadly.taken, CELLS)} == {"ddim"}


def test_a_task_is_done_elsewhere_as_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same folder, with the same permission; what a file raises is a sentence, and an orphan does nothing."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "note").write_text("here")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with monkeypatch.context() as there:
        there.chdir(tmp_path)
        asked, unasked = workers._Task(deadly.where), workers._Task(deadly.taken)
        with allow_imports():
            allowed = workers._Task(deadly.taken)
    before = os.getcwd()
    assert asked(CELLS[0]) == (CELLS[0], ("here", "1", os.getpid()))
    with pytest.raises(InputError, match="--import"):
        unasked(CELLS[0])
    assert allowed(CELLS[0])[1] == "ddim"
    (tmp_path / "mine.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        allowed(CELLS[0])
    assert os.getcwd() == before
    with pytest.raises(InputError, match=r"a worker has no folder '/nowhere'; start workers where that is seen\.$"):
        workers._Task(deadly.where, folder="/nowhere")(CELLS[0])
    assert workers._Task(deadly.square, parent=os.getpid())(CELLS[2]) == (CELLS[2], None)
    assert workers._Task(deadly.square, parent=os.getppid())(CELLS[2]) == (CELLS[2], 4)


def test_processes_are_no_more_than_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """One cell is computed in this process, by whatever it holds."""
    with executor(8) as execute:
        assert list(execute(lambda cell: os.getpid(), CELLS[:1])) == [(CELLS[0], os.getpid())]


# --- the job


def whole(plans: Path, out: Path, tmp_path: Path, cluster: Callable[[], str]) -> None:
    reproduce(plans, out)


def of_two_processes(plans: Path, out: Path, tmp_path: Path, cluster: Callable[[], str]) -> None:
    reproduce(plans, out, workers=2)


def of_two_shards(plans: Path, out: Path, tmp_path: Path, cluster: Callable[[], str]) -> None:
    """Into a folder each, as on machines that share none; results are then copied together."""
    for i in (1, 2):
        reproduce(plans, tmp_path / f"part {i}", shard=(i, 2))
        shutil.copytree(tmp_path / f"part {i}/cells", out / "cells", dirs_exist_ok=True)


def of_a_cluster(plans: Path, out: Path, tmp_path: Path, cluster: Callable[[], str]) -> None:
    reproduce(plans, out, cluster=cluster())


@pytest.mark.parametrize("by", [of_two_processes, of_two_shards, pytest.param(of_a_cluster, marks=pytest.mark.check)])
def test_results_are_the_same_to_the_byte_whoever_computes_them(
    by: Callable[..., None], plans: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Two processes, two shards of which nobody sees the other's folder, two workers of a cluster."""
    whole(plans, tmp_path / "one", tmp_path, str)
    by(plans, tmp_path / "out", tmp_path, lambda: request.getfixturevalue("cluster")[0])
    assert len(results(tmp_path / "one")) == 8
    assert results(tmp_path / "out") == results(tmp_path / "one")


THREADS = """
import sys
from numtoolkit.files.result_store import Cell
from numtoolkit.reproduce import work
def loads():
    import torch
    return torch.get_num_threads()
work.WORK["loads"] = work.Work(loads)
assert "torch" not in sys.modules
print(work.compute(Cell.of("loads")), __import__("os").environ.get("OMP_NUM_THREADS"))
"""


def test_a_cell_that_loads_torch_computes_with_one_thread() -> None:
    """Torch asks the environment as it is loaded, which is as it was afterwards."""
    pytest.importorskip("torch")
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", THREADS], cwd=ROOT, env=free, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1 None\n", "")


def test_a_result_of_a_worker_that_sees_another_folder_is_kept_here(plans: Path, tmp_path: Path) -> None:
    """What it returns is written, to the same bytes."""
    cell = work.curve_cell("ddim", "edm", "gaussian(dim=2)", ["rho(7)"], [5])
    store = Store(tmp_path / "here", versions(job.PACKAGES))
    kept, said = job._filled(tmp_path / "there", store.versions, cell)
    assert kept is not None
    assert (store.find(cell), said) == (None, [])
    store.keep(cell, kept)
    here, there = (tmp_path / name / cell.address for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()
    before = here.stat().st_mtime_ns
    store.keep(cell, kept)
    assert here.stat().st_mtime_ns == before


def test_a_worker_with_other_versions_is_refused(tmp_path: Path) -> None:
    """Before it computes: its results might be others."""
    with pytest.raises(InputError, match=r"^a worker has numpy .*, and this machine 1\.0; install the same\.$"):
        job._filled(tmp_path, versions(job.PACKAGES) | {"numpy": "1.0"}, CELLS[0])


# --- kills and interrupts

SLOW = """
import sys
from numtoolkit.cli import main
from numtoolkit.reproduce import job
from tests.support import deadly
job._filled = deadly.slowly
job._write = lambda out, plan, *_: []
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def started(plans: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the main job in a group of processes of its own, with slow cells."""
    own: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SLOW, "reproduce", "--experiments", str(plans), "--out", str(tmp_path / "out")]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        own.append(subprocess.Popen([*command, *words], cwd=ROOT, process_group=0, **quiet))
        return own[-1]

    yield start
    for process in own:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers hold its stderr open
        process.communicate()


def processes_of(parent: int) -> list[int]:
    """The processes of joblib that another one started."""
    found = []
    for about in Path("/proc").glob("[0-9]*"):
        try:
            ours = about.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1] == str(parent)
            if ours and b"popen_loky" in about.joinpath("cmdline").read_bytes():
                found.append(int(about.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


def after(count: int, out: Path, process: subprocess.Popen[str] | None = None) -> dict[str, tuple[int, bytes]]:
    """The results there are as soon as a job has so many, each with when it was written."""
    for _ in seconds(300):
        files = list(out.glob("cells/*/*.json"))
        if len(files) >= count:
            break
        assert process is None or process.poll() is None, process.communicate()[1]
    return {str(file.relative_to(out)): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def unchanged(before: dict[str, tuple[int, bytes]], out: Path) -> bool:
    """Whether results are the files that they were."""
    return all((out / name).stat().st_mtime_ns == written for name, (written, _) in before.items())


@pytest.mark.check
@needs_processes
@pytest.mark.parametrize("on", ["cores", "cluster"])
def test_a_job_of_two_workers_one_of_which_is_killed_ends_with_the_same_results(
    on: str,
    started: Callable[..., subprocess.Popen[str]],
    plans: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Killed without a warning: what was computed stays as it was, and the rest is computed by others."""
    out = tmp_path / "out"
    if on == "cores":
        process = started("--workers", "2")
        before = after(2, out, process)
        victim = processes_of(process.pid)[0]
    else:
        address, own = request.getfixturevalue("cluster")
        process = started("--cluster", address)
        before = after(2, out, process)
        victim = own[0].pid
    assert len(before) < 8
    os.kill(victim, signal.SIGKILL)
    error = process.communicate(timeout=300)[1]
    assert (process.returncode, error) == (0, "1/1 a\n")
    assert unchanged(before, out)
    reproduce(plans, tmp_path / "one")
    assert results(out) == results(tmp_path / "one")


@pytest.mark.check
@needs_processes
def test_workers_whose_job_is_killed_finish_what_they_are_at_and_no_more(
    started: Callable[..., subprocess.Popen[str]], plans: Path, tmp_path: Path
) -> None:
    """What was computed is there for the next job, which computes the rest to the same bytes."""
    out = tmp_path / "out"
    process = started("--workers", "2")
    before = after(2, out, process)
    process.kill()
    process.wait()
    time.sleep(3 * deadly.SLOW_SECONDS)
    found = after(2, out)
    assert len(before) <= len(found) <= len(before) + 4 < 8 + len(before)
    time.sleep(3 * deadly.SLOW_SECONDS)
    assert after(2, out) == found
    reproduce(plans, out)
    assert unchanged(found, out)
    reproduce(plans, tmp_path / "one")
    assert results(out) == results(tmp_path / "one")


@needs_processes
def test_an_interrupt_ends_job_and_workers_in_one_sentence(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """As Ctrl-C does it, which all processes of a terminal get; results are whole, and no process is left.

    Workers do not hear of it, whatever they are at: they would say that they were interrupted, each where it was.
    """
    process = started("--workers", "2")
    after(2, tmp_path / "out", process)
    children = processes_of(process.pid)
    for child in children:
        (blocked,) = re.findall(r"SigBlk:\s*([0-9a-f]+)", Path(f"/proc/{child}/status").read_text())
        assert int(blocked, 16) & 1 << signal.SIGINT - 1
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=300)[1]
    assert (process.returncode, error) == (130, "numtoolkit: interrupted; what was written before is complete.\n")
    assert len(children) == 2
    for _ in seconds(100):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            break
    assert all(json.loads(text)["data"] for text in results(tmp_path / "out").values())


# --- the command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cluster", "here"], "'here' is no address of a Dask scheduler; give tcp://HOST:PORT."),
        (["--cluster", ""], "'' is no address of a Dask scheduler"),
        (["--cluster", "tcp://127.0.0.1"], "'tcp://127.0.0.1' is no address of a Dask scheduler"),
        (["--cluster", "tcp://127.0.0.1:9", "--workers", "2"], "not allowed with argument"),
    ],
)
def test_an_address_that_is_none_is_refused(
    plans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """In one sentence, before anything is removed or written."""
    assert main(["reproduce", *words, "--experiments", str(plans), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.check
def test_a_cluster_that_does_not_answer_is_a_sentence(
    plans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No scheduler at the address, or no Dask."""
    words = ["reproduce", "--experiments", str(plans), "--out", str(tmp_path / "out"), "--cluster", "tcp://127.0.0.1:9"]
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "distributed", None)
        assert main(words) == 2
    assert "a cluster needs Dask; pip install 'numtoolkit[cluster]'." in capsys.readouterr().err
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'; start one by `dask scheduler`" in err
    assert err.count("\n") == 1


@pytest.mark.check
def test_a_cluster_that_loses_its_workers_or_its_scheduler_is_a_sentence(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One waits a while for workers, and not for ever."""
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 2)
    with executor(cluster=cluster[0]) as execute:
        for process in cluster[1]:
            process.kill()
        with pytest.raises(WorkerError, match=r"the cluster has no workers; start some by `dask worker ADDRESS"):
            list(execute(deadly.square, CELLS))
