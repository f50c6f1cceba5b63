"""The one place that imports the plotting libraries, which are an optional extra.

Importing this module imports matplotlib, mplhep and hist; the rest of `plots` takes them from here. matplotlib keeps a
font cache; unless MPLCONFIGDIR says where, it goes under the temporary directory, not under the home directory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from cutflow_cli.errors import UsageError

CONFIG_VARIABLE = "MPLCONFIGDIR"


def _config_directory() -> str:
    """Return a directory of this user's own under the temporary directory, the same in each session."""
    # A directory of this name that someone else made first could hand us their settings.
    directory = Path(tempfile.gettempdir()) / f"cutflow-matplotlib-{os.getuid()}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        ours = directory.stat().st_uid == os.getuid() and not directory.is_symlink()
    except OSError:
        ours = False
    return str(directory) if ours else tempfile.mkdtemp(prefix="cutflow-matplotlib-")


if "matplotlib" not in sys.modules and not os.environ.get(CONFIG_VARIABLE):
    os.environ[CONFIG_VARIABLE] = _config_directory()

try:
    import hist
    import matplotlib
    import matplotlib.style
    import mplhep
    from matplotlib import font_manager
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D
    from matplotlib.mathtext import MathTextParser
    from matplotlib.patches import Patch
    from matplotlib.text import Text
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, ScalarFormatter
    from matplotlib.transforms import Bbox
except ImportError as error:
    absent = error.name or "a plotting library"
    msg = f"figures need {absent}, which is not installed: pip install 'cutflow-cli[plots]', or use --no-figures"
    raise UsageError(msg) from error

__all__ = [
    "Axes",
    "Bbox",
    "Figure",
    "FigureCanvasAgg",
    "FixedLocator",
    "FuncFormatter",
    "HandlerTuple",
    "Line2D",
    "MathTextParser",
    "MaxNLocator",
    "Patch",
    "ScalarFormatter",
    "Text",
    "font_manager",
    "hist",
    "matplotlib",
    "mplhep",
]
