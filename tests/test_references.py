"""Own Python by reference: run where that is allowed, once for each content; where it fails, one sentence says so."""

from __future__ import annotations

import hashlib
import inspect
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import numtoolkit as nt
from numtoolkit import references
from numtoolkit.spec_text import Spec
from tests.support.own_files import MINE, mine


def taken(text):
    """A reference taken as a scheme where that is allowed."""
    with nt.allow_imports():
        return nt.scheme(text)


def test_nothing_is_run_before_it_is_allowed(tmp_path):
    """One sentence says which file would be run for which name and how to allow it; the file leaves no trace."""
    trace = tmp_path / "trace"
    own = mine(tmp_path, text=f"open({str(trace)!r}, 'w')\nNAME = 3\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(f"open({str(trace)!r}, 'w')\n")
    mine(tmp_path / "package", "inner.py")
    readers = (nt.scheme, nt.process, nt.law_of, nt.network_of)
    for read in readers:
        with pytest.raises(nt.InputError) as refused:
            read(f"{own}:NAME(3, x=y)")
        assert str(refused.value) == (
            f"'{own}:NAME(3, x=y)' would run '{own}' to take NAME from it; allow that by --import, or in Python within "
            "numtoolkit.allow_imports()."
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for read in readers:
            with pytest.raises(nt.InputError, match=r"would run '.*inner\.py' to take NAME from it"):
                read("package.inner:NAME")
    assert not trace.exists()
    assert "package" not in sys.modules


def test_permission_ends_with_its_context(tmp_path):
    """After the context, and after an exception in it, nothing may be taken any more."""
    own = mine(tmp_path)
    assert taken(f"{own}:RES").name == "my-res"
    with pytest.raises(nt.InputError, match="would run"):
        nt.scheme(f"{own}:RES")
    with pytest.raises(ZeroDivisionError), nt.allow_imports():
        raise ZeroDivisionError
    with pytest.raises(nt.InputError, match="would run"):
        nt.scheme(f"{own}:RES")


def test_an_object_and_a_family_are_taken_with_their_values(tmp_path):
    """A scheme takes its parameters, a function its arguments and then the parameters of what it makes."""
    own = mine(tmp_path)
    plain = taken(f"{own}:RES")
    assert (plain.spec, plain.nfe_per_step) == ("my-res", 2)
    for text in ("RES(c2=1/3)", "RES(1/3)", "family(3)", "family(n=3, variant=plain)", "family(4, c2=1/3)"):
        assert taken(f"{own}:{text}") == plain.bind(c2=Fraction(1, 3)), text
    with nt.allow_imports():
        assert nt.law_of(f"{own}:law(3, std=2)").shape == (3,)
        assert nt.law_of(f"{own}:law").shape == nt.law_of(f"{own}:MyLaw").shape == (2,)
        assert nt.process(f"{own}:MyVP(beta_max=12)") == nt.process(f"{own}:SHIFTED") != nt.process(f"{own}:MyVP")
        assert nt.network_of(f"{own}:scaled(3)").name == "scaled by 3.0"
        network = nt.network_of(f"{own}:NET")
    assert nt.network_of(network) is network


def test_names_are_taken_where_python_takes_objects(tmp_path):
    """An error curve takes references as it takes names, and gives what the same objects of the catalogue give."""
    own = mine(tmp_path)
    with nt.allow_imports():
        records = nt.error_curve(f"{own}:RES", f"{own}:SHIFTED", f"{own}:law", "log-snr", [6], range(4))
    expected = nt.error_curve("res-2s", "vp(beta_max=12)", "gaussian(dim=2, std=0.5)", "log-snr", [6], range(4))
    assert records[0]["error"] == expected[0]["error"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{own}:RSE", "unknown name in '{own}' 'RSE'; did you mean RES?"),
        ("{own}:NUMBER", "'{own}:NUMBER': NUMBER is an int, which is no scheme; name a scheme."),
        ("{own}:law", "'{own}:law': law made a Gaussian, which is no scheme; name a scheme."),
        ("{own}:NUMBER(3)", "'{own}:NUMBER(3)': NUMBER is an int, which is no scheme; name a scheme."),
        (
            "{own}:family(3, broken)",
            "'{own}:family(3, broken)' fails at line 29 of '{own}' with ValueError: no member 3 of it; mend it there.",
        ),
        (
            "{own}:family",
            "family is a function that needs n; give values for it, or another name.",
        ),
        ("{own}:NET", "NET is a Network that needs z and t; give values for it, or another name."),
        ("{own}:family(3, kind=2)", "my-res has no parameter 'kind'; it has n, variant, c2."),
        ("{own}:family(3, variant=2)", "family: variant = 2 is not a word; give one."),
        ("{own}:RES(c2=2)", "my-res: c2 = 2 is out of range; it must satisfy 0 < c2 <= 1."),
        ("{own}:RES(d=2)", "my-res has no parameter 'd'; it has c2."),
        ("{own}:RES(3, 4)", "my-res takes 1 parameter, got 2; it has c2."),
        ("{folder}/no.py:X", "'{folder}/no.py:X': there is no file '{folder}/no.py'; name one that there is."),
        ("{folder}/f.py:X", "'{folder}/f.py:X': there is no file '{folder}/f.py'; name one that there is."),
        ("no.such:X", "'no.such:X': there is no module no.such with a file; name one that there is."),
        ("mine.py", "cannot read 'mine.py'; write FILE.py:NAME or MODULE:NAME, with values or not."),
        ("mine.py:", "cannot read 'mine.py:'; write FILE.py:NAME or MODULE:NAME, with values or not."),
        ("sys:argv", "'sys:argv': there is no module sys with a file; name one that there is."),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told_in_one_sentence(tmp_path, line, sentence):
    """Names, kinds, values, what the file raises and at which line, and places where there is nothing."""
    places = {"own": mine(tmp_path), "folder": tmp_path}
    (tmp_path / "f.py").mkdir()
    with pytest.raises(nt.InputError) as refused:
        taken(line.format(**places))
    assert str(refused.value) == sentence.format(**places)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = (", "fails at line 1 of '{own}' with SyntaxError: '(' was never closed"),
        ("\n\n1 / 0", "fails at line 3 of '{own}' with ZeroDivisionError: division by zero"),
        (
            "import absent_module",
            "fails at line 1 of '{own}' with ModuleNotFoundError: No module named 'absent_module'",
        ),
        ("\nraise SystemExit(3)", "fails at line 2 of '{own}' with SystemExit: 3"),
        ("def f(): f()\nf()", "fails at line 1 of '{own}' with RecursionError: maximum recursion depth exceeded"),
        ("class E(Exception):\n  def __str__(self): raise self\nraise E", "fails at line 3 of '{own}' with E"),
        ("from numtoolkit import scheme\nscheme('ddmi')", "fails at line 2 of '{own}' with InputError: unknown scheme"),
        ("x = 'é'".encode("latin-1"), "with SyntaxError: "),
        ("", "'{own}' holds nothing that could be meant; define X in it."),
    ],
)
def test_what_a_file_raises_is_told_with_its_line(tmp_path, text, sentence):
    """Whatever is in the file, InputErrors of its own too: one sentence, and no trace of a module that was not made."""
    own = tmp_path / "mine.py"
    own.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = set(sys.modules)
    with pytest.raises(nt.InputError) as refused:
        taken(f"{own}:X")
    said = str(refused.value)
    assert sentence.format(own=own) in said
    assert said.count("\n") == 0
    assert said.endswith(".")
    assert not {name for name in set(sys.modules) - before if name.startswith("_reference")} or text == ""


def test_a_file_is_run_once_for_each_content(tmp_path, capsys):
    """Several names of one file, and several contexts, run it once; another content is run anew, and taken."""
    own = mine(tmp_path)
    for text in ("RES", "RES(c2=1/3)", "family(2)"):
        taken(f"{own}:{text}")
    out, err = capsys.readouterr()
    assert (out, err.count("this file was run")) == ("", 1)
    with nt.allow_imports():
        first = nt.scheme(f"{own}:RES")
        assert nt.scheme(f"{own}:RES") is first
        own.write_text(MINE.replace("my-res", "my-other"), encoding="utf-8")
        assert nt.scheme(f"{own}:RES").name == "my-other"
    assert capsys.readouterr().err.count("this file was run") == 1


def test_an_imported_module_that_changes_is_refused(tmp_path, monkeypatch):
    """Python keeps a module as it was: its checksum would be that of another file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    own = mine(tmp_path, "a_module_of_mine.py")
    try:
        assert taken("a_module_of_mine:RES").name == "my-res"
        own.write_text(MINE + "\n", encoding="utf-8")
        with pytest.raises(nt.InputError, match=r"has changed since it was imported; start Python anew\.$"):
            taken("a_module_of_mine:RES")
    finally:
        sys.modules.pop("a_module_of_mine", None)


def test_a_file_imports_what_lies_beside_it_and_leaves_the_path_alone(tmp_path, monkeypatch):
    """Also in a function that is called later; what is installed is found first."""
    mine(tmp_path, "a_helper_of_mine.py")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('not the one that is meant')\n")
    text = (
        "import colorsys\nfrom a_helper_of_mine import RES\n\n\ndef f():\n    import a_helper_of_mine\n    return RES\n"
    )
    own, path = mine(tmp_path, "user.py", text), list(sys.path)
    try:
        assert taken(f"{own}:RES").name == taken(f"{own}:f").name == "my-res"
    finally:
        sys.modules.pop("a_helper_of_mine", None)
    assert sys.path == path


@pytest.mark.parametrize("folder", [".", "a b", "a:b", "a.py:c", "a(1)", "é"])
def test_paths_hold_colons_spaces_parentheses_and_other_letters(tmp_path, monkeypatch, folder):
    """Absolute, relative to the working folder, and below the home of ~."""
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    mine(place)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (place / "mine.py", Path(folder) / "mine.py", f"~/{folder}/mine.py"):
        assert taken(f"{path}:RES(c2=1/3)").spec == "my-res(c2=1/3)"
    (place / "other.PY").write_text("")
    assert not references.is_reference(f"{place}/other.PY:RES")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mine.py:X", True),
        (" a/b c/mine.py:X ( 3 , y = 1/2 ) ", True),
        ("package.module:X", True),
        ("module:X", True),
        ("mine.py", True),
        ("mine.py:", True),
        ("mine.py:X.y", False),
        ("mine.py:3", False),
        ("mine.py:X(3", False),
        ("a-b:X", False),
        ("a..b:X", False),
        ("C:scheme.json", False),
        ("runs/a:b.npz", False),
        ("res-2s(c2=1/3)", False),
        ("table(a:b.npz)", False),
        (3, False),
        (None, False),
    ],
)
def test_a_reference_is_told_from_names_and_files(text, expected):
    """FILE.py:NAME and MODULE:NAME with values or without, FILE.py alone too; paths of data and names are none."""
    assert references.is_reference(text) is expected


def test_origins_say_reference_and_checksum_of_what_was_taken(tmp_path):
    """By the object, by texts in plain data, and for a result; the names of the catalogue have none."""
    own = mine(tmp_path)
    sha256 = hashlib.sha256(own.read_bytes()).hexdigest()
    assert references.origins() == []
    with nt.allow_imports():
        first, ddim = nt.scheme(f"{own}:family(3)"), nt.scheme("ddim")
        second = nt.process(f"{own}:SHIFTED")
        record = {"name": "my-res(c2=1/3)", "reference": f"{own}:family(3)", "sha256": sha256}
        assert references.origin_of(first).record == record
        assert references.origin_of(second).record["name"] == "my-vp(beta_max=12.0)"
        assert references.origin_of(ddim) is None
        assert references.digest_of(f"{own}:family(3)") == sha256
        assert references.digest_of("ddim") is references.digest_of(None) is None
        table = {"schemes": ["ddim", f"{own}:family(3)"], "nfe": [3], "panels": [{"scheme": "em"}]}
        assert references.records(references.origins_in(table)) == {"references": [record]}
        assert references.records(references.origins_in({"schemes": ["ddim"]})) == {}
        with nt.allow_imports():
            nt.law_of(f"{own}:law")
        assert [own.made for own in references.origins()][:2] == [first, second]
        assert len(references.origins()) == 3


def test_samples_say_what_their_parts_were_taken_from(tmp_path):
    """Scheme, process and network by reference stand in the provenance with the checksum; names leave it as it was."""
    import numpy as np

    own = mine(tmp_path)
    arguments = {"process": "vp", "grid": "log-snr", "nfe": 4, "seeds": range(2), "dtype": np.float64}
    with nt.allow_imports():
        network = nt.network_of(f"{own}:NET")
        found = nt.sample(f"{own}:RES", network=network, **arguments).provenance["references"]
    assert [record["reference"] for record in found] == [f"{own}:RES", f"{own}:NET"]
    assert {record["sha256"] for record in found} == {hashlib.sha256(own.read_bytes()).hexdigest()}
    assert "references" not in nt.sample("ddim", network=network, **arguments).provenance


def test_laws_processes_and_networks_that_lack_something_are_told_what(tmp_path):
    """A law without moments, a process without fields, and a function that does not say what it predicts."""
    own = mine(tmp_path)
    with nt.allow_imports():
        with pytest.raises(nt.InputError) as refused:
            nt.law_of(f"{own}:HALF")
        assert str(refused.value) == (
            f"law '{own}:HALF' lacks shape, name, mean, variance, covariance, sample; a law has shape, name, mean, "
            "variance, covariance, denoise, sample."
        )
        with pytest.raises(nt.InputError, match=r"PLAIN' is no dataclass; write @dataclass\(frozen=True\) above its"):
            nt.process(f"{own}:PLAIN")
        with pytest.raises(nt.InputError, match=r"does not say what it predicts; wrap it as numtoolkit\.Network\(netw"):
            nt.network_of(f"{own}:network")
        with pytest.raises(nt.InputError, match="NET is a network, which takes no values; drop them"):
            nt.network_of(f"{own}:NET(3)")
    with pytest.raises(nt.InputError, match=r"'unet' is no network; give a numtoolkit\.Network, network:NAME"):
        nt.network_of("unet")


def test_values_of_functions_without_annotations_are_as_they_are_written():
    """By the type of the default where there is one; whole numbers are int and others exact where there is none."""

    def f(a, b=0.5, c=Fraction(1), d="x", e=True, g=(1.0,), h=None): ...

    def annotated(a: bool, b: tuple[int, ...], c: Fraction): ...

    spec = Spec("f", (Fraction(3), Fraction(2), Fraction(2), "w", "false", Fraction(2), (Fraction(1, 3), "u")))
    found = spec.arguments(inspect.signature(f), "f")
    assert found == {"a": 3, "b": 2.0, "c": 2, "d": "w", "e": False, "g": (2.0,), "h": (Fraction(1, 3), "u")}
    assert [type(value) for value in found.values()] == [int, float, Fraction, str, bool, tuple, tuple]
    found = Spec("f", (Fraction(1), (Fraction(2), Fraction(3)), Fraction(1))).arguments(
        inspect.signature(annotated), "f"
    )
    assert found == {"a": True, "b": (2, 3), "c": 1}
    assert [*map(type, found["b"])] == [int, int]
