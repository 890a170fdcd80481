"""Pictures of results: a figure answers the question in its title, and shows what it is given; it computes nothing.

Figures are written by `numtoolkit.files.storage.write_figure`, the same bytes for the same figure. Needs the extra
`plots`.
"""

from numtoolkit.plots.curves import LABELS, QUANTITIES, contest_figure, curve_figure, families_figure, panels_figure
from numtoolkit.plots.defects import defects_figure
from numtoolkit.plots.images import image_grid
from numtoolkit.plots.sheet import check_figure
from numtoolkit.plots.spectrum import spectrum_figure
from numtoolkit.plots.stability import PLANES, Boundary, boundary, stability_figure
from numtoolkit.plots.tables import error_table, found_steps_table, order_table
from numtoolkit.plots.transfer import transfer_figure

__all__ = [
    "LABELS",
    "PLANES",
    "QUANTITIES",
    "Boundary",
    "boundary",
    "check_figure",
    "contest_figure",
    "curve_figure",
    "defects_figure",
    "error_table",
    "families_figure",
    "found_steps_table",
    "image_grid",
    "order_table",
    "panels_figure",
    "spectrum_figure",
    "stability_figure",
    "transfer_figure",
]
