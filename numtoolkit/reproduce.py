"""The main job: every experiment of a folder, to figures, tables and the data behind them.

An experiment is a TOML file; its name becomes that of its results and its `kind` says what is computed:

    orders      the order table of a list of schemes, or of the whole catalogue
    stability   regions of stability of a list of schemes
    curve       error against evaluations of schemes on a process, a law and a grid
    samples     samples of a law, one panel for each scheme and grid, at equal evaluations

Keys are the fields of the classes below and nothing else. Results depend on the experiment and the versions of the
packages alone: no dates, no timings, numbers rounded to DIGITS digits.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import numpy as np

from numtoolkit import __version__
from numtoolkit.errors import InputError, StorageError, unknown
from numtoolkit.grids import grid as grid_of
from numtoolkit.laws import Law
from numtoolkit.processes import Process, process as process_of
from numtoolkit.scheme import Scheme
from numtoolkit.schemes import catalogue, scheme as scheme_of
from numtoolkit.storage import folder, write, write_figure, write_json
from numtoolkit.symbolic.verify import ORDERS, Verdict
