"""The command line inside a test: what it returns, prints and says."""

from __future__ import annotations

import json

import pytest

from numtoolkit.cli import main


@pytest.fixture
def run(capsys):
    """Run a command line; its exit code, what it printed, and what it said on stderr."""

    def run(*words):
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def result(run):
    """Run a command line with --json that must succeed; its result."""

    def result(*words):
        code, out, err = run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return result
