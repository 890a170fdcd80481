"""Progress is shown on a terminal."""

from __future__ import annotations

import io
import sys

from numtoolkit import Network, sample


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
