"""Samples beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, brief, typed, whole
from numtoolkit.files.pictures import is_picture
from numtoolkit.plots.sheet import MOST_CURVES, PANELS, check_count, sheet, styled

GAP = 2  # white pixels between image tiles
ROWS = "rows of panels"
FRAME: dict[str, Any] = {"fill": False, "color": "#e76300", "linewidth": 1.2}


def image_grid(
    panels: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], title: str, columns: int = 8, across: int = 0
) -> Any:
    """Sampled images, one panel for each way of sampling them.

    title    the question that the figure answers
    panels   caption -> images in [-1, 1] (beyond is clipped), (n, height, width), or (n, channels, height, width) of
             grey or of red, green and blue, n a multiple of `columns`, and (n,) booleans: which of them get a frame
    columns  images side by side in a panel
    across   panels side by side; 0 for all of them
    """
    from matplotlib.patches import Rectangle

    if not isinstance(panels, Mapping):
        raise InputError(f"panels is {typed(panels)}; give a mapping from captions to (images, framed).")
    wide = whole("across", across, 0, MOST_CURVES) or len(panels)
    check_count(min(wide, len(panels)), PANELS)
    rows = -(-len(panels) // wide)
    check_count(rows, ROWS)
    for caption, panel in panels.items():
        _check_images(caption, panel, whole("columns", columns, 1, 1024))
    shapes = [images.shape for images, _ in panels.values()]
    tallest = max(shape[0] // columns * (shape[-2] + GAP) / (columns * (shape[-1] + GAP)) for shape in shapes)
    with styled():
        width, height = 3.2 * min(wide, len(panels)) + 0.2, rows * (3.2 * min(tallest, 1.0) + 0.45) + 0.2
        figure = sheet(title, width, height)
        axes = figure.subplots(rows, min(wide, len(panels)), squeeze=False).ravel()
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        for ax, (caption, (images, framed)) in zip(axes, panels.items(), strict=False):
            height, width = images.shape[-2:]
            ax.imshow(_tiled(images, columns), vmin=-1, vmax=1)
            for i in np.flatnonzero(framed):
                corner = i % columns * (width + GAP) - 1, i // columns * (height + GAP) - 1
                ax.add_patch(Rectangle(corner, width + 1, height + 1, clip_on=False, **FRAME))
            ax.set_title(caption, fontsize=9, parse_math=False)
            ax.set_axis_off()
    return figure


def _tiled(images: NDArray[Any], columns: int) -> NDArray[Any]:
    """Images in reading order with white between them, as matplotlib takes them: grey levels or colours."""
    n, height, width = images.shape[0], *images.shape[-2:]
    channels = images.reshape(n, -1, height, width)
    padded = np.pad(channels, ((0, 0), (0, 0), (0, GAP), (0, GAP)), constant_values=1.0)
    tiles = padded.reshape(n // columns, columns, -1, height + GAP, width + GAP).transpose(0, 3, 1, 4, 2)
    page = tiles.reshape(n // columns * (height + GAP), columns * (width + GAP), -1)
    return page[..., 0] if channels.shape[1] == 1 else np.clip(page / 2 + 0.5, 0, 1)


def _check_images(caption: object, panel: Any, columns: int) -> None:
    shapes = [getattr(array, "shape", None) for array in panel] if isinstance(panel, tuple | list) else []
    images: tuple[int, ...] = (shapes[0] or ()) if len(shapes) == 2 else ()
    if not isinstance(caption, str) or not is_picture(images[1:]) or shapes[1] != images[:1]:
        raise InputError(
            f"panel {brief(repr(caption))} is no caption with images (n, height, width) or (n, 3, height, width) and "
            "frames (n,); give them."
        )
    if not images[0] or images[0] % columns:
        raise InputError(f"panel {caption!r} has {images[0]} images; give a multiple of the {columns} columns.")
