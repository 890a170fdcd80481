"""Training as others call it: by the name of a recipe or a file, without torch before it is needed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from numtoolkit.errors import InputError, flag, real, text, typed, whole
from numtoolkit.limits import MOST
from numtoolkit.training.recipe import Recipe, recipe_of, with_steps

if TYPE_CHECKING:
    from numtoolkit.training.loop import Result


def train(
    recipe: str | Recipe,
    out: str | os.PathLike[str],
    steps: int | None = None,
    *,
    resume: bool = False,
    device: str = "cpu",
    show: Callable[[int, float], None] | None = None,
    seconds: float | None = None,
) -> Result | None:
    """Train a network by a recipe into a checkpoint, which `Network.load` reads, its loss curve beside it in a .csv.

    recipe   the name of a network that ships, "digits-image"; a .toml file; or a `numtoolkit.training.recipe.Recipe`
    out      a .safetensors file
    steps    of the optimiser; None for those of the recipe
    resume   go on where a run of the same recipe that was stopped left off, to the same bits
    device   of torch
    show     called with the step and the mean loss after every hundredth step; None for nothing
    seconds  of the machine, after which the run stops with its state kept, for `resume`; None for no limit
    returns  a `Result`: path, curve, parameters, loss on the data held out, and the `judge`ment; None where it stopped
    raises   InputError for an unknown recipe, key or value, and where torch is not installed; StorageError and
             NonFiniteError as `numtoolkit.training.loop.train`
    cost     steps times a step
    """
    own = recipe if isinstance(recipe, Recipe) else recipe_of(recipe)
    chosen = with_steps(own, None if steps is None else whole("steps", steps, 1, MOST))
    if not isinstance(out, str | os.PathLike) or Path(out).suffix != ".safetensors":
        raise InputError(f"out = {str(out)!r} is no .safetensors file; name one.")
    if show is not None and not callable(show):
        raise InputError(f"show is {typed(show)}; give a function of the step and the mean loss.")
    limit = math.inf if seconds is None else real("seconds", seconds, 0.0)
    try:
        from numtoolkit.models.checkpoints import device_of
        from numtoolkit.training import loop
    except ModuleNotFoundError:
        raise InputError("training needs torch; pip install 'numtoolkit[torch]'.") from None
    shown = {} if show is None else {"show": show}
    place = str(device_of(text("device", device)))
    return loop.train(chosen, out, resume=flag("resume", resume), device=place, seconds=limit, **shown)
