"""What `make gpu` runs, tried without a GPU: all parts but those that need the device, and what is said of them."""

from __future__ import annotations

import json

import pytest
import torch

from analysis import gpu


def asked(tmp_path, *words):
    """Exit status and result of the parts, all but the device and the sizes as on a GPU machine."""
    out = tmp_path / "gpu.json"
    status = gpu.main([*words, "--device", "cpu", "--small", "--out", str(out), "--folder", str(tmp_path / "networks")])
    return status, json.loads(out.read_text(encoding="utf-8")) if out.exists() else None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_every_part_is_said_to_be_skipped(tmp_path, capsys):
    """One line a part, no result file, and no failure."""
    assert gpu.main(["--out", str(tmp_path / "gpu.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: skipped: no CUDA device here" for name in gpu.PARTS]
    assert not (tmp_path / "gpu.json").exists()


def test_benchmarks_are_added_to_the_results_of_their_machine(tmp_path, monkeypatch):
    """A second call keeps what the first one measured, unless that was with other versions."""
    assert asked(tmp_path, "bandwidth")[0] == 0
    status, kept = asked(tmp_path, "noise")
    assert status == 0
    assert list(kept["results"]) == ["bandwidth", "noise"]
    assert kept["machine"] == gpu.machine("cpu") | {"small": True}
    noise = kept["results"]["noise"]
    assert noise["ratio"] == pytest.approx(noise["ns"] / noise["randn_ns"])
    monkeypatch.setattr(gpu, "machine", lambda device: {"device": "another"})
    assert list(asked(tmp_path, "noise")[1]["results"]) == ["noise"]


def test_a_part_that_fails_or_lacks_a_package_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    """The exit status is 1 for a failure alone, and each part has its line."""

    def broken(own):
        raise ValueError("no numbers\nat all")

    monkeypatch.setattr(gpu, "PARTS", {"broken": broken, "lacking": lambda own: gpu.need("no_such_package"),
                                       "kept": lambda own: {"number": 3}})  # fmt: skip
    status, kept = asked(tmp_path)
    assert status == 1
    assert kept["results"]["kept"]["number"] == 3
    assert [line.partition(", {")[0] for line in capsys.readouterr().out.splitlines()] == [
        "broken: failed: ValueError: no numbers",
        "lacking: skipped: no_such_package not installed",
        "kept: done",
    ]
    assert asked(tmp_path, "lacking")[0] == 0


@pytest.mark.check
def test_every_part_but_the_device_runs_on_the_processor(tmp_path, capsys):
    """All that needs no CUDA has a result; a network that was trained is judged again, not trained again."""
    status, kept = asked(tmp_path)
    assert status == 0
    assert list(kept["results"]) == ["bandwidth", "noise", "overhead", "samples", "bfloat16", *gpu.RECIPES]
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"{name}: skipped: it needs a CUDA device" for name in ("tests", "graph")]
    assert said[4] == "compiled: skipped: small arrays are not compiled"
    assert kept["results"]["bfloat16"]["state"] == "torch.float32"
    assert 0 < kept["results"]["bfloat16"]["relative_rms"] < 0.1
    before = (tmp_path / "networks" / "patches32-image.safetensors").stat().st_mtime_ns
    assert asked(tmp_path, "patches32-image")[0] == 0
    assert (tmp_path / "networks" / "patches32-image.safetensors").stat().st_mtime_ns == before


@pytest.mark.check
def test_a_training_is_asked_for_in_pieces(tmp_path, monkeypatch):
    """A piece that ends before the network says how far it came, and the next goes on from there."""
    from numtoolkit.training import loop

    monkeypatch.setattr(loop, "WINDOW", 1)
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    recipe = (gpu.Path(loop.__file__).parents[2] / "analysis" / "patches32-image.toml").read_text(encoding="utf-8")
    (tmp_path / "patches32-image.toml").write_text(recipe, encoding="utf-8")
    own = gpu.Setting("cpu", True, tmp_path, -1.0)
    *pieces, last = [gpu.training("patches32-image", own) for _ in range(4)]
    assert [(piece["steps"], piece["of"]) for piece in pieces] == [(1, 4), (2, 4), (3, 4)]
    assert last["steps"] == 4
    assert len(last["of_the_linear_denoiser"]) == len(last["noise_levels"])
