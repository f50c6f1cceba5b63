"""cutflow: find event selections, and say what they gain and how sure that is.

The names below are what a notebook imports. They are resolved on first use, so that `import cutflow_cli` and
`cutflow --help` stay fast.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "Cut": "cutflow_cli.selection.cut",
    "CutFlow": "cutflow_cli.selection.cutflow",
    "CutLayer": "cutflow_cli.layers.cut_layer",
    "LearnedCut": "cutflow_cli.selection.cutflow",
    "Region": "cutflow_cli.selection.cut",
    "open_events": "cutflow_cli.events.table",
}

__all__ = ["Cut", "CutFlow", "CutLayer", "LearnedCut", "Region", "__version__", "open_events"]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
