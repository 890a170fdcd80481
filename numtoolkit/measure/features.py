"""Spaces in which sets of samples are compared: what a feature map makes of each sample."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit import references
from numtoolkit.arrays import Floats, host, library
from numtoolkit.errors import InputError, brief, real, typed, unknown, whole
from numtoolkit.files.pictures import pixels as pixels_of
from numtoolkit.laws.law import streams
from numtoolkit.limits import MOST_COORDINATES
from numtoolkit.spec_text import parse

Map = Callable[[NDArray[Any]], Any]


@dataclass(frozen=True)
class Features:
    """A space of features: its name, and the map from samples (n, *shape) to them, (n, d) or what flattens to it."""

    name: str
    function: Map = field(repr=False)

    def __call__(self, samples: NDArray[Any]) -> Floats:
        """The features (n, d), float64, of samples (n, *shape); InputError where the map gives another number."""
        out = host("features", self.function(samples)).astype(np.float64)
        if not out.ndim or len(out) != len(samples):
            raise InputError(f"features {self.name} of {len(samples)} samples have shape {out.shape}; give (n, d).")
        return out.reshape(len(samples), -1)


def pixels() -> Map:
    """The samples themselves, flattened."""
    return lambda samples: samples.reshape(len(samples), -1)


def projection(dim: int = 64, seed: int = 0) -> Map:
    """`dim` orthonormal directions, uniform, a function of seed, dim and the size of a sample alone.

    ranges  dim 1..4096, at most the size of a sample, seed >= 0
    """
    whole("dim", dim, 1, MOST_COORDINATES)
    whole("seed", seed, 0)

    @cache
    def basis(size: int) -> Floats:
        if dim > size:
            raise InputError(f"samples of {size} numbers have no {dim} orthogonal directions; give fewer.")
        _, normals = streams(1, seed)
        found, upper = np.linalg.qr(normals.standard_normal((size, dim)))
        directions: Floats = found * np.sign(np.diag(upper))  # uniform, as QR with a positive diagonal is
        return directions

    return lambda samples: samples.reshape(len(samples), -1) @ basis(samples[0].size)


def hidden(network: str = "digits-image", level: float = 0.1) -> Map:
    """What the last layer of a trained network is given, in channels, their mean over the picture where it is one.

    network  one that comes with the package, which sees an observation
    level    the noise level that it is told; the samples get no noise

    ranges  level 1e-3..100
    errors  InputError for another network, and for samples of another shape
    """
    from numtoolkit.models.network import Network

    found = Network.shipped(network)  # which says where torch is missing
    import torch

    if found.sees != "observation":
        raise InputError(f"network {network} sees states of its process; take one that sees an observation.")
    sigma = real("level", level, 1e-3, 100)

    def inside(samples: NDArray[Any]) -> Any:
        if samples.shape[1:] != found.shape:
            raise InputError(f"network {network} takes samples of {found.shape}, not {samples.shape[1:]}; give those.")
        kept: list[Any] = []
        handle = found.function.raw.last.register_forward_pre_hook(lambda _, given: kept.append(given[0]))  # type: ignore[attr-defined]
        try:
            found.function(torch.as_tensor(samples, dtype=torch.float32), sigma)
        finally:
            handle.remove()
        return kept[0].flatten(2).mean(2) if kept[0].ndim > 2 else kept[0]

    return inside


NAMED: dict[str, Callable[..., Map]] = {"pixels": pixels, "projection": projection, "hidden": hidden}


def features_of(features: Any) -> Features:
    """A feature space by name, "projection(dim=16)", from a TorchScript file, or of a function.

    features  "pixels"; "projection(dim=64, seed=0)"; "hidden(digits-image, level=0.1)"; FILE.pt, a module that takes
              pictures (n, 3, H, W) of 8 bits and gives (n, d), such as Inception's as it is handed on for FID: it runs,
              and so has to be allowed, by --import or `numtoolkit.allow_imports`; or a function of arrays (n, *shape)
    raises    InputError for what is none of these
    """
    if isinstance(features, Features):
        return features
    if callable(features):
        return Features(getattr(features, "__name__", type(features).__name__), features)
    if not isinstance(features, str):
        raise InputError(f"features are {typed(features)}; give a name, FILE.pt or a function of arrays (n, *shape).")
    if features.strip().lower().endswith((".pt", ".pth", ".pkl")):
        return Features(os.path.basename(features.strip()), _of_file(features.strip()))
    spec = parse(features)
    if spec.name.startswith("inception"):
        raise InputError("Inception does not come with the package; give its TorchScript file, FILE.pt, with --import.")
    if spec.name not in NAMED:
        raise unknown("feature space", spec.name, [*NAMED, "FILE.pt"])
    make = NAMED[spec.name]
    values: dict[str, Any] = spec.arguments(inspect.signature(make), f"features {spec.name}")
    return Features(features.strip(), make(**values))


def _of_file(path: str) -> Map:
    """The module of a TorchScript file."""
    if not references.allowed():
        raise InputError(
            f"features {brief(path)!r} would run that file; allow it by --import, or in Python within "
            "numtoolkit.allow_imports()."
        )
    try:
        import torch

        module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except ModuleNotFoundError:
        raise InputError(f"features {brief(path)!r} need torch; pip install 'numtoolkit[torch]'.") from None
    except (RuntimeError, ValueError, OSError) as error:
        said = str(error).split("\n")[0][:200].rstrip(". ")
        raise InputError(
            f"cannot load features from {brief(path)!r}: {said}; give a TorchScript file, as torch.jit.save writes it."
        ) from None
    names = [argument.name for argument in module.forward.schema.arguments]
    more = {"return_features": True} if "return_features" in names else {}

    def called(samples: NDArray[Any]) -> Any:
        images = np.moveaxis(pixels_of(samples), -1, 1)
        rgb = torch.as_tensor(np.repeat(images, 3 // images.shape[1], axis=1))
        try:
            with torch.no_grad():
                out = module(rgb, **more)
        except RuntimeError as error:
            said = str(error).strip().split("\n")[-1][:200].rstrip(". ")
            raise InputError(f"features {brief(path)!r} cannot take pictures {tuple(rgb.shape)}: {said}.") from None
        if library(out) is not torch:
            raise InputError(f"features {brief(path)!r} give {typed(out)}; give a module that returns a tensor (n, d).")
        return out.flatten(1)

    return called
