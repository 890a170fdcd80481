"""How the suite runs: hypothesis profiles, the terminal, the cache, GPU tests where there is no GPU, counts."""

from __future__ import annotations

import functools
import itertools
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# The everyday profile repeats the same examples on every run. The long one draws new ones, and prints how to
# repeat a failure. Neither judges speed: the cores are shared, and a slow draw says nothing about numtoolkit.
settings.register_profile(
    "default",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", settings.get_profile("default"), derandomize=False, max_examples=2000, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, whatever the suite is started in: tables and pages are laid out by its width."""
    monkeypatch.setenv("COLUMNS", "80")


_CACHES = itertools.count()


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An empty cache for every test, not the user's."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path_factory.getbasetemp() / "caches" / str(next(_CACHES))))


@functools.cache
def has_cuda() -> bool:
    """Whether torch is here and sees a CUDA device; loads torch, so asked only by tests marked gpu."""
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked gpu, and say why, where there is no CUDA device."""
    if item.get_closest_marker("gpu") and not has_cuda():
        pytest.skip("no CUDA device here")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many slips were tried, in declarations and in the machinery, and what became of them."""
    slips: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            slips.update(dict(getattr(report, "user_properties", ())).get("slips", {}))
    for what, count in sorted(slips.items()):
        terminalreporter.write_line(f"{count} {what}")
