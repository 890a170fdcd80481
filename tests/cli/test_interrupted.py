"""What was computed before a command ended, in whatever way, is in its files, and the next run goes on from there."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import numpy as np
import pytest

from numtoolkit.cli import main
from numtoolkit.files.storage import read_json
from numtoolkit.laws import law_of
from tests.support.checkout import ROOT
from tests.support.command_line import CURVE, SAMPLE, drawn
from tests.support.tiers import breadth

needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
TILES = [*SAMPLE, "--batch", "2", "--seeds", "0-4"]  # of two samples, two, and one


def contents(path):
    """The bytes of every file of a folder, by name."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


@needs_fork
@pytest.mark.parametrize("every", breadth([1, 4], lambda every: every > 1))
def test_a_run_that_was_killed_at_any_file_operation_is_completed_to_the_same_bytes(tmp_path, every):
    """At each in turn: the second run succeeds, nothing differs from an undisturbed one, and nothing else is there."""
    kills = ["tests.support.kills", str(tmp_path), "--every", str(every)]
    command = [sys.executable, "-m", *kills, *TILES, "--out", "OUT"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    wanted = contents(tmp_path / "0")
    assert len(wanted) == 4
    operations = int(done.stderr.split()[-1])
    assert operations > 4 * 5 - every  # of each file: it is opened, synced and renamed, its folder opened and synced
    for n in range(1, operations + 1, every):
        assert contents(tmp_path / str(n)) == wanted, f"after a kill at operation {n}"


def test_a_failure_in_a_later_tile_keeps_those_before_it(run, result, tmp_path, monkeypatch):
    """Three tiles are in the folder and its manifest when the fourth fails, and are not drawn again."""
    law, calls = law_of("ring"), []

    def failing(y, sigma):
        calls.append(sigma)
        if len(calls) > 3 * 5:
            raise MemoryError
        return type(law).denoise(law, y, sigma)

    monkeypatch.setattr("numtoolkit.laws.law_of", lambda text: law)
    words = [*SAMPLE, "--batch", "2", "--seeds", "0-9", "--out", tmp_path]
    with monkeypatch.context() as broken:
        broken.setitem(law.__dict__, "denoise", failing)
        assert run(*words)[0] == 2
    assert sorted(drawn(tmp_path)) == list(range(6))
    assert len(read_json(tmp_path / "manifest.json")["files"]) == 3
    assert result(*words)["new"] == 4


def test_samples_that_are_not_finite_never_enter_the_folder(run, tmp_path, monkeypatch):
    """The tile they are in is refused, those before it stay."""
    law, calls = law_of("ring"), []

    def failing(y, sigma):
        calls.append(sigma)
        return type(law).denoise(law, y, sigma) * (np.nan if len(calls) > 5 else 1.0)

    monkeypatch.setattr("numtoolkit.laws.law_of", lambda text: law)
    monkeypatch.setitem(law.__dict__, "denoise", failing)
    code, _, err = run(*SAMPLE, "--batch", "2", "--seeds", "0-9", "--out", tmp_path)
    assert code == 2
    assert "sample 2 (seed 2)" in err
    assert sorted(drawn(tmp_path)) == [0, 1]


@needs_fork
def test_two_runs_into_one_folder_are_one_after_the_other(tmp_path):
    """One of two that start together is refused or finds all done; nothing is lost or drawn twice."""
    words = [*map(str, [*SAMPLE, "--batch", "2", "--seeds", "0-39", "--out", tmp_path])]
    started = [
        subprocess.Popen([sys.executable, "-m", "numtoolkit", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                         stdout=subprocess.DEVNULL) for _ in range(2)
    ]  # fmt: skip
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert 0 in [code for _, code in ended]
    for said, code in ended:
        assert code == 0 or (code == 2 and "another run writes to" in said)
    assert sorted(drawn(tmp_path)) == list(range(40))
    assert len(read_json(tmp_path / "manifest.json")["files"]) == 20


# --- streams that are closed or full

STREAMS = {
    "stderr closed": ("2>&-", 0),
    "stderr full": ("2>/dev/full", 0),
    "stdout closed": (">&-", 74),
    "stdout full": (">/dev/full", 74),
    "all closed": (">&- 2>&- <&-", 74),
}
needs_full = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and a shell")


def redirected(words, streams, **options):
    """A command line run by a shell with its streams redirected."""
    line = [sys.executable, "-m", "numtoolkit", *map(str, words)]
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh", *line]
    # unbuffered, Python would have nothing left to flush as it ends
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, env=plain, **options)


@needs_full
@pytest.mark.parametrize("which", breadth(STREAMS, lambda which: which in ("stderr full", "all closed")))
@pytest.mark.parametrize("command", breadth(["curve", "sample"], lambda command: command == "curve"))
def test_no_stream_loses_what_goes_to_files(tmp_path, command, which):
    """Files are whole and the status is not that of a failed claim, with no traceback."""
    streams, code = STREAMS[which]
    out = tmp_path / ("x.csv" if command == "curve" else "x")
    words = [*CURVE, "--schemes", "ddim", "--nfe", "5"] if command == "curve" else [*SAMPLE, "--seeds", "0-3"]
    done = redirected([*words, "--out", out], streams)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if command == "curve":
        assert out.read_text().startswith(
            "scheme,nfe,steps,metric,error,median,low,high,path,law\nddim,5,5,relative-rms,0."
        )
    else:
        assert sorted(drawn(out)) == [0, 1, 2, 3]


class Full(io.StringIO):
    """A stream on a disk that is full, or of a reader that has gone."""

    def __init__(self, number=errno.ENOSPC):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("line", ["list", "list --json", "--help", "show --help", "--version", "verify em"])
def test_a_stream_that_takes_nothing_ends_the_command_with_74(capsys, monkeypatch, line):
    """One sentence, where a failed claim has 1; a reader that has gone is 141 in silence; remarks may get lost."""
    for stream, code, words in (
        (Full(), 74, "numtoolkit: cannot write to stdout: No space left on device; what goes to files is written.\n"),
        (None, 74, "numtoolkit: stdout is closed; what goes to files is written.\n"),
        (Full(errno.EPIPE), 141, ""),
    ):  # fmt: skip
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(line.split()) == code
        assert capsys.readouterr().err == words
        with monkeypatch.context() as closed:
            closed.setattr(sys, "stderr", stream)
            assert main(line.split()) == code


@needs_full
@pytest.mark.parametrize("streams", breadth([">&-", ">/dev/full"], lambda streams: streams == ">/dev/full"))
def test_a_process_whose_result_cannot_be_printed_ends_with_74(streams):
    """Python's own flush at its end adds neither words nor a status."""
    done = redirected(["list"], streams)
    assert done.returncode == 74
    assert done.stderr.startswith("numtoolkit: ")
    assert done.stderr.count("\n") == 1


@needs_full
@pytest.mark.parametrize("streams", breadth(["2>&-", "2>/dev/full"], lambda streams: streams == "2>&-"))
def test_a_status_is_told_where_its_sentence_cannot_be(streams):
    """2 for what cannot be used and 1 for a claim that failed, with nowhere to say so."""
    assert redirected(["show", "nope"], streams).returncode == 2
    assert redirected(["verify", "roba(lambda_s=2)"], streams).returncode == 1


def test_a_fault_of_the_program_has_a_status_of_its_own(run, monkeypatch):
    """An exception that nobody expects is 70 with its traceback, not the 1 of a failed claim."""

    def fail(text):
        raise ZeroDivisionError("nobody expects this")

    monkeypatch.setattr("numtoolkit.cli.show.scheme_of", fail)
    code, out, err = run("show", "ddim")
    assert (code, out) == (70, "")
    assert "ZeroDivisionError: nobody expects this" in err
    assert err.endswith("numtoolkit: this is a fault of numtoolkit; please report it.\n")


@pytest.mark.parametrize(
    "words",
    [
        [*CURVE, "--schemes", "ddim", "--nfe", "5", "--out", ""],
        [*SAMPLE, "--seeds", "0-3", "--out", ""],
        ["stability", "ddim", "--out", ""],
        ["show", "ddim", "--out", ""],
        ["fit", "--scheme", "iia-ddim", "--law", "gaussian", "--nfe", "3", "--out", ""],
        ["reproduce", "--out", ""],
        ["reproduce", "--experiments", ""],
    ],
    ids=lambda words: words[0],
)
def test_an_empty_name_is_no_place_to_write_to(run, tmp_path, monkeypatch, words):
    """Refused before anything is computed, and nothing is in the folder one is in."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "'' names no f" in err
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_could_not_be_drawn_is_refused_before_the_work(run, tmp_path, monkeypatch):
    """Nine schemes, or no matplotlib: nothing is measured for a picture that nobody would get."""

    def measure(*arguments):
        raise AssertionError

    monkeypatch.setattr("numtoolkit.measure.error_curve", measure)
    nine = "euler,ddim,res-2s,res-2m,dpmpp-2m,dpmpp-2s,heun-edm,unipc,etd3rk"
    for command in (
        [*CURVE, "--schemes", nine, "--nfe", "6", "--out", tmp_path / "x.png"],
        ["stability", *nine.split(","), "--out", tmp_path / "x.png"],
    ):
        assert "9 curves of one panel cannot be read; give 1 to 8" in run(*command)[2]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in (
        [*CURVE, "--schemes", "ddim", "--nfe", "6", "--out", tmp_path / "x.png"],
        ["sample", "--law", "digits(count=20)", "--scheme", "ddim", "--nfe", "2", "--seeds", "0", "--image", "--out",
         tmp_path / "s"],
    ):  # fmt: skip
        assert "figures need matplotlib" in run(*command)[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [["--schemes", "ddim,rvv"], ["--schemes", "ddim,em", "--law", "ring", "--samples", "5"]]
)
def test_what_one_scheme_cannot_do_is_said_before_others_are_measured(run, monkeypatch, wrong):
    """A process it is not defined on, or too few samples for its metric, costs no work of the schemes before it."""

    def measure(*arguments):
        raise AssertionError

    monkeypatch.setattr("numtoolkit.measure.error_curve", measure)
    code, out, err = run(*CURVE, "--nfe", "6", *wrong)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_reader_that_leaves_is_no_failed_claim(run, tmp_path):
    """Files are there all the same."""
    words = [*CURVE, "--schemes", "ddim", "--nfe", "5", "--json", "--out", tmp_path / "x.json"]
    assert run(*words)[0] == 0
    first = (tmp_path / "x.json").read_bytes()
    (tmp_path / "x.json").unlink()
    assert redirected(words, "| true").returncode == 0  # the shell's status is that of `true`
    assert (tmp_path / "x.json").read_bytes() == first
