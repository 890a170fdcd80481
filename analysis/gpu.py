"""What a GPU is asked: the CUDA tests, benchmarks of the runner, and networks larger than those that ship.

    python analysis/gpu.py                     # every part; one line where a part is skipped, and why
    python analysis/gpu.py graph noise         # these parts; the others stay in the result file as they were
    python analysis/gpu.py --device cpu --small   # the same code without a GPU, on small arrays

The result is a JSON file with device, versions and date, written anew after every part. The parts that train stop
after `--minutes` and go on from there when they are asked for again, until their checkpoint is written.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
RECIPES = "patches32-image", "patches32-psld"
Record = dict[str, Any]


class Skipped(Exception):
    """Why a part has no result here."""


@dataclass(frozen=True)
class Setting:
    """Where and how large: device of torch; small, whether arrays are those of a test; folder of the checkpoints;
    seconds that one training may take."""

    device: str
    small: bool
    folder: Path
    seconds: float

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    def needs_cuda(self) -> None:
        if not self.cuda:
            raise Skipped("it needs a CUDA device")


def need(*packages: str) -> None:
    """Skip the part that asks where one of these packages, by the names they are imported by, is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise Skipped(f"{' and '.join(missing)} not installed")


def seconds_of(work: Callable[[], Any], own: Setting) -> float:
    """The median duration of a piece of work, each begun and ended with the device at rest, after one to warm up."""
    import torch

    found = []
    for _ in range(3 if own.small else 12):
        if own.cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if own.cuda:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return median(found[1:])


def run_of(scheme: str, process: str, network: Any, steps: int, shape: tuple[int, ...], own: Setting) -> Callable:
    """A whole run in float32 with the fused update, as a function without arguments that reads nothing back.

    shape   (batch, *event)
    """
    import torch

    from numtoolkit import process as process_of
    from numtoolkit import program_of
    from numtoolkit.sampling import noise
    from numtoolkit.sampling.loop import run
    from numtoolkit.sampling.samples import UPDATES
    from numtoolkit.sampling.state import SeededNormals

    on = process_of(process)
    grid = {"edm": "rho(7)", "psld": "quadratic"}[process]
    program = program_of(scheme, on, grid, steps=steps, predicts=network.predicts)
    like = torch.empty(0, device=own.device)
    normals = SeededNormals(noise.keys(range(shape[0]), like), (on.blocks, *shape[1:]), like)
    start, call = normals.drawn(noise.START, 0), network.on(on)

    def work() -> Any:
        with torch.no_grad():
            return run(program, call, start, normals, UPDATES["fused"])[0]

    return work


def half(z: Any, t: Any) -> Any:
    """A network that costs one pass."""
    return z * 0.5


# --- parts ------------------------------------------------------------------------------------------------------------


def tests(own: Setting) -> Record:
    """Every test marked gpu, by pytest in a process of its own."""
    own.needs_cuda()
    need("pytest", "hypothesis")
    files = [str(path) for path in (HERE.parent / "tests").rglob("test_*.py") if "mark.gpu" in path.read_text("utf-8")]
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-rs", *sorted(files)],
        cwd=HERE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = (said.stdout.strip().splitlines() or [said.stderr.strip()])[-1]
    if said.returncode:
        print(said.stdout[-8000:], said.stderr[-2000:], sep="\n", file=sys.stderr)
        raise RuntimeError(last)
    return {"pytest": last}


def graph(own: Setting) -> Record:
    """A whole run captured as one CUDA graph: its bits, and its time beside that of the calls one by one."""
    own.needs_cuda()
    import torch

    from numtoolkit import Network

    found = {}
    shape = (2, 3, 8, 8) if own.small else (16, 3, 64, 64)
    for scheme, process in (("dpmpp-2m", "edm"), ("sde-dpmpp-2m", "edm"), ("sscs", "psld")):
        network = Network(half if process == "edm" else lambda z, t: z[:, 0] * 0.5, "data", time="float")
        work = run_of(scheme, process, network, 20, shape, own)
        work()
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            kept = work()
        captured.replay()
        found[scheme] = {
            "same_bits": bool(torch.equal(kept, work())),
            "ms": 1e3 * seconds_of(work, own),
            "ms_captured": 1e3 * seconds_of(captured.replay, own),
        }
    return {"shape": shape, "steps": 20, "schemes": found}


def bandwidth(own: Setting) -> Record:
    """The least bytes that a row of three terms moves, over its time, beside the same of a copy on the device."""
    import torch

    from numtoolkit.sampling.samples import UPDATES

    shape = (4, 3, 32, 32) if own.small else (256, 4, 128, 128)
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        arrays = list(torch.randn((3, *shape), device=own.device).to(dtype))
        into, size = torch.empty_like(arrays[0]), arrays[0].nbytes
        copy = 2 * size / seconds_of(partial(into.copy_, arrays[0]), own)
        terms = list(zip((0.9, 0.2, -0.1), arrays, strict=True))
        rows = {name: 4 * size / seconds_of(partial(UPDATES[name], terms), own) for name in ("plain", "fused")}
        found[str(dtype).removeprefix("torch.")] = {
            "copy_GB_per_s": copy / 1e9,
            **{f"{name}_GB_per_s": rate / 1e9 for name, rate in rows.items()},
            **{f"{name}_of_copy": rate / copy for name, rate in rows.items()},
        }
    return {"shape": shape, "terms": 3, "dtypes": found}


def noise(own: Setting) -> Record:
    """Nanoseconds a normal number in float32, beside torch.randn."""
    import torch

    from numtoolkit.sampling.noise import STEP, keys, normals

    shape = (4, 3, 32, 32) if own.small else (64, 4, 128, 128)
    like = torch.empty(0, device=own.device)
    seeds, count = keys(range(shape[0]), like), math.prod(shape)
    ours = seconds_of(lambda: normals(seeds, STEP, 0, shape[1:], like), own) / count
    theirs = seconds_of(lambda: torch.randn(shape, device=own.device), own) / count
    return {"shape": shape, "ns": 1e9 * ours, "randn_ns": 1e9 * theirs, "ratio": ours / theirs}


def compiled(own: Setting) -> Record:
    """The bandwidth of a compiled row of three terms in float32, and nanoseconds a normal number of compiled noise."""
    if own.small:
        raise Skipped("small arrays are not compiled")
    import torch

    from numtoolkit.sampling.compiled import compiled as row
    from numtoolkit.sampling.noise import STEP, keys, normals

    shape, like = (64, 4, 128, 128), torch.empty(0, device=own.device)
    arrays = list(torch.randn((3, *shape), device=own.device))
    spent = seconds_of(lambda: row(list(zip((0.9, 0.2, -0.1), arrays, strict=True))), own)
    seeds = keys(range(shape[0]), like)
    drawn = seconds_of(lambda: normals(seeds, STEP, 0, shape[1:], like, True), own)
    return {"shape": shape, "GB_per_s": 4 * arrays[0].nbytes / spent / 1e9, "noise_ns": 1e9 * drawn / math.prod(shape)}


def overhead(own: Setting) -> Record:
    """What a run of 20 steps adds to a network of 10 ms an evaluation, in per cent of it."""
    import torch

    from numtoolkit import Network

    side, wanted = (64, 1e-4) if own.small else (4096, 1e-2)
    matrix = torch.randn(side, side, device=own.device) / side**0.5
    times = max(1, round(wanted / seconds_of(lambda: matrix @ matrix, own)))

    def slow(z: Any, t: Any) -> Any:
        for _ in range(times):
            torch.mm(matrix, matrix)
        return z * 0.5

    shape, steps = ((2, 3, 8, 8) if own.small else (16, 4, 128, 128)), 20
    z = torch.randn(shape, device=own.device)
    alone = seconds_of(lambda: [slow(z, 1.0) for _ in range(steps)], own)
    found = {}
    for scheme in ("ddim", "dpmpp-2m", "sde-dpmpp-2m"):
        whole = seconds_of(run_of(scheme, "edm", Network(slow, "data", time="float"), steps, shape, own), own)
        found[scheme] = 100 * (whole / alone - 1)
    return {"shape": shape, "network_ms": 1e3 * alone / steps, "per_cent": found}


def samples(own: Setting) -> Record:
    """Samples a second of shipped networks, with all that `sample` does."""
    need("safetensors")
    from numtoolkit import Network, sample

    count, found = 8 if own.small else 16384, {}
    for name, scheme, process, grid in (
        ("digits-image", "dpmpp-2m", "edm", "rho(7)"),
        ("digits-psld", "sscs", "psld", "quadratic"),
    ):
        network = Network.shipped(name, device=own.device)
        work = partial(
            sample, scheme, process, network, grid, steps=18, seeds=range(count), device=own.device, update="fused"
        )
        found[f"{name} {scheme}"] = count / seconds_of(work, own)
    return {"samples": count, "steps": 18, "per_second": found}


def bfloat16(own: Setting) -> Record:
    """A UNet in bfloat16 under a float32 state: time of a run beside float32, and how far its end is."""
    import torch

    from numtoolkit.models.architectures import raw_module
    from numtoolkit.models.blueprint import Blueprint
    from numtoolkit.models.checkpoints import rebuilt

    side, width, batch = (8, 16, 2) if own.small else (32, 128, 64)
    plan = Blueprint("unet", (3, side, side), "edm", "data", 0.5, width, 2 if own.small else 4)
    random = torch.Generator().manual_seed(0)
    # The layers that begin as nothing are drawn as well: a network whose output is 0 would show no rounding.
    weights = {
        name: own if own.any() else torch.randn(own.shape, generator=random) * 0.02
        for name, own in raw_module(plan).state_dict().items()
    }
    ends, times = {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        network = rebuilt(plan, weights, "unet", dtype, torch.device(own.device))
        work = run_of("dpmpp-2m", "edm", network, 10, (batch, 3, side, side), own)
        ends[dtype], times[dtype] = work(), seconds_of(work, own)
    exact, rounded = (ends[dtype].double() for dtype in (torch.float32, torch.bfloat16))
    return {
        "shape": (batch, 3, side, side),
        "state": str(ends[torch.bfloat16].dtype),
        "ms": {str(dtype): 1e3 * spent for dtype, spent in times.items()},
        "relative_rms": float((rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt()),
    }


def training(name: str, own: Setting) -> Record:
    """A network trained for a while more, and how it is judged once it is done."""
    need("safetensors", "sklearn", "PIL")
    from numtoolkit.files.storage import plain
    from numtoolkit.models.checkpoints import read_checkpoint
    from numtoolkit.training.loop import kept_path, train
    from numtoolkit.training.recipe import recipe_of

    recipe = recipe_of(str(HERE / f"{name}.toml"))
    if own.small:
        recipe = replace(recipe, data="patches(size=8, stride=32)", width=16, depth=2, steps=4, batch=8, warmup=1)
    path = own.folder / f"{name}.safetensors"
    at = [0]
    start = time.monotonic()
    if not path.exists():
        own.folder.mkdir(parents=True, exist_ok=True)
        train(
            recipe, path, resume=kept_path(path).exists(), device=own.device, seconds=own.seconds,
            show=lambda step, mean: at.__setitem__(0, step),
        )  # fmt: skip
    spent = time.monotonic() - start
    if not path.exists():
        return {"steps": at[0], "of": recipe.steps, "seconds_of_this_piece": spent}
    facts = read_checkpoint(path)[0]
    if facts["recipe"] != plain(asdict(recipe)):
        raise Skipped(f"{path.name} is of another recipe; remove it to train anew")
    judged = facts["judgement"]
    return {
        "steps": recipe.steps,
        "of": recipe.steps,
        "held_out_loss": facts["held_out_loss"],
        "noise_levels": judged["levels"],
        "of_the_linear_denoiser": [own / line for own, line in zip(judged["network"], judged["linear"], strict=True)],
        "trained_with": facts["versions"],
    }


PARTS: dict[str, Callable[[Setting], Record]] = {
    part.__name__: part for part in (tests, graph, bandwidth, noise, compiled, overhead, samples, bfloat16)
} | {name: partial(training, name) for name in RECIPES}


# --- the result file --------------------------------------------------------------------------------------------------


def machine(device: str) -> Record:
    """What the numbers depend on beside the code."""
    import torch

    from numtoolkit.files.versions import versions

    found = {"device": platform.processor() or platform.machine(), **versions(("numpy", "torch"))}
    if device.startswith("cuda"):
        card = torch.cuda.get_device_properties(device)
        found |= {"device": card.name, "memory_GB": card.total_memory / 1e9, "cuda": torch.version.cuda}
    return found


def earlier(out: Path, on: Record) -> Record:
    """The results that the file holds, those of the same machine and versions; of none where there is no such file."""
    try:
        kept = json.loads(out.read_text(encoding="utf-8"))
        return kept["results"] if kept["machine"] == on else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def answer(part: Callable[[Setting], Record], own: Setting) -> tuple[str, Record | None]:
    """What is said of a part, and its result where there is one."""
    try:
        return "done", part(own)
    except Skipped as why:
        return f"skipped: {why}", None
    except ModuleNotFoundError as error:
        return f"skipped: {error.name} is not installed", None
    except Exception as error:  # the parts that are left are asked all the same
        return f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", None


def main(words: list[str] | None = None) -> int:
    """The parts asked for, one line each; exit status 1 where one failed."""
    parser = argparse.ArgumentParser(description="CUDA tests, benchmarks and larger networks; see the file's head.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"by default all of {', '.join(PARTS)}")
    parser.add_argument("--device", default="cuda", help="of torch")
    parser.add_argument("--small", action="store_true", help="small arrays, to try the code")
    parser.add_argument("--out", type=Path, default=HERE / "gpu.json", help="the result file")
    parser.add_argument("--folder", type=Path, default=HERE / "networks", help="where checkpoints are kept")
    parser.add_argument("--minutes", type=float, default=8.0, help="that a part may train at a time")
    given = parser.parse_args(words)
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    why = lacking(given.device)
    if why:
        for name in given.parts or PARTS:
            print(f"{name}: skipped: {why}")
        return 0
    own = Setting(given.device, given.small, given.folder, 60 * given.minutes)
    on, failed = machine(given.device) | {"small": given.small}, False
    results = earlier(given.out, on)
    for name in given.parts or PARTS:
        said, found = answer(PARTS[name], own)
        failed |= said.startswith("failed")
        print(f"{name}: {said}" if found is None else f"{name}: {said}, {json.dumps(found)}", flush=True)
        if found is not None:
            results[name] = found | {"date": datetime.now(UTC).strftime("%Y-%m-%d")}
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps({"machine": on, "results": results}, indent=1) + "\n", encoding="utf-8")
    return int(failed)


def lacking(device: str) -> str | None:
    """Why no part can run on a device, None where they can."""
    if find_spec("torch") is None:
        return "torch is not installed"
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        return "no CUDA device here"
    return None


if __name__ == "__main__":
    sys.exit(main())
