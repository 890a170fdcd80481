"""The catalogue: every declared scheme, by family, and the reader of scheme specifications.

A new scheme is one declaration in its family's file and its name in that family's tuple.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

from numtoolkit import references
from numtoolkit.declare import scheme_file
from numtoolkit.declare.forms import check_declared
from numtoolkit.declare.scheme import MATCHED, Scheme
from numtoolkit.errors import InputError, StorageError, unknown
from numtoolkit.files import fitted_coefficients
from numtoolkit.files.storage import read_json
from numtoolkit.problem.grid_rules import spectrum_at
from numtoolkit.problem.spectrum import PILOT, Spectrum
from numtoolkit.schemes.cfg_plus_plus import CFG_PLUS_PLUS
from numtoolkit.schemes.conjugate import CONJUGATE
from numtoolkit.schemes.embedded_pairs import EMBEDDED_PAIRS
from numtoolkit.schemes.exponential import EXPONENTIAL
from numtoolkit.schemes.fitted import FITTED
from numtoolkit.schemes.gaussian_frame import GAUSSIAN_FRAME
from numtoolkit.schemes.gddim import GDDIM
from numtoolkit.schemes.multistep import MULTISTEP
from numtoolkit.schemes.noise_polynomials import HIGHEST_DEGREE, NOISE_POLYNOMIALS
from numtoolkit.schemes.of_numbers import EXAMPLES, TABLEAU, of_tableau
from numtoolkit.schemes.one_step import ONE_STEP
from numtoolkit.schemes.phase_space import PHASE_SPACE
from numtoolkit.schemes.stabilised import STABILISED
from numtoolkit.schemes.stochastic import STOCHASTIC
from numtoolkit.spec_text import Spec, Value, hyphened, parse

# A scheme, or a family whose structure depends on arguments (its defaults make the catalogue's member).
CATALOGUE: tuple[Scheme | Callable[..., Scheme], ...] = (
    *ONE_STEP,
    *EMBEDDED_PAIRS,
    *EXPONENTIAL,
    *MULTISTEP,
    *NOISE_POLYNOMIALS,
    *STABILISED,
    *STOCHASTIC,
    *CFG_PLUS_PLUS,
    *PHASE_SPACE,
    *CONJUGATE,
    *GDDIM,
    *GAUSSIAN_FRAME,
    *FITTED,
)

# Names in use for a scheme with its parameters fixed.
SPECIAL = {
    "etd2rk": "res-2s(c2=1)",
    "dpm2-karras": "dpm-solver-2(c2=1/2)",
    "exp-adams-2": "exp-adams(2)",
    "dpm-solver-2m": "dpmpp-2m(frozen=noise)",
    "dpm-solver-3m": "dpmpp-3m(frozen=noise)",
    # of k-diffusion and ComfyUI, where they are not those of schemes here but for _ and `SAMPLER`
    "sample-euler": "ddim",
    "sample-heun": "heun-edm",
    "dpm-2": "dpm-solver-2(c2=1/2)",
    "dpm-2-ancestral": "dpm2-ancestral",
    "dpmpp-2m-sde-heun": "sde-dpmpp-2m(solver=heun)",
    "dpmpp-sde-gpu": "dpmpp-sde",
    "dpmpp-2m-sde-gpu": "sde-dpmpp-2m",
    "dpmpp-2m-sde-heun-gpu": "sde-dpmpp-2m(solver=heun)",
    "dpmpp-3m-sde-gpu": "sde-dpmpp-3m",
    "exp-heun-2-x0": "res-2s(c2=1)",
    "res-multistep": "res-2m",
    "res-multistep-ancestral": "res-2m-ancestral",
    "sample-seeds-2": "seeds-2(frozen=data)",
    "sample-seeds-3": "seeds-3(frozen=data)",
    "uni-pc": "unipc(3, variant=bh1)",
    "uni-pc-bh2": "unipc(3)",
    # classes of diffusers, at their defaults
    "ddimscheduler": "ddim",
    "ddiminversescheduler": "ddim",
    "ddimparallelscheduler": "ddim",
    "ddpmscheduler": "euler-ancestral",
    "ddpmparallelscheduler": "euler-ancestral",
    "eulerdiscretescheduler": "ddim",
    "eulerancestraldiscretescheduler": "euler-ancestral",
    "heundiscretescheduler": "heun-edm",
    "kdpm2discretescheduler": "dpm-solver-2(c2=1/2)",
    "kdpm2ancestraldiscretescheduler": "dpm2-ancestral",
    "lmsdiscretescheduler": "deis-rhoab(3, ending=zero)",
    "dpmsolvermultistepscheduler": "dpmpp-2m",
    "edmdpmsolvermultistepscheduler": "dpmpp-2m",
    "edmeulerscheduler": "ddim",
    "dpmsolversdescheduler": "dpmpp-sde",
    "deismultistepscheduler": "exp-adams(2, frozen=noise)",
    "unipcmultistepscheduler": "unipc(2)",
    "flowmatcheulerdiscretescheduler": "ddim",
    "flowmatchheundiscretescheduler": "heun",
    "storkscheduler": "stork-2",  # as proposed for diffusers
}
SAMPLER = "sample-"  # begins the names of k-diffusion's functions
# Names in use for a family, with its order k (4 unless given) where the family has the degree k - 1, and what they fix:
# k-diffusion's LMS goes to noise level 0 at full order.
BY_ORDER = {"lms": ("deis-rhoab", {"ending": "zero"}), "ipndm-v": ("deis-rhoab", {})}

# Names for a family with one argument fixed, which take all its others: conjugate-sde(3, sigma_data=1/4)
ONE_FIXED = {"conjugate-sde": ("gframe-ab", "tau", Fraction(1))}


@cache
def catalogue() -> tuple[Scheme, ...]:
    """One scheme for each name, families at their defaults."""
    return tuple(entry if isinstance(entry, Scheme) else entry() for entry in CATALOGUE)


@cache
def _by_name() -> dict[str, int]:
    names: dict[str, int] = {}
    for i, member in enumerate(catalogue()):
        for name in (member.name, *member.aliases):
            if name in names:
                raise InputError(f"scheme name {name!r} is declared twice; rename one of the declarations.")
            names[name] = i
    return names


def names_in_use() -> dict[str, str]:
    """What other names stand for, as `scheme` reads both: {"etd2rk": "res-2s(c2=1)", "lms(k)": "deis-rhoab(k-1)"}."""
    fixed = {name: f"{family}({key}={value})" for name, (family, key, value) in ONE_FIXED.items()}
    return SPECIAL | fixed | {f"{name}(k)": _in_family(name, "k-1", {}) for name in BY_ORDER}


def scheme(text: str | Spec | Scheme) -> Scheme:
    """A scheme from its name with optional parameters: "res-2s(c2=1/3)", "unipc(2, variant=bh1)", "roba(lambda_s=2)".

    Names, and those of `names_in_use` too, are read in either case and with _ for -; sample_ of k-diffusion may come
    first.
    "runge-kutta(A=((), (1/2)), b=(0, 1))" is that tableau, of the drift in process time.
    "gframe-abm(2, spectrum=FILE.npz)": a scheme with sigma_data may be told the spectrum of the data in its place, by
    the file that `numtoolkit spectrum` wrote, with digest= of the one it has to be still, or by variances; with
    spectrum=pilot `numtoolkit.sample` finds it by a run of the network.
    "roba(amp, lambda_s=matched, sigma_data=1/4)": each run takes the lambda_s that makes the variance at its end exact
    for data of that deviation, 1/2 unless given.
    The path of a .json file is the scheme it holds, or, if `numtoolkit fit` wrote it, the scheme it was fitted for with
    its coefficients. "FILE.py:NAME" or "MODULE:NAME" is that scheme or family of one's own, where
    `numtoolkit.references.allow_imports` lets it be run; values in parentheses are read as those of the catalogue are.
    raises   InputError for unknown names (nearest matches named), unknown parameters and values out of range, and
             StorageError for a file that holds no scheme and no table of coefficients
    """
    if isinstance(text, Scheme):
        return text
    if references.is_reference(text):
        return references.resolve(text, "scheme", _is_scheme, _told, _told)
    if isinstance(text, str) and text.endswith(".json"):
        return _of_file(text)
    spec, names = parse(text), _by_name()
    spec = replace(spec, name=hyphened(spec.name))
    if spec.name.startswith(SAMPLER) and spec.name not in SPECIAL:
        spec = replace(spec, name=spec.name.removeprefix(SAMPLER))
    name = spec.name
    if name == TABLEAU:
        return of_tableau(spec)
    if name in SPECIAL:
        if spec.positional or spec.named:
            raise InputError(f"{name} is {SPECIAL[name]} and takes no parameters; write that with your own.")
        return scheme(SPECIAL[name])
    if name in BY_ORDER:
        return _of_order(spec)
    if name in ONE_FIXED:
        family, key, value = ONE_FIXED[name]
        return scheme(replace(spec, name=family, named=(*spec.named, (key, value))))
    if name in EXAMPLES:
        raise InputError(
            f"{name} of numbers is no scheme but what `numtoolkit stability` derives R of, without --out; give a "
            "scheme, such as exp-adams(2)."
        )
    if name not in names:
        raise unknown(
            "scheme", name, {member.name for member in catalogue()}, {**names, **SPECIAL, **BY_ORDER, **ONE_FIXED}
        )
    position = names[name]
    return _told(CATALOGUE[position], replace(spec, name=catalogue()[position].name))


def _told(entry: Scheme | Callable[..., Scheme], spec: Spec) -> Scheme:
    """A member, told the spectrum that its specification names by a file, or by variances, one a direction."""
    if MATCHED in spec.named:
        rest = tuple(pair for pair in spec.named if pair not in (MATCHED, *_scale(spec)))
        scale = Spec(spec.name, (), _scale(spec)).exact((), spec.name)
        return _told(entry, replace(spec, named=rest)).with_matched(**scale)
    told = tuple(pair for pair in spec.named if pair[0] in SPECTRUM.parameters)
    member = _member(entry, replace(spec, named=tuple(pair for pair in spec.named if pair not in told)))
    if not told:
        return member
    given: dict[str, Any] = Spec(spec.name, (), told).arguments(SPECTRUM, spec.name)
    if "spectrum" not in given:
        raise InputError(f"{spec.name}: digest is that of a spectrum; give spectrum=FILE.npz, or drop it.")
    return member.with_spectrum(_spectrum(**given))


def _scale(spec: Spec) -> tuple[tuple[str, Value], ...]:
    return tuple(pair for pair in spec.named if pair[0] == "sigma_data")


def _spectrum(*, spectrum: str | tuple[float, ...], digest: str = "") -> Spectrum | str:
    return PILOT if spectrum == PILOT else spectrum_at(spectrum, digest)


SPECTRUM = inspect.signature(_spectrum)  # of the data: what any scheme with sigma_data may be told in place of it


def _is_scheme(value: object) -> bool:
    return isinstance(value, Scheme)


def _member(entry: Scheme | Callable[..., Scheme], spec: Spec) -> Scheme:
    """A scheme with its parameters bound, or the member of a family, that the values of a specification ask for."""
    if isinstance(entry, Scheme):
        free = [p.name for p in entry.params if p.name not in dict(entry.values)]
        return entry.bind(**spec.exact(free, entry.name))
    signature = inspect.signature(entry)
    if spec.positional and all(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()):
        return _bound_in_order(entry, signature, spec)
    shaping = tuple((key, value) for key, value in spec.named if key in signature.parameters)
    member: Scheme = references.called(entry, Spec(spec.name, spec.positional, shaping))
    others = tuple(v for v in spec.named if v not in shaping)
    if not others:
        return member
    known = dict.fromkeys([*signature.parameters, *(p.name for p in member.params)])
    for key, _ in others:
        if key not in known:
            raise InputError(f"{member.name} has no parameter {key!r}; it has {', '.join(known)}.")
    return member.bind(**Spec(spec.name, (), others).exact((), member.name))


def _bound_in_order(entry: Callable[..., Scheme], signature: inspect.Signature, spec: Spec) -> Scheme:
    """A member of a family without unnamed arguments of its own: unnamed values are those of its parameters."""
    shaping = tuple((key, value) for key, value in spec.named if key in signature.parameters)
    member = entry(**Spec(spec.name, (), shaping).arguments(signature, spec.name))
    others = tuple(value for value in spec.named if value not in shaping)
    return member.bind(**Spec(spec.name, spec.positional, others).exact([p.name for p in member.params], member.name))


def _of_file(path: str) -> Scheme:
    """The scheme in a file, or the one that a file of fitted coefficients is for."""
    record, what = read_json(path), repr(path)
    said = str(record.get("format")) if isinstance(record, dict) else ""
    if said.startswith(scheme_file.KIND):
        return scheme_file.scheme_of(record, what)
    if said != fitted_coefficients.FORMAT:
        raise StorageError(
            f"{what} is no scheme and no table of fitted coefficients: it does not say {scheme_file.FORMAT!r} or "
            f"{fitted_coefficients.FORMAT!r}; give a file that show or fit wrote."
        )
    table = fitted_coefficients.table_of(record, what)
    return scheme(parse(table.scheme)).with_table(table)


def is_declared_here(own: Scheme) -> bool:
    """Whether the catalogue has the scheme, so that its specification says all but a table or a spectrum of it."""
    bare = replace(own, table=None, spectrum=None)
    try:
        return scheme(bare.spec) == bare
    except InputError:
        return False


def _of_order(spec: Spec) -> Scheme:
    """The member of a family that a name of `BY_ORDER` asks for."""

    def order(k: int = 4, *, opening: str = "", ending: str = "") -> int:
        check_declared(spec.name, k, HIGHEST_DEGREE + 1)
        return k

    given: dict[str, Any] = spec.arguments(inspect.signature(order), spec.name)
    chosen: dict[str, str] = {name: given[name] for name in ("opening", "ending") if name in given}
    return scheme(_in_family(spec.name, str(order(**given) - 1), chosen))


def _in_family(name: str, degree: str, chosen: Mapping[str, str]) -> str:
    """What a name of `BY_ORDER` stands for, as a specification."""
    family, fixed = BY_ORDER[name]
    return f"{family}({', '.join([degree, *(f'{key}={value}' for key, value in (fixed | dict(chosen)).items())])})"
