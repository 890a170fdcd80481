"""A process that tries edits of the package: each in a fork of its own, so that imports are paid for once.

A line of standard input is an order in JSON, {"module", "path", "source", "tests"}: the tests are run with that source
in place of the module's. The answer is a line {"code", "said"}: pytest's exit status, -1 for a run that was ended, and
what it printed. The server itself never imports the package, and no file of the checkout is written to.

    python -m tests.support.edit_server
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from typing import Any

from tests.support.checkout import ROOT

# What the package and its tests import, and the children find loaded.
LOADED = (
    "numpy", "scipy.integrate", "scipy.optimize", "sympy", "flint", "torch", "matplotlib.pyplot", "tqdm", "hypothesis",
    "pytest",
)  # fmt: skip
# Of pytest only what a verdict takes: no plugins, rewritten assertions or searches for garbage, a second and more each.
QUICK = ("-x", "-q", "--tb=line", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:unraisableexception")
TIER = "not check and not long and not gpu"  # of a test with many cases those of `make test` alone are asked
NAMED = "not long and not gpu"  # unless a case is named
SECONDS = 60  # that a run may take


class _Edited(MetaPathFinder, SourceFileLoader):
    """Finds one module and loads it from a source that lies in no file."""

    def __init__(self, module: str, path: str, source: str) -> None:
        super().__init__(module, path)
        self.source = source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec")


class _Collection:
    """Ends a run whose tests could not even be imported: so coarse an edit proves nothing of a test."""

    def pytest_collectreport(self, report: Any) -> None:
        import pytest

        if report.failed:
            pytest.exit(f"nothing was tested: {report.longrepr}", returncode=2)


def tried(order: dict[str, Any], scratch: str) -> int:
    """The exit status of pytest on the tests of an order, in this process; their files lie in the folder `scratch`."""
    import pytest

    signal.alarm(SECONDS)
    sys.meta_path.insert(0, _Edited(order["module"], order["path"], order["source"]))
    tier = NAMED if any(test.endswith("]") for test in order["tests"]) else TIER
    return int(pytest.main([*QUICK, f"--basetemp={scratch}/files", "-m", tier, *order["tests"]], [_Collection()]))


def served(order: dict[str, Any]) -> dict[str, Any]:
    """The answer to an order, worked out in a child."""
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+", errors="replace") as printed:
        child = os.fork()
        if not child:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            code = 3  # what pytest returns for an error of its own
            try:
                code = tried(order, scratch)
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        return {"code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1, "said": printed.read()}


def main() -> None:
    """Serve orders until standard input ends."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in LOADED:
        with suppress(ModuleNotFoundError):  # some are optional
            importlib.import_module(name)
    gc.freeze()  # the children share what is loaded
    for line in sys.stdin:
        print(json.dumps(served(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
