"""Progress is shown on a terminal, and a callback sees every state."""

from __future__ import annotations

import io
import sys

import pytest
import torch

from numtoolkit import Network, sample
from numtoolkit.laws import NAMED
from tests.support.sampling_cases import GRIDS


def test_progress_is_quiet_off_a_terminal_and_shown_on_request(capsys):
    """Nothing is printed where nobody looks; `progress=True` shows steps of all tiles on stderr."""
    keywords = {"process": "vp", "grid": "uniform", "steps": 3, "seeds": range(4), "shape": 2, "batch": 2}
    for progress in (None, False):
        sample("ddim", network=Network(lambda z, t: z, "data"), progress=progress, **keywords)
    assert capsys.readouterr() == ("", "")
    sample("ddim", network=Network(lambda z, t: z, "data"), progress=True, **keywords)
    out, err = capsys.readouterr()
    assert out == ""
    assert "ddim" in err
    assert "6/6" in err


def test_progress_shows_on_a_terminal(monkeypatch):
    """On a terminal the bar is there without being asked for."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    sample("ddim", network=Network(lambda z, t: z, "data"), process="vp", grid="uniform", steps=3, seeds=[1], shape=2)
    assert "3/3" in sys.stderr.getvalue()


@pytest.mark.parametrize(("law", "event"), [("edm", (3,)), ("psld", (2, 3))])
def test_a_callback_sees_every_state_and_cannot_touch_the_run(law, event):
    """Steps, times and states of each tile in turn; what it does to its copy does not matter."""
    seen = []

    def callback(step, time, state):
        seen.append((step, time, state.clone()))
        state.fill_(torch.nan)

    keywords = {"process": law, "grid": GRIDS[law], "steps": 4, "seeds": range(5), "shape": 3, "batch": 3}
    network = Network.of(NAMED["gaussian"](dim=3))
    result = sample("euler", network=network, callback=callback, **keywords)
    assert torch.equal(sample("euler", network=network, **keywords).samples, result.samples)
    assert [step for step, _, _ in seen] == [0, 1, 2, 3] * 2
    assert [time for _, time, _ in seen] == list(result.program.times[1:]) * 2
    assert [tuple(state.shape) for _, _, state in seen] == [(3, *event)] * 4 + [(2, *event)] * 4
    assert torch.equal(torch.cat([seen[3][2], seen[7][2]]), result.samples)
