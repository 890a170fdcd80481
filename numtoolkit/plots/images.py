"""Samples beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, brief, typed, whole
from numtoolkit.plots.sheet import PANELS, check_count, sheet, styled

GAP = 2  # white pixels between image tiles
FRAME: dict[str, Any] = {"fill": False, "color": "#e76300", "linewidth": 1.2}


def image_grid(panels: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], title: str, columns: int = 8) -> Any:
    """Sampled images side by side, one panel for each way of sampling them.

    title    the question that the figure answers
    panels   caption -> images (n, height, width) in [-1, 1] (beyond is clipped), n a multiple of `columns`, and (n,)
             booleans: which of them get a frame
    """
    from matplotlib.patches import Rectangle

    if not isinstance(panels, Mapping):
        raise InputError(f"panels is {typed(panels)}; give a mapping from captions to (images, framed).")
    check_count(len(panels), PANELS)
    for caption, panel in panels.items():
        _check_images(caption, panel, whole("columns", columns, 1, 1024))
    shapes = [images.shape for images, _ in panels.values()]
    tallest = max(n // columns * (height + GAP) / (columns * (width + GAP)) for n, height, width in shapes)
    with styled():
        figure = sheet(title, width=3.2 * len(panels) + 0.2, height=3.2 * min(tallest, 1.0) + 0.65)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (caption, (images, framed)) in zip(axes, panels.items(), strict=True):
            n, height, width = images.shape
            padded = np.pad(images, ((0, 0), (0, GAP), (0, GAP)), constant_values=1.0)
            tiles = padded.reshape(n // columns, columns, height + GAP, width + GAP).swapaxes(1, 2)
            ax.imshow(tiles.reshape(n // columns * (height + GAP), columns * (width + GAP)), vmin=-1, vmax=1)
            for i in np.flatnonzero(framed):
                corner = i % columns * (width + GAP) - 1, i // columns * (height + GAP) - 1
                ax.add_patch(Rectangle(corner, width + 1, height + 1, clip_on=False, **FRAME))
            ax.set_title(caption, fontsize=9, parse_math=False)
            ax.set_axis_off()
    return figure


def _check_images(caption: object, panel: Any, columns: int) -> None:
    shapes = [getattr(array, "shape", None) for array in panel] if isinstance(panel, tuple | list) else []
    images = shapes[0] if len(shapes) == 2 else None
    if not isinstance(caption, str) or images is None or len(images) != 3 or shapes[1] != images[:1]:
        raise InputError(
            f"panel {brief(repr(caption))} is no caption with images (n, height, width) and frames (n,); give them."
        )
    if not images[0] or images[0] % columns:
        raise InputError(f"panel {caption!r} has {images[0]} images; give a multiple of the {columns} columns.")
