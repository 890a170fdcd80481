"""What a person's own Python holds under a name, WHERE:NAME or WHERE:NAME(values), taken where a name is.

    with allow_imports():
        scheme("mine.py:RES_2S(c2=1/3)")         # an object of a file
        scheme("mine.py:adams(3, variant=x)")    # a function of a file: a family
        process("package.module:MyProcess")      # a class of an installed module, or of one in the working folder

To take a name from a file runs the file, so nothing is taken before `allow_imports`, or --import of a command. A file
is run once a process for each content it has, and what it raises becomes one sentence. It may import what lies beside
it, and what it prints meanwhile goes to stderr. What was taken is remembered with the SHA-256 of the file that it was
taken from, which results say (`origin_of`, `origins`); it says nothing of what that file imports.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

from numtoolkit.errors import InputError, NumtoolkitError, brief, typed, unknown
from numtoolkit.spec_text import LONGEST, Spec, values_in

Maker = Callable[[Any, Spec], Any]

# A path may hold colons and parentheses: the last `.py:` before a name that nothing but values follows ends it.
_TEXT = re.compile(
    r"\s*(?P<where>.+\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)\s*(?:\((?P<values>.*)\))?\s*", re.DOTALL
)
_ONE = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY  # kinds of a parameter of one value
_SHOWN = 300  # characters of a reference, of a path and of what a foreign exception says


@dataclass(frozen=True)
class Reference:
    """A reference that was taken: its text, the file that was run, the SHA-256 of that, and the object."""

    text: str
    file: Path = field(repr=False)
    sha256: str
    made: Any = field(repr=False, compare=False)

    @property
    def record(self) -> dict[str, str]:
        """The origin for a result: what the object calls itself, the reference, the checksum of the file."""
        own = getattr(self.made, "spec", None) or getattr(self.made, "name", None)
        return {"name": str(own or type(self.made).__name__), "reference": self.text, "sha256": self.sha256}


_TAKEN: ContextVar[dict[tuple[str, str], Reference] | None] = ContextVar("what was taken by reference", default=None)
_FILES: dict[tuple[Path, str], ModuleType] = {}  # files that were run, by path and checksum
_MODULES: dict[str, str] = {}  # checksums that the files of modules had when they were first taken from


@contextmanager
def allow_imports() -> Iterator[None]:
    """A context in which references may be taken: the Python files and modules that they name are run.

    It does not hold in other threads and processes, started in it or not.
    """
    outer, own = _TAKEN.get(), dict[tuple[str, str], Reference]()
    token = _TAKEN.set(own)
    try:
        yield
    finally:
        _TAKEN.reset(token)
        if outer is not None:
            outer |= own


def allowed() -> bool:
    """Whether references may be taken here, within `allow_imports`."""
    return _TAKEN.get() is not None


def is_reference(text: object) -> TypeGuard[str]:
    """Whether a text is FILE.py:NAME or MODULE:NAME, with or without values, or a FILE.py that lacks its NAME."""
    return isinstance(text, str) and (_TEXT.fullmatch(text) is not None or text.strip().endswith((".py", ".py:")))


def called(entry: Any, spec: Spec) -> Any:
    """What a function, or a class, makes of the values of a specification.

    raises   InputError for values that it does not take, and for those that it needs and is not given
    """
    signature = inspect.signature(entry)
    values = spec.arguments(signature, spec.name)
    needed = (p for p in signature.parameters.values() if p.default is p.empty and p.kind in _ONE)
    missing = " and ".join(p.name for p in needed if p.name not in values)
    if missing:
        raise InputError(f"{spec.name} is {typed(entry)} that needs {missing}; give values for it, or another name.")
    return entry(**values)


def resolve(
    text: str, kind: str, wanted: Callable[[Any], bool], make: Maker = called, bind: Maker | None = None
) -> Any:
    """The object that a reference names, or that what it names makes of its values.

    text     FILE.py:NAME, the path relative to the working folder or with ~, or MODULE:NAME; NAME is an object, or a
             function or class that makes one, of values or of none: NAME(3, variant=x)
    kind     of object, in a word for refusals: "scheme"
    wanted   whether something is such an object
    make     what makes the object of a function or class and the specification of its values
    bind     what makes it of an object and values; without it an object takes none
    raises   InputError: before `allow_imports`, saying what would be run; for a file, module or name that is not there
             (nearest names given), for whatever the file raises, and for an object of another kind
    cost     the file is run, and the object made, once for each content the file has
    """
    place = _Place.of(text)
    file, taken = place.file(), _TAKEN.get()
    if taken is None:
        raise InputError(
            f"{place} would run {_short(file)} to take {place.spec.name} from it; allow that by --import, or in Python "
            "within numtoolkit.allow_imports()."
        )
    kept = taken.get((kind, text))
    if kept is not None and kept.file == file and kept.sha256 == _checksum(file):
        return kept.made
    with (
        _in_a_sentence(place, file),
        _beside(file.parent if place.is_file else Path.cwd()),
        redirect_stdout(sys.stderr),
    ):
        module, sha256 = _run(file) if place.is_file else _imported(place.where, file)
        made = _made(place, _named(place, module, wanted), kind, wanted, make, bind)
    taken[(kind, text)] = Reference(text.strip(), file, sha256, made)
    return made


def origins() -> list[Reference]:
    """What was taken by reference since `allow_imports`, in order; nothing before it."""
    return list((_TAKEN.get() or {}).values())


def origin_of(made: object) -> Reference | None:
    """Where an object was taken from by reference since `allow_imports`; None for any other."""
    return next((origin for origin in origins() if origin.made is made), None)


def digest_of(text: str | None) -> str | None:
    """The SHA-256 of the file that a reference was taken from since `allow_imports`; None for any other text."""
    return next((origin.sha256 for origin in origins_in(text)), None)


def origins_in(value: Any) -> list[Reference]:
    """What was taken since `allow_imports` by references that stand somewhere in plain data, such as a read file."""
    texts = set(_texts(value))
    return [origin for origin in origins() if origin.text in texts]


def records(origins: list[Reference]) -> dict[str, Any]:
    """The key "references" of a result, with a record of each origin; empty where nothing was taken by reference."""
    return {"references": [origin.record for origin in origins]} if origins else {}


def blamed(error: BaseException) -> InputError | None:
    """The sentence for an exception that came out of a file taken from since `allow_imports`; None for any other."""
    for origin in origins():
        line = _line(error, origin.file)
        if line is not None:
            return _refusal(repr(brief(origin.text, _SHOWN)), origin.file, line, error)
    return None


def _short(path: object) -> str:
    """A path in quotes; of a long one its end."""
    text = str(path)
    return repr(text if len(text) <= _SHOWN else "..." + text[3 - _SHOWN :])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


# --- where a name is


@dataclass(frozen=True)
class _Place:
    """A reference, read: the file or module, the name in it, and the values given to that."""

    text: str
    where: str
    spec: Spec
    is_file: bool

    @classmethod
    def of(cls, text: str) -> _Place:
        match = _TEXT.fullmatch(text) if len(text) <= LONGEST else None
        if match is None:
            raise InputError(
                f"cannot read {brief(text.strip())!r}; write FILE.py:NAME or MODULE:NAME, with values or not."
            )
        values = values_in(match["values"] or "", text)
        return cls(text.strip(), match["where"], Spec(match["name"], *values), match["where"].endswith(".py"))

    def __str__(self) -> str:
        return repr(brief(self.text, _SHOWN))

    def file(self) -> Path:
        """The file that is to be run, found without running anything."""
        found = self._found()
        if found is None or not os.path.isfile(found):  # which is False for what can be no path
            what = f"file {_short(found)}" if self.is_file else f"module {self.where} with a file"
            raise InputError(f"{self}: there is no {what}; name one that there is.")
        return found

    def _found(self) -> Path | None:
        if self.is_file:
            try:
                path = Path(self.where).expanduser()
            except RuntimeError:  # there is no home
                path = Path(self.where)
            return Path(os.path.abspath(path))
        with _beside(Path.cwd()):
            return _file_of(self.where)


def _file_of(module: str) -> Path | None:
    """The file of a module, found without importing anything, its packages included."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return Path(loaded)
    parts = module.split(".")
    try:
        spec = importlib.util.find_spec(parts[0])
        for i in range(2, len(parts) + 1):
            within = None if spec is None else spec.submodule_search_locations
            spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:i]), within) if within else None
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Modules of a folder can be imported, after all that is installed."""
    own = str(folder)
    if own in sys.path:
        yield
        return
    sys.path.append(own)
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have changed the path itself
            sys.path.remove(own)


# --- running it


def _checksum(file: Path) -> str:
    return hashlib.sha256(_content(file)).hexdigest()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {_short(file)}: {error.strerror}; give another file.") from error


def _run(file: Path) -> tuple[ModuleType, str]:
    """The module that a file makes, and the checksum of the bytes that were run."""
    content = _content(file)
    sha256 = hashlib.sha256(content).hexdigest()
    if (file, sha256) not in _FILES:
        module = ModuleType(f"_reference_{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}_{sha256[:8]}")
        module.__file__ = str(file)
        sys.modules[module.__name__] = module  # where dataclasses and pickle look it up
        try:
            exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
        except BaseException:
            del sys.modules[module.__name__]
            raise
        _FILES[file, sha256] = module
    return _FILES[file, sha256], sha256


def _imported(name: str, file: Path) -> tuple[ModuleType, str]:
    """The module of a name, and the checksum of its file, which may not have changed since it was first asked for."""
    sha256 = _checksum(file)
    module = import_module(name)
    if _MODULES.setdefault(name, sha256) != sha256:
        raise InputError(f"{_short(file)} has changed since it was imported; start Python anew.")
    return module, sha256


def _named(place: _Place, module: ModuleType, wanted: Callable[[Any], bool]) -> Any:
    missing = object()
    found = getattr(module, place.spec.name, missing)
    if found is not missing:
        return found
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and (_is(wanted, value) or getattr(value, "__module__", None) == module.__name__)
    }
    if not own:
        raise InputError(
            f"{place}: {_short(place.where)} holds nothing that could be meant; define {place.spec.name} in it."
        )
    raise unknown(f"name in {_short(place.where)}", place.spec.name, own)


def _is(wanted: Callable[[Any], bool], value: Any) -> bool:
    return not isinstance(value, type) and wanted(value)


def _made(place: _Place, found: Any, kind: str, wanted: Callable[[Any], bool], make: Maker, bind: Maker | None) -> Any:
    """The object of what was found under the name, and the values."""
    bare = not (place.spec.positional or place.spec.named)
    if _is(wanted, found):
        if not bare and bind is None:
            raise InputError(f"{place}: {place.spec.name} is a {kind}, which takes no values; drop them.")
        return found if bare or bind is None else bind(found, place.spec)
    made = make(found, place.spec) if callable(found) else found
    if not _is(wanted, made):
        source = f"{place.spec.name} made" if callable(found) else f"{place.spec.name} is"
        raise InputError(f"{place}: {source} {typed(made)}, which is no {kind}; name a {kind}.")
    return made


@contextmanager
def _in_a_sentence(place: _Place, file: Path) -> Iterator[None]:
    """Whatever comes out of a file is told in a sentence; what is said of the values given to it stays as it is."""
    try:
        yield
    except (Exception, SystemExit) as error:
        line = _line(error, file)
        if line is None and isinstance(error, NumtoolkitError):
            raise
        raise _refusal(str(place), file, line, error) from error


def _line(error: BaseException, file: Path) -> int | None:
    """The last line of a file that an exception passed through."""
    lines = [
        lineno for frame, lineno in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(file)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(file):
        lines.append(error.lineno or 1)
    return lines[-1] if lines else None


def _refusal(text: str, file: Path, line: int | None, error: BaseException) -> InputError:
    try:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        said = ""
    said = brief(" ".join(said.split()).rstrip("."), _SHOWN)
    name = type(error).__name__
    where = f" at line {line} of {_short(file)}" if line is not None else ""
    return InputError(f"{text} fails{where} with {name}{f': {said}' if said else ''}; mend it there.")
