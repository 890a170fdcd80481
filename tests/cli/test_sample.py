"""`sample` fills a folder with what the runner returns, goes on where it stopped, and mixes no two runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from numtoolkit.laws import law_of
from tests.support.command_line import SAMPLE, drawn


def test_results_never_replace_fitted_coefficients(run, tmp_path):
    """A figure's sidecar must not overwrite a table of coefficients that has its name; a new fit may."""
    table, words = tmp_path / "t.json", ["--law", "gaussian", "--nfe", "3", "--grid", "rho(7)", "--process", "edm"]
    assert run("fit", "--scheme", "iia-ddim", *words, "--out", table)[0] == 0
    before = table.read_bytes()
    for command in (
        ["curve", *words, "--schemes", "ddim", "--out", tmp_path / "t.png"],
        ["curve", *words, "--schemes", "ddim", "--out", table],
        ["stability", "ddim", "--out", tmp_path / "t.svg"],
    ):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert "t.json' holds fitted coefficients" in err
    assert table.read_bytes() == before
    assert run("fit", "--scheme", "iia-ddim(one)", *words, "--out", table)[0] == 0


def test_sample_denoises_with_its_last_evaluation(result, tmp_path):
    """`--denoise` is part of the budget, and the samples are those of the Python call, bit for bit."""
    import numtoolkit

    words = ["sample", "--law", "ring", "--scheme", "rvv", "--process", "psld", "--grid", "quadratic", "--nfe", "6"]
    record = result(*words, "--denoise", "--seeds", "0-3", "--out", tmp_path)
    assert record["plan"] == "2 steps of 2 evaluations, 1 of 1, 1 to denoise"
    direct = numtoolkit.sample(
        "rvv",
        network=numtoolkit.Network.of(law_of("ring")),
        process="psld",
        grid="quadratic",
        nfe=6,
        seeds=range(4),
        dtype=np.float64,
        batch=64,
        denoise=True,
    )
    assert direct.nfe == 6
    np.testing.assert_array_equal(np.stack([drawn(tmp_path)[i] for i in range(4)]), direct.samples)


def test_sample_writes_what_the_runner_returns(result, tmp_path):
    """The command adds nothing to `numtoolkit.sample`: the same float64 numbers, by seed."""
    import numtoolkit

    record = result(*SAMPLE, "--seeds", "0-9,40", "--out", tmp_path)
    assert (record["samples"], record["new"], record["nfe"], record["plan"]) == (11, 11, 5, "5 steps of 1 evaluation")
    network = numtoolkit.Network.of(law_of("ring"))
    seeds = [*range(10), 40]
    direct = numtoolkit.sample(
        "dpmpp-2m", network=network, process="edm", grid="rho(7)", nfe=5, seeds=seeds, dtype=np.float64, batch=64
    ).samples
    found = drawn(tmp_path)
    assert sorted(found) == seeds
    for seed, row in zip(seeds, direct, strict=True):
        np.testing.assert_array_equal(found[seed], row)


def test_a_folder_of_samples_is_completed_and_not_drawn_again(run, result, tmp_path):
    """Only missing seeds are drawn, the files written before keep their bytes, the samples are those of one run."""
    words = [*SAMPLE, "--law", "digits(count=100)"]  # its matrix products round differently in batches of other sizes
    result(*words, "--seeds", "5-300", "--out", tmp_path / "once")
    first = result(*words, "--seeds", "5,9-12", "--out", tmp_path / "twice")
    kept = (tmp_path / "twice" / first["files"][0]).read_bytes()
    second = result(*words, "--seeds", "5-300", "--out", tmp_path / "twice")
    assert (first["new"], second["new"]) == (5, 291)
    assert (tmp_path / "twice" / first["files"][0]).read_bytes() == kept
    once, twice = drawn(tmp_path / "once"), drawn(tmp_path / "twice")
    assert all(np.array_equal(once[seed], twice[seed]) for seed in range(5, 301))


def test_sample_refuses_a_folder_of_another_run(run, tmp_path):
    """Another specification is named, and not a byte of the folder changes."""
    assert run(*SAMPLE, "--seeds", "0", "--out", tmp_path)[0] == 0
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    code, out, err = run(*SAMPLE, "--seeds", "0", "--out", tmp_path, "--dtype", "float32")
    assert (code, out) == (2, "")
    assert "holds samples with dtype 'float64', not 'float32'" in err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_samples_of_a_law_file_belong_to_its_content(run, tmp_path):
    """A file with other content under the same name is another law: its digest is part of the specification."""
    law, out = tmp_path / "law.npz", tmp_path / "out"
    words = ["sample", "--law", law, "--scheme", "ddim", "--nfe", "2", "--seeds", "0-3", "--out", out]
    np.savez(law, means=np.zeros((1, 2)), covariances=np.ones((1, 2)))
    assert run(*words)[0] == 0
    np.savez(law, means=np.ones((1, 2)), covariances=np.ones((1, 2)))
    code, _, err = run(*words)
    assert code == 2
    assert "law_sha256" in err


def test_sample_draws_a_picture_of_image_laws(run, tmp_path):
    """`--image` draws the samples beside them, of a phase space the data part, in grey or in colour."""
    words = ["sample", "--law", "digits(count=20)", "--scheme", "rvv", "--nfe", "4", "--seeds", "0-10"]
    code, _, err = run(*words, "--out", tmp_path, "--image")
    assert code == 0
    assert err == f"wrote {tmp_path / 'samples.png'}\n"
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert next(iter(drawn(tmp_path).values())).shape == (2, 8, 8)  # phase space: the data part is drawn
    words = ["sample", "--model", "network:patches-image", "--scheme", "ddim", "--nfe", "1", "--seeds", "0-1"]
    code, _, err = run(*words, "--process", "edm", "--grid", "rho(7)", "--out", tmp_path / "colour", "--image")
    assert (code, err) == (0, f"wrote {tmp_path / 'colour' / 'samples.png'}\n")


@pytest.mark.parametrize(("channels", "scheme", "shown"), [(3, "ddim", (2, 3, 4, 4)), (1, "rvv", (2, 1, 4, 4))])
def test_an_image_has_the_channels_that_pictures_have(run, tmp_path, monkeypatch, channels, scheme, shown):
    """Three are colours, one is grey, of a phase space those of the positions, as `--pictures` writes them."""
    given = []
    monkeypatch.setattr("numtoolkit.plots.image_grid", lambda panels, *words: given.extend(panels.values()))
    monkeypatch.setattr("numtoolkit.cli.sample.write_figure", lambda path, figure: path)
    law = tmp_path / "law.npz"
    np.savez(law, images=np.random.default_rng(0).normal(size=(20, channels, 4, 4)))
    words = ["sample", "--law", law, "--scheme", scheme, "--nfe", "2", "--seeds", "0-1", "--out", tmp_path / "d"]
    assert run(*words, "--image", "--pictures", "png")[0] == 0
    ((images, _),) = given
    assert images.shape == shown
    samples = np.stack(list(drawn(tmp_path / "d").values()))
    np.testing.assert_array_equal(images.reshape(2, channels, 4, 4), samples if scheme == "ddim" else samples[:, 0])


def test_sample_runs_in_torch_when_given_a_device(result, tmp_path):
    """On `--device cpu` the loop is torch's; its samples are numpy's to rounding."""
    result(*SAMPLE, "--seeds", "0-3", "--out", tmp_path / "numpy")
    result(*SAMPLE, "--seeds", "0-3", "--out", tmp_path / "torch", "--device", "cpu")
    ours, theirs = drawn(tmp_path / "numpy"), drawn(tmp_path / "torch")
    # The loop is the same to the bit, the normals and the law's softmax to rounding.
    assert all(np.allclose(ours[seed], theirs[seed], rtol=1e-9, atol=1e-12) for seed in range(4))


def test_a_folder_goes_on_with_the_times_that_it_was_begun_with(run, result, tmp_path, monkeypatch):
    """`--adaptive` writes the times that its pilot run found down; another run takes them, and makes no pilot run."""
    from numtoolkit.sampling import adaptive

    words = ["sample", "--law", "ring", "--scheme", "res-2s", "--process", "edm", "--adaptive", "1e-2"]
    first = result(*words, "--seeds", "0-3", "--out", tmp_path / "twice")
    result(*words, "--seeds", "0-7", "--out", tmp_path / "once")
    manifest = json.loads((tmp_path / "once" / "manifest.json").read_text(encoding="utf-8"))
    times = manifest["specification"]["times"]
    assert (len(times) - 1) * 2 == first["nfe"]
    assert manifest["specification"]["adaptive"] == 0.01

    def none(*_, **__):
        raise AssertionError("a pilot run")

    monkeypatch.setattr(adaptive, "adaptive_grid", none)
    assert result(*words, "--seeds", "0-7", "--out", tmp_path / "twice")["new"] == 4
    one, two = drawn(tmp_path / "once"), drawn(tmp_path / "twice")
    for seed in range(8):
        assert abs(one[seed] - two[seed]).max() < 1e-12
    monkeypatch.undo()
    code, _, err = run(*words[:-1], "1e-1", "--seeds", "0-7", "--out", tmp_path / "twice")
    assert code == 2
    assert "adaptive 0.01, not 0.1" in err


def test_adaptive_samples_of_a_command_spend_what_is_asked(result, run, tmp_path):
    """With `--nfe` the times are spread over so many evaluations; without both nothing says how long a run is."""
    words = ["sample", "--law", "ring", "--scheme", "res-2s", "--process", "edm", "--seeds", "0-3", "--out", tmp_path]
    record = result(*words, "--adaptive", "1e-2", "--nfe", "9", "--denoise")
    assert (record["nfe"], record["plan"]) == (9, "4 steps of 2 evaluations, 1 to denoise")
    for more, said in (((), "give --nfe N, or --adaptive TOL"), (("--adaptive", "much"), "'much' is no number")):
        code, _, err = run(*words, *more)
        assert code == 2
        assert said in err
