"""Laws by name, for the command line, experiments and tests: factories with checked keyword parameters."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit import references
from numtoolkit.errors import InputError, StorageError, brief, unknown, whole
from numtoolkit.laws.empirical import Empirical
from numtoolkit.laws.files import load
from numtoolkit.laws.gaussian import Gaussian, GaussianMixture
from numtoolkit.laws.law import Law
from numtoolkit.laws.proxies import FEWEST, SHARE, proxy_of
from numtoolkit.problem.cosines import cosine_basis
from numtoolkit.spec_text import parse


def gaussian(dim: int = 1, mean: float = 0.3, std: float = 0.5) -> Gaussian:
    """Isotropic Gaussian in `dim` dimensions, every coordinate N(mean, std^2).

    ranges  dim 1..4096, mean -100..100, std 0..100
    """
    whole("dim", dim, 1, 4096)
    _number("mean", mean, -100, 100)
    _number("std", std, 0, 100)
    return Gaussian(np.full(dim, float(mean)), float(std) ** 2, _spec("gaussian", dim=dim, mean=mean, std=std))


def anisotropic(dim: int = 16, low: float = 1e-3, high: float = 1.0) -> Gaussian:
    """Centred Gaussian with independent coordinates whose variances run log-spaced from low to high.

    ranges  dim 1..4096, 1e-12 <= low <= high <= 1e4
    """
    whole("dim", dim, 1, 4096)
    _number("high", high, 1e-12, 1e4)
    _number("low", low, 1e-12, high)
    return Gaussian(np.zeros(dim), np.geomspace(low, high, dim), _spec("anisotropic", dim=dim, low=low, high=high))


def mixture(
    dim: int = 8,
    components: int = 16,
    seed: int = 0,
    low: float = 0.10,
    high: float = 0.35,
    spread: float = 0.35,
) -> GaussianMixture:
    """Random mixture of anisotropic, randomly rotated Gaussians.

    Weights are Dirichlet(1, ..., 1), means N(0, spread^2 I), deviations along the axes uniform from low to
    high, axes Haar-distributed.  The defaults overlap; low = 0.05 and spread = 0.45 separate some components.

    ranges  dim 1..256, components 1..1024, seed >= 0, 0 <= low <= high <= 100, spread 0..100
    """
    whole("dim", dim, 1, 256)
    whole("components", components, 1, 1024)
    whole("seed", seed, 0, 2**63)
    _number("high", high, 0, 100)
    _number("low", low, 0, high)
    _number("spread", spread, 0, 100)
    rng = np.random.Generator(np.random.Philox(int(seed)))
    weights = rng.dirichlet(np.ones(components))
    means = spread * rng.standard_normal((components, dim))
    deviations = rng.uniform(low, high, (components, dim))
    axes, _ = np.linalg.qr(rng.standard_normal((components, dim, dim)))  # Haar up to signs, which cancel below
    covariances = (axes * deviations[:, None, :] ** 2) @ axes.transpose(0, 2, 1)
    covariances = (covariances + covariances.transpose(0, 2, 1)) / 2
    spec = _spec("mixture", dim=dim, components=components, seed=seed, low=low, high=high, spread=spread)
    return GaussianMixture(weights, means, covariances, spec)


def two_modes(weight: float = 0.4, separation: float = 1.2, std: float = 0.15) -> GaussianMixture:
    """Two Gaussians on the line at -separation/2 (with probability `weight`) and +separation/2.

    ranges  weight 0..1, separation 0..100, std 0..100
    """
    _number("weight", weight, 0, 1)
    _number("separation", separation, 0, 100)
    _number("std", std, 0, 100)
    means = np.array([[-separation / 2], [separation / 2]])
    spec = _spec("two-modes", weight=weight, separation=separation, std=std)
    return GaussianMixture(np.array([weight, 1 - weight]), means, np.array(float(std) ** 2), spec)


def ring(modes: int = 8, radius: float = 0.7, width: float = 0.05) -> GaussianMixture:
    """`modes` equal isotropic Gaussians of deviation `width`, evenly spaced on a circle in the plane.

    ranges  modes 1..4096, radius 0..100, width 0..100
    """
    whole("modes", modes, 1, 4096)
    _number("radius", radius, 0, 100)
    _number("width", width, 0, 100)
    angles = 2 * np.pi * np.arange(modes) / modes
    means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    weights = np.full(modes, 1 / modes)
    return GaussianMixture(
        weights, means, np.array(float(width) ** 2), _spec("ring", modes=modes, radius=radius, width=width)
    )


def natural(
    size: int = 8, exponent: float = 2.0, std: float = 0.5, components: int = 1, share: float = 0.8, seed: int = 0
) -> Gaussian | GaussianMixture:
    """Square images whose cosines of frequency k have variances k^-exponent, as photographs have with 2.

    Frequencies are in half periods over the side; the mean brightness varies as the lowest of them. With components the
    law has these as modes: draws of the Gaussian, shrunk to a share of its variance, each blurred with the rest of it.

    ranges   size 2..32, exponent 0..6, std 0..100 of a pixel, components 1..1024, share 0..1, seed >= 0
    returns  a law of mean 0, with components as its expectation over seeds
    """
    whole("size", size, 2, 32)
    _number("exponent", exponent, 0, 6)
    _number("std", std, 0, 100)
    whole("components", components, 1, 1024)
    _number("share", share, 0, 1)
    whole("seed", seed, 0, 2**63)
    waves, frequency = cosine_basis((size, size))
    variances = np.maximum(frequency, 1.0) ** -exponent
    variances *= std**2 / variances.mean()
    spec = _spec("natural", size=size, exponent=exponent, std=std, components=components, share=share, seed=seed)
    plain = Gaussian.along_axes(np.zeros((size, size)), variances, waves, spec)
    if components == 1:
        return plain
    centres = np.sqrt(share) * plain.sample(components, seed)
    return GaussianMixture.shared(centres, (1 - share) * variances, waves, spec)


def student(
    dim: int = 16, freedom: float = 5.0, std: float = 0.5, exponent: float = 0.0, scales: int = 32
) -> GaussianMixture:
    """Heavy tails: a Gaussian whose variance is freedom / chi^2 of so many degrees, as that of Student's t law.

    The variance takes its quantiles at the middles of `scales` equal parts, which cuts the tails; that of coordinate k
    is k^-exponent of the first, in each of them.

    ranges   dim 1..4096, freedom 2.1..1000, std 0..100 of a coordinate, exponent 0..6, scales 1..1024
    returns  a law of mean 0
    """
    from scipy.special import gammaincinv  # which no other law needs

    whole("dim", dim, 1, 4096)
    _number("freedom", freedom, 2.1, 1000)
    _number("std", std, 0, 100)
    _number("exponent", exponent, 0, 6)
    whole("scales", scales, 1, 1024)
    each = freedom / (2 * gammaincinv(freedom / 2, (np.arange(scales) + 0.5) / scales))
    across = np.arange(1.0, dim + 1) ** -exponent
    variances = std**2 * np.outer(each / each.mean(), across / across.mean())
    spec = _spec("student", dim=dim, freedom=freedom, std=std, exponent=exponent, scales=scales)
    return GaussianMixture(None, np.zeros((scales, dim)), variances, spec)


def low_rank(
    dim: int = 64,
    rank: int = 4,
    components: int = 16,
    seed: int = 0,
    spread: float = 1.5,
    width: float = 0.3,
    noise: float = 0.02,
) -> GaussianMixture:
    """Data near a subspace: equal Gaussians within `rank` directions, and noise of a small deviation in all of them.

    The directions are Haar-distributed; in them means are N(0, spread^2 I), and each Gaussian has deviation width.

    ranges  rank 1..dim, dim 1..1024, components 1..1024, seed >= 0, spread, width and noise 0..100
    """
    whole("dim", dim, 1, 1024)
    whole("rank", rank, 1, dim)
    whole("components", components, 1, 1024)
    whole("seed", seed, 0, 2**63)
    for key, value in (("spread", spread), ("width", width), ("noise", noise)):
        _number(key, value, 0, 100)
    rng = np.random.Generator(np.random.Philox(int(seed)))
    axes, _ = np.linalg.qr(rng.standard_normal((dim, dim)))  # Haar up to signs, which decide nothing here
    centres = spread * rng.standard_normal((components, rank)) @ axes[:, :rank].T
    variances = np.where(np.arange(dim) < rank, width**2, 0.0) + noise**2
    told = {"dim": dim, "rank": rank, "components": components, "seed": seed}
    return GaussianMixture.shared(
        centres, variances, axes, _spec("low-rank", **told, spread=spread, width=width, noise=noise)
    )


def points(count: int = 12, dim: int = 16, std: float = 0.5, seed: int = 0) -> Empirical:
    """A discrete set: `count` equal points drawn once from N(0, std^2 I).

    ranges  count 1..65536, dim 1..4096, std 0..100, seed >= 0
    """
    whole("count", count, 1, 65536)
    whole("dim", dim, 1, 4096)
    _number("std", std, 0, 100)
    whole("seed", seed, 0, 2**63)
    rng = np.random.Generator(np.random.Philox(int(seed)))
    own = std * rng.standard_normal((count, dim))
    return Empirical(own, name=_spec("points", count=count, dim=dim, std=std, seed=seed))


def proxy(
    of: str = "digits", count: int = 64, share: float = SHARE, seed: int = 0, digest: str = ""
) -> GaussianMixture:
    """A law with the modes and the spectrum of some samples: it ranks schemes as a network trained on such data does.

    It is `numtoolkit.laws.proxies.proxy_of` them.

    of       where samples come from: the name of a law, or an .npz file with images (N, *shape), such as outputs of a
             pilot run, of which the first are taken
    count    samples, 2..4096
    share    of their variance that lies between the components, 0..1
    seed     of the samples of a law, >= 0
    digest   of the samples in an earlier specification, which a file has to hold still
    raises   StorageError for a file that holds others than that digest says, fewer, or images of several weights;
             InputError for more than 4096 coordinates
    """
    whole("count", count, FEWEST, 4096)
    _number("share", share, 0, 1)
    whole("seed", seed, 0, 2**63)
    taken = law_of(of)
    if taken.name.startswith("file ") and not isinstance(taken, Empirical):
        raise StorageError(f"{of!r} holds no images; give (N, *shape) under that key.")
    stored = isinstance(taken, Empirical) and taken.name.startswith("file ")
    if stored and np.ptp(taken.weights):  # type: ignore[attr-defined]
        raise StorageError(f"{of!r} holds images of several weights, of which the first are no sample; leave them out.")
    rows = taken.images[:count].astype(np.float64) if stored else taken.sample(count, seed)  # type: ignore[attr-defined]
    if len(rows) < count:
        raise StorageError(f"{of!r} holds {len(rows)} images; give count={len(rows)}, or a file of more.")
    own = f"sha256-{hashlib.sha256(rows.astype('<f8').tobytes()).hexdigest()[:16]}"
    if digest and digest != own:
        raise StorageError(f"{of!r} gives {own} now, not {digest}; give the file of then, or drop it.")
    told = {"digest": own} if stored else {}
    spec = _spec("proxy", of=of, count=count, share=share, seed=seed, **told)
    return proxy_of(rows, share, spec)


def digits(count: int = 1797) -> Empirical:
    """The first `count` of the 1797 handwritten 8x8 digits that ship with scikit-learn, scaled to [-1, 1].

    Read from scikit-learn's own file without importing it (UCI "Optical Recognition of Handwritten Digits",
    E. Alpaydin and C. Kaynak 1998).

    ranges  count 1..1797
    errors  InputError if scikit-learn is not installed or does not hold the file
    """
    whole("count", count, 1, 1797)
    package = find_spec("sklearn")
    path = Path(package.origin).parent / "datasets/data/digits.csv.gz" if package and package.origin else None
    if path is None or not path.is_file():
        raise InputError("the law 'digits' needs scikit-learn, whose data it reads; pip install 'numtoolkit[data]'.")
    pixels = np.loadtxt(path, delimiter=",", max_rows=count, usecols=range(64), ndmin=2)
    return Empirical(pixels.reshape(count, 8, 8) / 8 - 1, name=_spec("digits", count=count))


NAMED: dict[str, Callable[..., Law]] = {
    "gaussian": gaussian,
    "anisotropic": anisotropic,
    "mixture": mixture,
    "two-modes": two_modes,
    "ring": ring,
    "digits": digits,
    "natural": natural,
    "student": student,
    "low-rank": low_rank,
    "points": points,
    "proxy": proxy,
}


def law_of(text: str | Law) -> Law:
    """A law from its name with optional parameters, "mixture(dim=2, seed=1)", or from the path of an .npz file.

    text     or "FILE.py:NAME" or "MODULE:NAME", a law, or a function that makes one, where
             `numtoolkit.references.allow_imports` lets it be run; or a law, whatever has a denoiser, which comes back
             as it is
    raises   InputError for unknown names (nearest matches named), unknown parameters and values out of range, and
             StorageError for a file that cannot be used (see `numtoolkit.laws.files.load`)
    """
    if not isinstance(text, str) and is_law(text):
        return text
    if references.is_reference(text):
        return _whole_law(references.resolve(text, "law", is_law), text)
    if isinstance(text, str) and _is_path(text):
        return load(text)
    if callable(getattr(text, "on", None)):
        raise InputError(
            f"network {brief(str(getattr(text, 'name', '')), 80)} is no law, which has its moments and its denoiser in "
            "closed form; give a law, or measure the network by samples, as error_curve does."
        )
    spec = parse(text)  # type: ignore[arg-type]  # which refuses what is no text
    if spec.name not in NAMED:
        raise unknown("law", spec.name, [*NAMED, "PATH.npz"])
    make = NAMED[spec.name]
    values: dict[str, Any] = spec.arguments(inspect.signature(make), f"law {spec.name}")
    try:
        return make(**values)
    except InputError as error:
        raise InputError(f"law {spec.name}: {error}") from None


law = law_of  # by the name it has beside `scheme`, `process` and `grid`


def is_named(text: str) -> bool:
    """Whether a text begins with the name of a law, or is the path of one."""
    return _is_path(text) or text.partition("(")[0].strip().lower() in NAMED


def _is_path(text: str) -> bool:
    return text.endswith(".npz") or ("/" in text and "(" not in text)


def is_law(value: object) -> bool:
    """Whether a value is taken for a law: it has a denoiser."""
    return callable(getattr(value, "denoise", None))


def _whole_law(law: Law, text: str) -> Law:
    """The law; refused where it lacks anything of `Law`, which some command would miss. Nothing of it is computed."""
    missing = object()
    needed = [name for name in vars(Law) if not name.startswith("_")]
    lacks = [name for name in needed if inspect.getattr_static(law, name, missing) is missing]
    if lacks:
        raise InputError(f"law {text!r} lacks {', '.join(lacks)}; a law has {', '.join(needed)}.")
    return law


def _number(name: str, value: float, low: float, high: float) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{name} = {value!r} is no number from {low:g} to {high:g}; give one.")


def _spec(name: str, **parameters: float | str) -> str:
    return f"{name}({', '.join(f'{key}={value}' for key, value in parameters.items())})"
