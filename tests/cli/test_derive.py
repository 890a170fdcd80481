"""`derive` prints the schemes of a family that have an order, and writes one that every command reads."""

from __future__ import annotations

import pytest

from numtoolkit.measure.curves import error_curve
from numtoolkit.schemes import scheme


def curve(own):
    """The error of a scheme with nine evaluations."""
    return error_curve(own, "edm", "mixture(dim=2)", "rho(7)", [9], range(4))


def test_derive_prints_the_tableau_and_writes_the_scheme(run, tmp_path):
    """What it writes is proved and runs as the scheme of the catalogue does."""
    path = tmp_path / "mine.json"
    code, out, err = run("derive", "exponential-rk(stages=2)", "--order", 2, "--kind", "stiff_strong", "--out", path)
    assert (code, err) == (0, f"wrote {path}\n")
    assert out.startswith("exponential-rk(stages=2), stiff strong order 2: 0 free parameters; not 0: c2\n")
    assert "| phi1(z) - phi2(z)/c2  phi2(z)/c2" in out
    assert "filling step" not in out
    ours, its = (curve(own)[0] for own in (str(path), "res-2s"))
    assert ours["error"] == pytest.approx(its["error"], rel=1e-12)
    code, out, _ = run("verify", path)
    assert code == 0
    assert "2, stiff 2 2 2" in out


def test_derive_sets_parameters_and_takes_one_branch(run, tmp_path):
    """Numbers for some of the parameters, the number of a branch."""
    path = tmp_path / "mine.json"
    words = ["derive", "exponential-rk(2)", "--order", 2, "--kind", "stiff_weak", "--branch", 1, "--out", path]
    code, out, _ = run(*words, "--set", "c2=1/2, b2_2=0")
    assert (code, out.partition(";")[0]) == (0, "exponential-rk(stages=2), stiff weak order 2: 1 free parameter b2_3")
    assert [param.name for param in scheme(str(path)).params] == ["b2_3"]


def test_derive_names_the_condition_in_the_way(run, tmp_path):
    """Without an answer it is no failure to say so, and one to be asked for a file."""
    words = ["derive", "exponential-rk(2)", "--order", 3]
    code, out, _ = run(*words)
    assert code == 0
    assert " ".join(out.split()) == (
        "no scheme of exponential-rk(stages=2) has classical order 3: where its other conditions hold, "
        "N e'[N e'[N e]] is -1/6 and not 0."
    )
    path = tmp_path / "mine.json"
    code, out, err = run(*words, "--out", path)
    assert (code, out) == (2, "")
    assert err.startswith("numtoolkit: there is no scheme to write: no scheme of exponential-rk(stages=2) has")
    assert not path.exists()


def test_derive_gives_its_answer_as_data_and_as_latex(run, result):
    """Values, free parameters and what is excluded, as text."""
    words = ["derive", "explicit-runge-kutta(stages=2)", "--order", 2]
    assert result(*words) == {
        "family": "explicit-runge-kutta(stages=2)",
        "order": 2,
        "kind": "classical",
        "branches": [{"values": {"b1": "(2*c2 - 1)/(2*c2)", "b2": "1/(2*c2)"}, "free": [], "nonzero": ["c2"]}],
        "witness": None,
    }
    assert r"b_{2} &= \frac{1}{2 c_{2}} \\" in run(*words, "--latex")[1]


def test_derive_refuses_what_it_cannot_read(run):
    """A family, an order, a branch, values."""
    words = ["derive", "exponential-rk(2)", "--kind", "stiff_weak"]
    for more, sentence in (
        (["--order", "two"], "--order 'two' is not one whole number; give one from 1 to 7."),
        (["--order", 2, "--branch", 2], "--branch 2 is out of range; give whole numbers from 1 to 1."),
        (["--order", 2, "--set", "c2"], "cannot read 'c2' of --set; write c2=1/3,b3_2=0."),
        (["--order", 2, "--set", "c2=0"], "c2 = 0 of exponential-rk(stages=2) makes c2 = 0, which is excluded; give"),
    ):
        code, out, err = run(*words, *more)
        assert (code, out) == (2, "")
        assert err.startswith(f"numtoolkit: {sentence}")


def test_derive_takes_a_palindrome_by_its_word_and_by_its_name(run, tmp_path):
    """As a word of flows, or in the form that answers print; without a word, or with a file to write, one sentence."""
    code, out, _ = run("derive", "A B A B A B A", "--order", 4)
    assert code == 0
    assert "0 = 6*b1**3 - 12*b1**2 + 6*b1 - 1" in out
    for text in ("palindrome(A B A B A B A)", 'palindrome("A B A B A B A")'):
        assert run("derive", text, "--order", 4)[:2] == (code, out)
    for words, sentence in (
        (["palindrome"], "'' is no palindrome of A and B of at most 15 flows; write one such as 'A B A'."),
        (["palindrome(A C A)"], "'A C A' is no palindrome of A and B"),
        (["A B A B A", "--set", "a1=1,a2=1", "--out", tmp_path / "mine.json"], "the splittings A B A B A of order 2"),
    ):
        code, out, err = run("derive", *words, "--order", 2)
        assert (code, out) == (2, "")
        assert err.startswith(f"numtoolkit: {sentence}")


def test_derive_writes_a_palindrome_as_a_scheme(run, tmp_path):
    """Forest and Ruth's; one with a length that --set gives; both are proved, by the file alone."""
    for words, order in ((["A B A B A B A", "--order", 4], 4), (["A B A B A", "--order", 2, "--set", "a1=1/5"], 2)):
        path = tmp_path / f"{order}.json"
        code, _, err = run("derive", *words, "--out", path)
        assert (code, err) == (0, f"wrote {path}\n")
        assert run("verify", path)[0] == 0
        assert scheme(str(path)).claims.classical == order
