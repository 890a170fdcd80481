"""Shards of a command fill a folder as one run does, in any number, killed at any time; labels go by seed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.cli.shards import dealt, shard_of_torchrun, take_local_gpu
from numtoolkit.errors import InputError
from tests.support.checkout import ROOT
from tests.support.command_line import SAMPLE, drawn

needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
TILES = [*SAMPLE, "--law", "digits(count=9)", "--batch", "3", "--seeds", "2-20,40"]  # seven, the last of two samples
TOLD = """
from numtoolkit import Network

NET = Network(lambda z, t, labels: 0 * z + labels.reshape(-1, 1), "data", shape=(2,))
"""


def contents(path):
    """The bytes of every file of a folder and of those in it, by name."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def launched(words, **options):
    """What a command says on stderr, which must succeed, in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, env=environment, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@given(st.lists(st.integers(0, 99), unique=True, min_size=1), st.integers(1, 7), st.integers(1, 5))
def test_tiles_are_dealt_whole_and_once(seeds, batch, parts):
    """All shards together have the tiles of one run, in no tile another seed than there."""
    shards = [dealt(seeds, batch, (part, parts)) for part in range(1, parts + 1)]
    tiles = [own[i : i + batch] for own in shards for i in range(0, len(own), batch)]
    assert sorted(tiles) == sorted(seeds[i : i + batch] for i in range(0, len(seeds), batch))


@pytest.mark.parametrize("parts", [pytest.param(2, marks=pytest.mark.check), 3])
def test_any_number_of_shards_writes_the_bytes_of_one_run(result, tmp_path, parts):
    """Every file and the manifest, pictures among them, whichever shard comes first."""
    result(*TILES, "--pictures", "png", "--out", tmp_path / "one")
    records = [
        result(*TILES, "--pictures", "png", "--out", tmp_path / "all", "--shard", f"{part}/{parts}")
        for part in range(parts, 0, -1)
    ]
    assert sum(record["new"] for record in records) == sum(record["samples"] for record in records) == 20
    assert records[0]["shard"] == f"{parts}/{parts}"
    assert contents(tmp_path / "all") == contents(tmp_path / "one")
    assert len(contents(tmp_path / "one")) == 1 + 7 + 20


def test_a_process_of_torchrun_is_a_shard(result, monkeypatch, tmp_path):
    """RANK and WORLD_SIZE say which; of one process, or with --shard, they say nothing."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert result(*TILES, "--out", tmp_path / "a")["shard"] == "2/3"
    assert "shard" not in result(*TILES, "--out", tmp_path / "b", "--shard", "1/1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert shard_of_torchrun() is None
    for rank, size in (("3", "3"), ("-1", "3"), ("x", "3"), ("0", "0")):
        with pytest.raises(InputError, match="which is no process of torchrun; unset them"):
            shard_of_torchrun({"RANK": rank, "WORLD_SIZE": size})


def test_a_picture_of_all_is_not_drawn_by_a_shard(run, tmp_path):
    """It has not all of the samples, and says so before it draws any."""
    code, _, err = run(*TILES, "--image", "--shard", "1/2", "--out", tmp_path)
    assert code == 2
    assert "a shard has not all samples that --image draws" in err
    assert list(tmp_path.iterdir()) == []


def test_which_of_several_devices_is_of_no_matter(result, tmp_path):
    """The GPUs of a machine are one kind of device: a folder begun on one goes on with another."""
    pytest.importorskip("torch")
    words = [*SAMPLE, "--seeds", "0-1", "--out", tmp_path, "--device"]
    assert result(*words, "cpu:0")["new"] == 2
    assert result(*words, "cpu")["new"] == 0


def test_the_gpu_of_a_process_is_the_one_that_torchrun_says(monkeypatch):
    """LOCAL_RANK, modulo how many there are; of another device, or without it, nothing is chosen."""
    torch, chosen = pytest.importorskip("torch"), []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for device, environment in (("cuda", {"LOCAL_RANK": "3"}), ("cuda", {}), ("cpu", {"LOCAL_RANK": "0"})):
        take_local_gpu(device, environment)
    assert chosen == [1]


@pytest.mark.check
def test_torchrun_writes_the_bytes_of_one_run(tmp_path):
    """Three processes that it starts, which talk to nobody, and the environment that it gives them."""
    launched(["-m", "numtoolkit", *TILES, "--out", tmp_path / "one"])
    started = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3", "-m", "numtoolkit"]
    launched([*started, *TILES, "--out", tmp_path / "three"])
    assert contents(tmp_path / "three") == contents(tmp_path / "one")


@needs_fork
@pytest.mark.parametrize("kills", [pytest.param(8, marks=pytest.mark.check), pytest.param(50, marks=pytest.mark.long)])
def test_shards_killed_at_random_end_in_the_bytes_of_one_run(tmp_path, kills):
    """Three at once, one of them killed and started again and again: nothing is lost, drawn twice or left over."""
    many = [*SAMPLE, "--law", "digits(count=9)", "--batch", "2", "--seeds", "0-119", "--out", "OUT"]
    said = launched(
        ["-m", "tests.support.random_kills", tmp_path, 3, kills, 0, *many], timeout=300 if kills < 50 else 1800
    )
    assert int(said.split()[-1]) >= kills
    wanted = contents(tmp_path / "0")
    assert len(wanted) == 61
    filled = sorted(path for path in tmp_path.iterdir() if path.name != "0")
    assert filled
    for path in filled:
        assert contents(path) == wanted, path.name


@needs_fork
@pytest.mark.check
def test_a_shard_killed_at_any_file_operation_is_completed_to_the_same_bytes(tmp_path):
    """At every fourth in turn; the claims of the dead go with the next run of the shard."""
    words = [*TILES, "--seeds", "0-6", "--shard", "1/2", "--out", "OUT"]
    launched(["-m", "tests.support.kills", tmp_path, "--every", "4", *words])
    wanted = contents(tmp_path / "0")
    assert sorted(wanted) == ["manifest.json", "samples-00000000.npz", "samples-00000006.npz"]
    killed = sorted(path for path in tmp_path.iterdir() if path.name != "0")
    assert len(killed) > 10
    for path in killed:
        assert contents(path) == wanted, f"after a kill at operation {path.name}"


# --- labels


def told(tmp_path, result, labels, seeds, out):
    """The labels that a network was told, by seed."""
    (tmp_path / "told.py").write_text(TOLD, encoding="utf-8")
    words = ["sample", "--model", tmp_path / "told.py:NET", "--import", "--scheme", "ddim", "--process", "edm"]
    result(*words, "--grid", "rho(7, zero=1)", "--nfe", "2", "--batch", "4", "--labels", labels, "--seeds", seeds,
           "--out", tmp_path / out)  # fmt: skip
    return {seed: sample[0] for seed, sample in drawn(tmp_path / out).items()}


def test_labels_belong_to_seeds_whatever_else_is_drawn(tmp_path, result):
    """Entry k of a file is that of seed k, and a random one a function of the seed; a folder goes on with them."""
    np.save(tmp_path / "own.npy", np.arange(20) % 7)
    (tmp_path / "own.txt").write_text("\n".join(str(k % 7) for k in range(20)), encoding="utf-8")
    for kind in ("npy", "txt"):
        found = told(tmp_path, result, tmp_path / f"own.{kind}", "3-9,0", kind)
        assert found == {seed: seed % 7 for seed in [*range(3, 10), 0]}
    some = told(tmp_path, result, "random(7)", "5,9-12", "a")
    more = told(tmp_path, result, "random(7)", "0-15", "a")
    assert some.items() <= more.items() == told(tmp_path, result, "random(classes=7)", "0-15", "b").items()
    assert len(set(more.values())) > 3


def test_other_labels_are_another_run(tmp_path, run):
    """A folder of samples with labels takes none with others, nor with another content of the file."""
    (tmp_path / "told.py").write_text(TOLD, encoding="utf-8")
    words = ["sample", "--model", tmp_path / "told.py:NET", "--import", "--scheme", "ddim", "--process", "edm",
             "--grid", "rho(7)", "--nfe", "2", "--seeds", "0-1", "--out", tmp_path / "out", "--labels"]  # fmt: skip
    own = tmp_path / "own.txt"
    own.write_text("1 2", encoding="utf-8")
    assert run(*words, own)[0] == 0
    own.write_text("2 1", encoding="utf-8")
    for other in (own, "random(3)"):
        code, _, err = run(*words, other)
        assert code == 2
        assert "holds samples with labels" in err


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("own.txt", "has 2 entries, and none of seed 3; entry k is that of seed k"),
        ("words.txt", "write whole numbers, one a line"),
        ("text.npy", "give numbers (N, ...)"),
        ("absent.npy", "it is not a file"),
        ("random", "network NET does not say how many classes it knows; give random(10)"),
        ("random(0)", "classes = 0 is no whole number from 1 to 65536"),
        ("random(1/2)", "random takes the number of classes"),
        ("nine", "is neither FILE.npy, FILE.txt nor random(classes)"),
    ],
)
def test_labels_that_cannot_be_told_are_refused_before_the_run(tmp_path, run, monkeypatch, labels, words):
    """In one sentence, and no folder is begun."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told.py").write_text(TOLD.replace("shape=(2,)", 'shape=(2,), name="NET"'), encoding="utf-8")
    (tmp_path / "own.txt").write_text("1 2", encoding="utf-8")
    (tmp_path / "words.txt").write_text("one two three four", encoding="utf-8")
    np.save(tmp_path / "text.npy", np.array(["a"] * 9))
    code, _, err = run("sample", "--model", "told.py:NET", "--import", "--scheme", "ddim", "--process", "edm",
                       "--nfe", "2", "--seeds", "0-3", "--out", "out", "--labels", labels)  # fmt: skip
    assert code == 2
    assert words in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("labels", ["random", "random(10)", "own.txt"])
@pytest.mark.parametrize("subject", [["--model", "network:digits-image"], ["--law", "digits"]])
def test_what_takes_no_labels_advises_none(tmp_path, run, monkeypatch, subject, labels):
    """One sentence, whichever labels are given, before the run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.txt").write_text("1 2", encoding="utf-8")
    code, _, err = run("sample", *subject, "--scheme", "ddim", "--process", "edm", "--nfe", "2", "--seeds", "0-1",
                       "--out", "out", "--labels", labels)  # fmt: skip
    assert (code, err.endswith(" takes no labels; drop --labels.\n")) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.check
def test_random_labels_of_a_trained_network_are_of_its_classes(result, tmp_path):
    """`random` alone takes their number from the checkpoint; the specification says it."""
    from numtoolkit.files.storage import read_json

    result("sample", "--model", "network:digits-class", "--scheme", "ddim", "--process", "edm", "--nfe", "1", "--seeds",
           "0", "--labels", "random", "--out", tmp_path)  # fmt: skip
    assert read_json(tmp_path / "manifest.json")["specification"]["labels"] == "random(10)"
