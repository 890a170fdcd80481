"""The loop that trains a network: resumed bit for bit after a kill, for every step is a function of seed and number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from numtoolkit.errors import NonFiniteError, StorageError
from numtoolkit.files.storage import Where, claimed, csv_text, folder, plain, write
from numtoolkit.files.versions import versions
from numtoolkit.models.architectures import raw_module
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.checkpoints import FORMAT, TRAINING, read_checkpoint, rebuilt, write_checkpoint
from numtoolkit.sampling.noise import words
from numtoolkit.training.data import Data, data_of
from numtoolkit.training.judge import Judgement, judge
from numtoolkit.training.objective import MESH, Mesh, loss, mesh
from numtoolkit.training.recipe import Recipe

WINDOW = 100  # steps whose mean loss is one point of the curve
SAVE_SECONDS = 30.0  # between two states, of which the first is that after the first step
BETAS = 0.9, 0.99  # of AdamW
FIRST, STEP, HELD = 64, 65, 66  # purposes of the seeds: the first weights, a step, the noise of the held-out loss
HELD_COPIES = 4  # noises of each sample of the held-out loss

Show = Callable[[int, float], None]
Point = dict[str, float]


@dataclass(frozen=True)
class Result:
    """What training ended with.

    path        of the checkpoint; curve of the loss curve, .csv
    parameters  number of weights
    loss        of the kept weights on the data held out, over the times of training
    judgement   of the stored weights, beside the best linear denoiser
    """

    path: Path
    curve: Path
    parameters: int
    loss: float
    judgement: Judgement


@dataclass
class _State:
    """The run between two steps: the module, its running average, the optimiser, and the curve so far."""

    raw: torch.nn.Module
    average: dict[str, Tensor]
    adam: torch.optim.AdamW
    step: int
    curve: list[Point]
    total: float = 0.0  # of the losses since the last point of the curve


def train(
    recipe: Recipe,
    out: Where,
    *,
    resume: bool = False,
    device: str = "cpu",
    show: Show = lambda step, mean: None,
    seconds: float = math.inf,
) -> Result | None:
    """Train a network and write its checkpoint, its loss curve beside it in a .csv file.

    A killed run leaves OUT.training.safetensors, kept after the first step and then every `SAVE_SECONDS`, from which
    `resume` goes on to the same bits as one that was never killed, on the same device with as many threads. It is
    removed at the end.

    recipe   what is trained
    out      a .safetensors file
    resume   go on where a killed run of the same recipe stopped
    device   of torch; on one with instructions for bfloat16 the network is trained in it (`computed_in`)
    show     called with the step and the mean loss after every `WINDOW` steps
    seconds  after so many the run stops as if killed, its state kept
    returns  None of a run that was stopped so
    raises   InputError for data that do not fit the recipe; StorageError where a state is in the way, there is none to
             go on from, it was computed in another dtype, or another run writes it; NonFiniteError where the loss
             leaves the finite numbers
    cost     recipe.steps times a step, and the memory of the data, of four copies of the weights and of a batch
    """
    path = Path(out)
    folder(path.parent)
    kept = kept_path(path)
    data = data_of(recipe.data)
    own = recipe.blueprint(data)
    with claimed(kept) as alone, _own_numbers(device):
        if not alone:
            raise StorageError(f"another run trains {str(path)!r}; wait until it ends, or name another file.")
        state = _resumed(path, recipe, own, device) if resume else _begun(kept, recipe, own, device)
        _run(state, recipe, own, data, device, lambda: _keep(kept, state, recipe, own, device), show, seconds)
        if state.step < recipe.steps:
            return None
        found = _finished(path, state, recipe, own, data, device)
        kept.unlink(missing_ok=True)
    return found


def kept_path(out: Where) -> Path:
    """Where the state is kept of a run that writes `out`, a .safetensors file."""
    path = Path(out)
    return path.with_name(f"{path.name.removesuffix('.safetensors')}.training.safetensors")


@contextmanager
def _own_numbers(device: str) -> Iterator[None]:
    """Torch's own generators are set anew for every step, and given back as they were."""
    place = torch.device(device)
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        yield


def _seeded(seed: int, purpose: int, step: int = 0) -> None:
    """All generators of torch as a function of the three; they take 32 bits of seed."""
    torch.manual_seed(int(words([seed], purpose, step, 1)[0, 0]))


def _begun(kept: Path, recipe: Recipe, own: Blueprint, device: str) -> _State:
    if kept.exists():
        raise StorageError(
            f"{str(kept)!r} was left by a run that was stopped; go on from it by --resume, or remove it."
        )
    _seeded(recipe.seed, FIRST)
    raw = raw_module(own).to(device)
    average = {name: weight.clone() for name, weight in raw.state_dict().items()}
    return _State(raw, average, _adam(raw, recipe), 0, [])


def _adam(raw: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    return torch.optim.AdamW(raw.parameters(), recipe.rate, BETAS, weight_decay=recipe.decay)


def _nothing_kept(path: Path, recipe: Recipe) -> str:
    """Why a run has no state to go on from: it came to its end, or none was kept."""
    if path.exists() and read_checkpoint(path)[0].get("recipe") == plain(asdict(recipe)):
        return f"{str(path)!r} is complete, of this recipe; leave --resume out to train it anew."
    return f"there is no {str(kept_path(path))!r} to go on from; leave --resume out."


def _resumed(path: Path, recipe: Recipe, own: Blueprint, device: str) -> _State:
    kept = kept_path(path)
    if not kept.exists():
        raise StorageError(_nothing_kept(path, recipe))
    facts, tensors = read_checkpoint(kept, TRAINING)
    numbers = computed_in(torch.device(device).type)
    if facts["computed_in"] != numbers:
        raise StorageError(
            f"{str(kept)!r} was computed in {facts['computed_in']}, but the device {device!r} here computes in "
            f"{numbers}; go on where it was begun, or remove it."
        )
    if facts["recipe"] != plain(asdict(recipe)) or facts["blueprint"] != plain(asdict(own)):
        raise StorageError(f"{str(kept)!r} is of another recipe; give that one, or remove it.")
    raw = raw_module(own).to(device)
    raw.load_state_dict(_part(tensors, "raw."))
    adam, moments = _adam(raw, recipe), _part(tensors, "adam.")
    about = adam.state_dict()
    for name, value in moments.items():
        number, _, key = name.partition(".")
        about["state"].setdefault(int(number), {})[key] = value
    adam.load_state_dict(about)
    average = {name: value.to(device) for name, value in _part(tensors, "average.").items()}
    return _State(raw, average, adam, facts["step"], facts["curve"], facts.get("total", 0.0))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): own for name, own in tensors.items() if name.startswith(prefix)}


def _keep(kept: Path, state: _State, recipe: Recipe, own: Blueprint, device: str) -> None:
    moments = state.adam.state_dict()["state"]
    tensors = {f"raw.{name}": own for name, own in state.raw.state_dict().items()}
    tensors |= {f"average.{name}": own for name, own in state.average.items()}
    tensors |= {f"adam.{i}.{key}": value for i, moment in moments.items() for key, value in moment.items()}
    facts = {"recipe": plain(asdict(recipe)), "blueprint": plain(asdict(own)), "step": state.step, "curve": state.curve}
    facts |= {"total": state.total} if math.isfinite(state.total) else {}
    facts |= {"computed_in": computed_in(torch.device(device).type)}
    write_checkpoint(kept, tensors, {"format": TRAINING, **facts})


def _run(
    state: _State,
    recipe: Recipe,
    own: Blueprint,
    data: Data,
    device: str,
    keep: Callable[[], None],
    show: Show,
    seconds: float,
) -> None:
    """The steps that are left, or those of so many seconds."""
    at = Mesh(*(_placed(part, device) for part in mesh(own, recipe.levels)))
    images = torch.from_numpy(data.train).to(device)
    labels = None if not recipe.labels else torch.from_numpy(data.train_labels).to(device)
    begun, total = time.monotonic(), torch.full((), state.total, device=device)
    saved = -math.inf
    state.raw.train()
    while state.step < recipe.steps:
        _seeded(recipe.seed, STEP, state.step)
        for group in state.adam.param_groups:
            group["lr"] = rate(recipe, state.step)
        value = _batch_loss(state.raw, recipe, at, images, labels)
        state.adam.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        state.adam.step()
        share = min(recipe.ema, (1 + state.step) / (10 + state.step))
        with torch.no_grad():
            for name, weight in state.raw.state_dict().items():
                state.average[name].lerp_(weight, 1 - share)
        total += value.detach()
        state.step += 1
        if state.step % WINDOW == 0 or state.step == recipe.steps:
            mean = float(total) / ((state.step - 1) % WINDOW + 1)
            if not math.isfinite(mean):
                raise NonFiniteError(
                    f"the loss is {mean} before step {state.step}; give a lower rate than {recipe.rate}."
                )
            state.curve.append({"step": state.step, "loss": mean})
            show(state.step, mean)
            total.zero_()
        now = time.monotonic()
        late = now - begun > seconds
        if state.step < recipe.steps and (late or now - saved > SAVE_SECONDS):
            state.total = float(total)
            keep()
            saved = time.monotonic()
        if late:
            break


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step from 0 on: it rises over `warmup` steps and falls to 0 as a cosine over all."""
    rise = min(1.0, (step + 1) / (recipe.warmup + 1))
    return recipe.rate * rise * (1 + math.cos(math.pi * step / recipe.steps)) / 2


def _batch_loss(raw: torch.nn.Module, recipe: Recipe, at: Mesh, images: Tensor, labels: Tensor | None) -> Tensor:
    """The loss of the samples, times, noise and forgotten labels that the generators give.

    The times of a batch are one from each of as many equal parts of the mesh: fewer luck, the same mean.
    """
    n, device = recipe.batch, images.device
    chosen = torch.randint(len(images), (n,), device=device)
    rows = ((torch.arange(n, device=device) + torch.rand(n, device=device)) * (MESH / n)).long().clamp_(max=MESH - 1)
    eps = torch.randn((n, at.E.shape[1], *images.shape[1:]), device=device)
    told = None
    if labels is not None:
        forgotten = torch.rand(n, device=device) < recipe.forget
        told = torch.where(forgotten, int(labels.max()) + 1, labels[chosen])
    x0 = _turned(images[chosen]) if recipe.turns else images[chosen]
    with torch.autocast(device.type, torch.bfloat16, enabled=computed_in(device.type) == "bfloat16"):
        value: Tensor = loss(raw, Mesh(*(part[rows] for part in at)), x0, eps, told)
    return value


def _turned(x0: Tensor) -> Tensor:
    """Square pictures (batch, ..., side, side), each in one of its eight orientations, equally likely."""
    across, down, over = torch.rand((3, len(x0), *[1] * (x0.ndim - 1)), device=x0.device) < 0.5
    for which, axis in ((across, -1), (down, -2)):
        x0 = torch.where(which, x0.flip(axis), x0)
    return torch.where(over, x0.mT, x0)


def computed_in(kind: str) -> str:
    """The dtype of the layers in a step of training: "bfloat16" where the device has instructions for it, or "float32".

    kind   of the device, as torch names it; a CPU without such instructions emulates them more slowly than float32
    """
    if kind == "cpu":
        said: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases of torch have none
        able = any(said.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    else:
        able = kind == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if able else "float32"


def _placed(array: Any, device: str) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=device)


@torch.no_grad()
def held_out_loss(raw: torch.nn.Module, recipe: Recipe, own: Blueprint, data: Data) -> float:
    """The loss of the data held out, told their labels, over times that are as many as their noises.

    raw, recipe, own, data   the trained function, on the CPU, and what it was trained by
    """
    count = HELD_COPIES * len(data.held)
    at = Mesh(*(_placed(part, "cpu") for part in mesh(own, recipe.levels, count)))
    _seeded(recipe.seed, HELD)
    order = torch.randperm(count)
    sums = 0.0
    for first in range(0, count, recipe.batch):
        rows = order[first : first + recipe.batch]
        which = (rows % len(data.held)).numpy()
        eps = torch.randn((len(rows), at.E.shape[1], *data.shape))
        told = torch.from_numpy(data.held_labels[which]) if recipe.labels and data.held_labels is not None else None
        part = loss(
            raw, Mesh(*(coefficients[rows] for coefficients in at)), torch.from_numpy(data.held[which]), eps, told
        )
        sums += float(part) * len(rows)
    return sums / count


def _finished(path: Path, state: _State, recipe: Recipe, own: Blueprint, data: Data, device: str) -> Result:
    """The checkpoint of the average, judged as it is stored, and the curve."""
    stored = {name: weight.cpu().to(getattr(torch, recipe.stored)) for name, weight in state.average.items()}
    name = path.name.removesuffix(".safetensors")
    network = rebuilt(own, stored, name, torch.float32, torch.device("cpu"))
    value, judgement = held_out_loss(network.function.raw, recipe, own, data), judge(network, data)  # type: ignore[attr-defined]
    facts = {"format": FORMAT, "blueprint": asdict(own), "recipe": asdict(recipe), "held_out_loss": value}
    facts |= {"judgement": asdict(judgement), "versions": versions(("numpy", "torch"))}
    facts |= {"computed_in": computed_in(torch.device(device).type)}
    write_checkpoint(path, stored, plain(facts))
    curve = write(path.with_suffix(".csv"), csv_text(state.curve))
    return Result(path, curve, sum(weight.numel() for weight in stored.values()), value, judgement)
