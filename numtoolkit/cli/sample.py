"""`sample`: samples of a law whose network is exact, or of a network of one's own, into a folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit import references
from numtoolkit.cli.labels import labels_from
from numtoolkit.cli.networks import DTYPES, add_model, check_claims, check_no_network, model_from, process_from
from numtoolkit.cli.output import Command, add_json, directory, grid, note, number, numbers, report
from numtoolkit.cli.shards import Shard, dealt, shard_of, shard_of_torchrun, take_local_gpu
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, counted
from numtoolkit.files.pictures import FOLDER, FORMATS, check_picture, is_picture, write_pictures
from numtoolkit.files.sample_folder import MANIFEST, SampleFolder
from numtoolkit.files.storage import checksum, read_json, write_figure
from numtoolkit.files.versions import versions
from numtoolkit.limits import MOST, MOST_NFE
from numtoolkit.problem.grids import resolved, without_pilot
from numtoolkit.problem.processes import Process
from numtoolkit.problem.spectrum import PILOT, Spectrum
from numtoolkit.program.program import lower
from numtoolkit.schemes import is_declared_here
from numtoolkit.schemes import scheme as scheme_of

if TYPE_CHECKING:
    from numtoolkit.models.network import Network

BATCH = 64  # samples of a tile, which is a file: samples are the same whatever else is drawn only if the tile is
SHOWN, COLUMNS = 64, 8  # samples of a picture


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--shape", metavar="3,32,32", help="of a sample, where the network of --model does not say it")
    parser.add_argument("--scheme", required=True, metavar="S")
    parser.add_argument("--nfe", metavar="N", help="evaluations of a sample")
    parser.add_argument(
        "--adaptive", metavar="TOL", help="a pilot run finds the times of the grid, within this tolerance a step"
    )
    parser.add_argument("--seeds", required=True, metavar="0-63", help="one a sample")
    parser.add_argument("--out", required=True, metavar="DIR", help="what is complete in it is kept")
    parser.add_argument("--process", metavar="P", help="by default that of the network, or the scheme's first")
    parser.add_argument("--grid", metavar="G", default="log-snr", help="by default log-snr")
    parser.add_argument("--dtype", choices=DTYPES, help="by default that of the network's parameters, else float64")
    parser.add_argument(
        "--device",
        metavar="D",
        help="run in torch on this device, to which the network is moved; by default "
        "that of its parameters, else in numpy",
    )
    parser.add_argument(
        "--batch", metavar="N", default=str(BATCH), help=f"samples at a time, and of a file; by default {BATCH}"
    )
    parser.add_argument("--denoise", action="store_true", help="the last evaluation gives the data prediction")
    parser.add_argument(
        "--labels",
        metavar="FILE|random",
        help="what a network is told of each sample: entry k of FILE.npy or FILE.txt is that of seed k; random(10) is "
        "one of ten by the seed, random of those that the network knows",
    )
    parser.add_argument(
        "--shard", metavar="I/N", help="draw the I-th of N parts, beside others; by default what torchrun says"
    )
    parser.add_argument(
        "--pictures",
        choices=FORMATS,
        help=f"also as 8 bits, DIR/{FOLDER}: a .png a seed, or .npz with arr_0 (n, H, W, C)",
    )
    parser.add_argument("--image", action="store_true", help=f"draw the first {SHOWN} samples, samples.png")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.program.runs import times_of
    from numtoolkit.sampling.runner import sample

    own_shard = shard_of_torchrun() if arguments.shard is None else shard_of(arguments.shard)
    shard = None if own_shard == (1, 1) else own_shard
    take_local_gpu(arguments.device)
    network, event, facts = _network(arguments)
    scheme = scheme_of(arguments.scheme)
    process = process_from(arguments, network, scheme)
    if arguments.nfe is None and arguments.adaptive is None:
        raise InputError("nothing says how long the run is; give --nfe N, or --adaptive TOL.")
    nfe = None if arguments.nfe is None else number(arguments.nfe, "--nfe", 1, MOST_NFE)
    every, tolerance = numbers(arguments.seeds, "--seeds"), _tolerance(arguments.adaptive)
    denoise, batch = arguments.denoise, number(arguments.batch, "--batch", 1, MOST)
    seeds = every if shard is None else dealt(every, batch, shard)
    labels = None if arguments.labels is None else labels_from(arguments.labels, network, every)
    _check_pictures(arguments, network.name, event, shard)
    dtype, device = _numbers(network, arguments.dtype, arguments.device)
    specification = facts | _specification(arguments, scheme, process, dtype, device)
    specification |= {"nfe": nfe, "denoise": denoise, "batch": batch} | (
        {} if labels is None else {"labels": labels.text}
    )
    where, out = _library(dtype, device), directory(arguments.out, "--out")
    scheme, points, spectrum = _told(scheme, process, network, arguments.grid, labels, every, event, where, out)
    specification |= {} if spectrum is None else {"spectrum": spectrum.digest}
    times = None
    if tolerance is None:
        times = times_of(scheme, process, points, nfe=nfe, denoise=denoise, spectrum=spectrum)
    if times is None:
        assert tolerance is not None
        specification["adaptive"], left = tolerance, None if nfe is None else nfe - denoise
        pilot = partial(_pilot, scheme, process, network, tolerance, arguments.grid, left, event, where)
        times = np.array(_found(out, specification, pilot))
        specification["times"] = times.tolist()
    program = lower(scheme, process, times, network.predicts, None if nfe is None else nfe - denoise)
    plan = program.plan + (", 1 to denoise" if denoise else "")
    shape = event if denoise or process.blocks == 1 else (process.blocks, *event)
    run = {"process": process, "grid": times, "nfe": nfe, "denoise": denoise, "batch": batch, **where}
    said = {} if program.projects is None else {"projects": program.projects}
    for line in said.values():
        note(f"{scheme.spec} {line}")
    about = {"versions": versions(), **said, **references.records(references.origins())}
    with SampleFolder.open(out, specification, about, shape, dtype, note, shard) as kept:
        missing = kept.missing(seeds)
        if missing:
            told = None if labels is None else labels.of(missing)
            with _in_numpy(device is None):
                if arguments.model is not None:
                    check_claims(arguments, network, event, told)
                sample(scheme, network=network, seeds=missing, shape=event, into=_Files(kept, missing), conditions=told,
                       **run)  # fmt: skip
        data = partial(_data_part, apart=shape != event)
        if arguments.pictures is not None:
            tiles = ((own, data(samples)) for own, samples in kept.tiles(seeds))
            write_pictures(out / FOLDER, arguments.pictures, seeds, tiles)
        if arguments.image:
            images = data(kept.read(seeds[:SHOWN]))
            _draw(out, images, network.name, f"{scheme.spec}, {program.nfe + denoise} evaluations")
    record = {"out": arguments.out, "samples": len(seeds), "new": len(missing)}
    record |= {"nfe": program.nfe + denoise, "plan": plan}
    record |= {} if shard is None else {"shard": "{}/{}".format(*shard)}
    report(arguments, record | said | {"files": sorted(kept.files)}, lambda: grid([record]))
    return 0


def _check_pictures(arguments: argparse.Namespace, name: str, event: tuple[int, ...], shard: Shard | None) -> None:
    """raises InputError, before the run, where --image or --pictures cannot be drawn"""
    if arguments.pictures is not None:
        check_picture(event)
    if not arguments.image:
        return
    if not is_picture(event):
        raise InputError(f"a sample of {name} has shape {event}, which is no picture; drop --image.")
    from numtoolkit.plots import check_figure

    check_figure()
    if shard is not None:
        raise InputError("a shard has not all samples that --image draws; draw them without it when all are there.")


def _specification(
    arguments: argparse.Namespace, scheme: Scheme, process: Process, dtype: str, device: str | None
) -> dict[str, Any]:
    """What names a run beside its network and numbers, in the manifest of its folder."""
    return {
        "scheme": scheme.spec,
        **_sha256("scheme", arguments.scheme, is_file=not is_declared_here(scheme)),
        "process": process.spec,
        **_sha256("process", arguments.process),
        "grid": resolved(arguments.grid),
        "dtype": dtype,
        "device": "numpy" if device is None else device.partition(":")[0],  # which of several is of no matter
    }


def _told(
    scheme: Scheme,
    process: Process,
    network: Network,
    points: str,
    labels: Any,
    seeds: list[int],
    event: tuple[int, ...],
    where: dict[str, Any],
    out: Path,
) -> tuple[Scheme, Any, Spectrum | None]:
    """Scheme and grid told the spectrum of a pilot run where they ask for it: that of the folder, if it has one."""
    bare = without_pilot(points)
    if bare is None and scheme.spectrum != PILOT:
        return scheme, points, None
    file = out / "spectrum.npz"
    if file.exists():
        found = Spectrum.load(file)
    else:
        from numtoolkit.sampling.pilot import OUTPUTS, pilot

        told = None if labels is None else labels.of([seeds[k % len(seeds)] for k in range(OUTPUTS)])
        with _in_numpy("device" not in where):
            found = pilot(network, process, conditions=told, shape=event, **where).spectrum()
        out.mkdir(parents=True, exist_ok=True)
        note(f"the pilot run took {found.nfe_pilot} evaluations of each of {OUTPUTS} outputs; wrote {found.save(file)}")
    own = scheme.with_spectrum(found) if scheme.spectrum == PILOT else scheme
    return own, points if bare is None else bare, found


def _data_part(samples: NDArray[Any], apart: bool) -> NDArray[Any]:
    """Of states of a phase space the positions; `apart`, whether these are a block of their own."""
    return samples[:, 0] if apart else samples


def _tolerance(text: str | None) -> float | None:
    """The tolerance of --adaptive."""
    from numtoolkit.sampling.adaptive import Adaptive

    try:
        return None if text is None else Adaptive(float(text)).tolerance
    except ValueError as error:
        why = str(error) if isinstance(error, InputError) else f"{text!r} is no number; give a tolerance, such as 1e-3."
        raise InputError(f"--adaptive: {why}") from None


def _pilot(
    scheme: Scheme,
    process: Process,
    network: Network,
    tolerance: float,
    points: str,
    nfe: int | None,
    event: tuple[int, ...],
    where: dict[str, Any],
) -> list[float]:
    """The times that the pilot run finds."""
    from numtoolkit.sampling.adaptive import adaptive_grid

    with _in_numpy("device" not in where):
        found = adaptive_grid(scheme, process, network, tolerance, points, nfe, shape=event, **where)
    note(f"the pilot run took {found.evaluations} evaluations, with {counted(found.rejected, 'rejected step')}")
    return [float(t) for t in found.times]


def _found(out: Path, specification: dict[str, Any], find: Callable[[], list[float]]) -> list[float]:
    """The times that the folder was begun with, where it is of the same run; else those to `find`."""
    there = read_json(out / MANIFEST) if (out / MANIFEST).exists() else None
    begun = there.get("specification") if isinstance(there, dict) else None
    if isinstance(begun, dict) and isinstance(begun.get("times"), list):
        if {key: value for key, value in begun.items() if key != "times"} == specification:
            return [float(t) for t in begun["times"]]
    return find()


def _network(arguments: argparse.Namespace) -> tuple[Network, tuple[int, ...], dict[str, Any]]:
    """The network, the shape of a sample, and what the folder says of where they come from."""
    from numtoolkit.laws import law_of
    from numtoolkit.models.by_reference import checkpoint_of
    from numtoolkit.models.network import Network

    given = None if arguments.shape is None else tuple(_extents(arguments.shape))
    if arguments.law is not None:
        if given is not None:
            raise InputError(f"--shape {arguments.shape} is of a network, but --law says its own; drop it.")
        check_no_network(arguments)
        law = law_of(arguments.law)
        own = references.digest_of(arguments.law)
        sha256 = checksum(arguments.law) if own is None and law.name.startswith("file ") else own
        return Network.of(law), law.shape, {"law": law.name, "law_sha256": sha256}
    network, file = model_from(arguments), checkpoint_of(arguments.model)
    own_shape = getattr(network, "shape", None)
    event = own_shape if given is None else given
    if event is None:
        raise InputError(f"network {network.name} does not say the shape of a sample; add --shape, such as 3,32,32.")
    if own_shape is not None and tuple(own_shape) != event:
        raise InputError(f"network {network.name} takes samples of shape {own_shape}, not {event}; drop --shape.")
    weights = getattr(network, "weights", None) or {}
    sha256 = references.digest_of(arguments.model) or weights.get("config") if file is None else weights["sha256"]
    facts = {"model": network.name, "model_sha256": sha256, "shape": list(event)}
    if file is None and weights:  # another file of weights, or another part of it, is another network
        facts |= {"weights_sha256": weights["sha256"], "weights_part": weights["part"]}
    if arguments.convention is not None:
        facts["convention"] = arguments.convention
    return network, tuple(event), facts


def _numbers(network: Any, dtype: str | None, device: str | None) -> tuple[str, str | None]:
    """The dtype and the device of a run, None for numpy: those that were given, else those of a torch module."""
    from numtoolkit.models.calls import parameter_of

    parameter = parameter_of(network)
    own = "" if parameter is None else str(parameter.dtype).removeprefix("torch.")
    found = None if parameter is None else str(parameter.device)
    return dtype or (own if own in DTYPES else DTYPES[0]), device or found


def _extents(text: str) -> list[int]:
    return [number(part, "--shape", 1, MOST) for part in text.split(",")]


def _sha256(of: str, text: str | None, is_file: bool = False) -> dict[str, str]:
    """The checksum of the file that something was taken from by reference, or that holds it; nothing for a name."""
    sha256 = references.digest_of(text)
    if text is not None and sha256 is None and is_file:
        sha256 = checksum(text)
    return {} if sha256 is None else {f"{of}_sha256": sha256}


@dataclass(frozen=True)
class _Files:
    """The folder as what a run puts its samples into: a file each tile."""

    kept: SampleFolder
    seeds: list[int]

    def __setitem__(self, own: slice, samples: NDArray[Any]) -> None:
        self.kept.add(self.seeds[own], samples)


def _library(dtype: str, device: str | None) -> dict[str, Any]:
    """What tells the runner to use numpy, or torch on a device."""
    if device is None:
        return {"dtype": getattr(np, dtype)}
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError(f"--device {device} needs torch; pip install 'numtoolkit[torch]' or drop it.") from None
    return {"dtype": getattr(torch, dtype), "device": device}


@contextmanager
def _in_numpy(is_so: bool) -> Iterator[None]:
    """A function of torch that is given numpy arrays is told how to be given tensors."""
    try:
        yield
    except (TypeError, AttributeError) as error:
        refusal = references.blamed(error) if is_so and "torch" in sys.modules else None
        if refusal is None:
            raise
        said = str(refusal).removesuffix("mend it there.")
        raise InputError(f"{said}it is given numpy arrays: mend it there, or add --device cpu for tensors.") from error


def _draw(out: Path, images: NDArray[Any], title: str, caption: str) -> None:
    from numtoolkit.plots import image_grid

    columns = min(COLUMNS, len(images))
    images = images[: len(images) - len(images) % columns]
    figure = image_grid({caption: (images, np.zeros(len(images), bool))}, title, columns)
    note(f"wrote {write_figure(out / 'samples.png', figure)}")


SAMPLE = Command("sample", "Samples of a law, or of a network of your own, into a folder.", _arguments, _run)
