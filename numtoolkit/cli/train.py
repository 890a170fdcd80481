"""`train`: a network trained by a recipe, into a checkpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numtoolkit.cli.output import Command, add_json, destination, grid, note, number, report
from numtoolkit.limits import MOST


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="the name of a network that ships, or a .toml file")
    parser.add_argument("--out", required=True, metavar="FILE", help="the checkpoint, .safetensors; its loss in a .csv")
    parser.add_argument("--steps", metavar="N", help="by default those of the recipe")
    parser.add_argument("--resume", action="store_true", help="go on where a run that was stopped left off")
    parser.add_argument("--minutes", metavar="M", help="stop after so many, to go on by --resume; by default none")
    parser.add_argument("--device", metavar="D", default="cpu", help="of torch, by default cpu")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.training.front import train
    from numtoolkit.training.recipe import recipe_of, with_steps

    steps = None if arguments.steps is None else number(arguments.steps, "--steps", 1, MOST)
    recipe = with_steps(recipe_of(arguments.recipe), steps)
    minutes = None if arguments.minutes is None else number(arguments.minutes, "--minutes", 1, MOST)
    path = destination(arguments.out, (".safetensors",))
    seconds = None if minutes is None else 60.0 * minutes
    with _bar(recipe.steps) as show:
        found = train(recipe, path, resume=arguments.resume, device=arguments.device, show=show, seconds=seconds)
    if found is None:
        stopped = f"stopped after {minutes} minutes; go on with --resume"
        report(arguments, {"out": str(path), "stopped": True}, lambda: stopped)
        return 0
    note(f"wrote {found.path}")
    note(f"wrote {found.curve}")
    judged = found.judgement
    rows = [
        {"noise level": s, "network": own, "linear": linear, "ratio": ratio}
        for s, own, linear, ratio in zip(judged.levels, judged.network, judged.linear, judged.ratios, strict=True)
    ]
    record = {
        "out": str(found.path),
        "parameters": found.parameters,
        "steps": recipe.steps,
        "held_out_loss": found.loss,
    }
    report(
        arguments,
        record | {"judgement": rows, "passed": judged.passed},
        lambda: f"{grid([record])}\n\nmean square of x_0 - D on data held out\n{grid(rows)}",
    )
    return 0


@contextmanager
def _bar(steps: int) -> Iterator[Callable[[int, float], None]]:
    """What shows the step and the loss on stderr, where that is a terminal."""
    from tqdm import tqdm

    with tqdm(total=steps, desc="train", disable=True if sys.stderr is None else None, leave=False) as bar:

        def show(step: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            bar.update(step - bar.n)

        yield show


TRAIN = Command("train", "Train a network by a recipe, judge it on data held out, and keep it.", _arguments, _run)
