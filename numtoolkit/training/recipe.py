"""Recipes: all that decides a trained network, as a few strict keys of a TOML table."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from numtoolkit.errors import InputError, StorageError, choice, real, several, text, whole
from numtoolkit.files.tables import filled
from numtoolkit.limits import MOST
from numtoolkit.models.blueprint import DEEPEST, Blueprint
from numtoolkit.spec_text import hyphened
from numtoolkit.training.data import Data

SHIPPED = Path(__file__).parent / "recipes.toml"
STORED = ("float16", "float32")


@dataclass(frozen=True)
class Recipe:
    """What decides a trained network, but for the versions and the machine that train it.

    data           as `numtoolkit.training.data.data_of` reads it
    process        a specification; predicts the name of a prediction
    architecture, width, depth, dropout, skip   as of `numtoolkit.models.blueprint.Blueprint`
    steps, batch   of the optimiser, AdamW; samples a step
    rate, decay    learning rate, which rises over `warmup` steps and falls to 0 as a cosine; weight decay
    levels         mean and deviation of the logarithm of the noise level; of none the time is uniform
    labels         whether the network is told the class of a sample, and of none for a share `forget` of them
    turns          whether a sample, a square picture, is trained on in all eight orientations, one drawn a step
    ema            of the weights that are kept: at most that share of the average is what it was a step before
    seed           of the first weights, and of every step
    stored         dtype of the weights in the checkpoint
    raises         InputError for a value out of range
    """

    data: str
    process: str
    predicts: str
    architecture: str
    width: int
    depth: int
    steps: int
    dropout: float = 0.0
    skip: str = "gaussian"
    batch: int = 256
    rate: float = 1e-3
    decay: float = 0.0
    warmup: int = 200
    levels: tuple[float, ...] = ()
    labels: bool = False
    forget: float = 0.1
    turns: bool = False
    ema: float = 0.999
    seed: int = 0
    stored: str = "float16"

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("batch", 2), ("warmup", 0), ("seed", 0)):
            whole(name, getattr(self, name), low, MOST)
        if len(several("levels", self.levels)) not in (0, 2) or not all(
            abs(real("levels", x)) < 30 for x in self.levels
        ):
            raise InputError(
                f"levels = {list(self.levels)} is no mean and deviation of log(s); give two numbers or none."
            )
        if self.levels and not self.levels[1] > 0:
            raise InputError(f"levels = {list(self.levels)} has the deviation {self.levels[1]}; give one > 0.")
        for name, high in (("rate", 1.0), ("decay", 1.0), ("forget", 1.0), ("ema", 1.0)):
            real(name, getattr(self, name), 0, high)
        choice("dtype of stored weights", self.stored, STORED)
        side = 2 ** min(whole("depth", self.depth, 1, DEEPEST) - 1, 10)  # a picture that can be halved so often
        self._of((1, side, side) if self.architecture == "unet" else (1,), 1.0, 0)

    def blueprint(self, data: Data) -> Blueprint:
        """What the network of these data is rebuilt from.

        raises   InputError for labels of data that have none, and a shape that the architecture does not take
        """
        if self.labels and not data.classes:
            raise InputError(f"data {data.name!r} have no labels; give labels = false.")
        if self.turns and (len(data.shape) < 2 or data.shape[-1] != data.shape[-2]):
            raise InputError(
                f"data {data.name!r} of shape {list(data.shape)} are no square pictures; give turns = false."
            )
        return self._of(data.shape, data.deviation, data.classes if self.labels else 0)

    def _of(self, shape: tuple[int, ...], deviation: float, classes: int) -> Blueprint:
        sizes = self.width, self.depth, self.dropout
        predicts = hyphened(text("predicts", self.predicts))
        return Blueprint(self.architecture, shape, self.process, predicts, deviation, *sizes, classes, self.skip)


def recipe_of(name: str) -> Recipe:
    """A recipe of a network that ships by its name, or one of your own from a .toml file.

    raises   InputError for an unknown name, key or value; StorageError for a file that cannot be read
    """
    if not text("recipe", name).endswith(".toml"):
        known = _tables(SHIPPED)
        return filled(Recipe, known[choice("recipe", name, known)], f"recipe {name!r}")
    try:
        return filled(Recipe, _tables(Path(name)), f"recipe {name!r}")
    except InputError as error:
        raise InputError(f"recipe {name!r}: {error}") from None


def with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    """The recipe with another number of steps, None for its own."""
    return recipe if steps is None else replace(recipe, steps=steps)


def _tables(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"cannot read {str(path)!r}: {error}; mend it or give another.") from None
