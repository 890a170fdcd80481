"""Where along a run the local errors are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numtoolkit.measure.step_defects import StepDefects
from numtoolkit.plots.looks import lines_of
from numtoolkit.plots.sheet import CURVES, PANELS, all_of, check_count, literal, sheet, styled

LEAST = 1e-9  # of what is missed: below it is what exact flows are good to, and off the axes


def defects_figure(defects: Sequence[StepDefects], title: str) -> Any:
    """What each step of some runs misses, over the deviation of the exact law there, from noise to data.

    A step is a level line over the noise levels that it goes over. One panel for each law, process and state block; the
    noise that a stochastic scheme misses, the root of what its variance lacks or has too much, is a thin line.

    defects  as `numtoolkit.step_defects` returns them, at most 8 a law and process, and 8 panels
    title    the question that the figure answers
    """
    defects = all_of("defects", defects, "deviation", "step_defects")
    panels: dict[tuple[str, str, int], list[StepDefects]] = {}
    for each in defects:
        for i in range(each.state.shape[1]):
            panels.setdefault((each.law, each.program.process.spec, i), []).append(each)
    check_count(len(panels), PANELS)
    check_count(max(map(len, panels.values()), default=0), CURVES)
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    with styled():
        figure = sheet(title, width=max(1.6 + 3.2 * columns, 5.0), height=1.4 + 2.9 * rows)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for ax, ((law, process, i), members) in zip(axes, panels.items(), strict=False):
            name = members[0].program.process.rows[i]
            ax.set_title("\n".join([law, f"{process}, {name}" if members[0].state.shape[1] > 1 else process]),
                         parse_math=False)  # fmt: skip
            for each, look in zip(members, lines_of([own.program.scheme for own in members]), strict=True):
                _run(ax, each, i, look)
            ax.set(xscale="log", yscale="log", xlabel="noise level over which a step goes")
            ax.invert_xaxis()
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        axes[0].set_ylabel("missed by a step, over the deviation there")
        labels = {line.get_label(): line for ax in axes for line in ax.get_lines() if line.get_label()[0] != "_"}
        literal(figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4))
    return figure


def _run(ax: Any, defects: StepDefects, i: int, look: dict[str, Any]) -> None:
    """The steps of one run as stairs: what the state misses, and the noise."""
    program = defects.program
    levels = program.process.level(program.times)
    shown = [(defects.state[:, i], program.scheme, look)]
    if program.draws:
        shown.append((np.sqrt(np.abs(defects.noise[:, i])), f"{program.scheme}, noise", look | {"linewidth": 0.9}))
    for missed, label, own in shown:
        part = missed / defects.deviation[:, i]
        part = np.where(part > LEAST, part, np.nan)
        ax.plot(levels, np.append(part, part[-1]), drawstyle="steps-post", label=label, **own)
