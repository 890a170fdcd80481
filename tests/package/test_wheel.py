"""The wheel holds the package, all of it and alone."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import zipfile

import pytest

from tests.support.checkout import PACKAGE, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built by its backend without a package index in a fraction of a second."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    """The wheel's METADATA as a message."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_wheel_holds_the_package_alone(wheel, metadata):
    """Neither tests nor experiments are installed; the licence is."""
    info = f"numtoolkit-{metadata['Version']}.dist-info"
    assert {name.split("/")[0] for name in wheel.namelist()} == {"numtoolkit", info}
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_wheel_holds_the_whole_package(wheel):
    """Every file of the package, data as well as modules: the facts, the style, the typing marker."""
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {"py.typed", "numtoolkit.mplstyle", "facts.json"} <= {path.name for path in files}
    assert {path.relative_to(ROOT).as_posix() for path in files} == {
        name for name in wheel.namelist() if name.startswith("numtoolkit/")
    }


def test_wheel_installs_without_torch_and_bounds_from_below_only(metadata):
    """Seven libraries are needed, and no upper bound keeps a newer one away."""
    needs = metadata.get_all("Requires-Dist")
    core = {re.match(r"[\w-]+", need)[0] for need in needs if "extra ==" not in need}
    assert core == {"joblib", "numpy", "scipy", "sympy", "tabulate", "threadpoolctl", "tqdm"}
    # Before the marker, a requirement on another project is its name and one lower bound.
    bounds = [need.partition(";")[0].strip() for need in needs]
    others = [bound for bound in bounds if not bound.startswith("numtoolkit[")]
    assert [bound for bound in others if not re.fullmatch(r"[\w-]+>=[\d.]+", bound)] == []


def test_wheel_version_is_that_of_the_package_and_of_the_citation(metadata):
    """One version in wheel, `__version__` and CITATION.cff."""
    import numtoolkit

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert metadata["Version"] == numtoolkit.__version__
    assert f"\nversion: {numtoolkit.__version__}\n" in citation
