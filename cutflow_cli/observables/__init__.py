"""Observables by name: `<physics object>.<observable>` on Delphes, NanoAOD-like, LHE and flat files.

A name is bound to the columns of a file once (`bind`), then computed chunk by chunk (`Bound.compute`). Users add their
own observables in a Python file, with the decorator `observable`:

    from cutflow_cli.observables import observable

    @observable("pt_balance", "{0}.pt", "{1}.pt")      # used as jet0,jet1.pt_balance
    def pt_balance(first, second):
        return (first - second) / (first + second)

awkward and vector are imported when a name is bound, not before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from cutflow_cli.observables.user import NOTHING, UserObservables, load_user_observables, observable

if TYPE_CHECKING:
    from cutflow_cli.observables.binding import Bound, bind

__all__ = ["NOTHING", "Bound", "UserObservables", "bind", "load_user_observables", "observable"]

_HEAVY = {"Bound": "cutflow_cli.observables.binding", "bind": "cutflow_cli.observables.binding"}


def __getattr__(name: str) -> object:
    """Import what needs awkward when it is first asked for (PEP 562)."""
    if name not in _HEAVY:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HEAVY[name]), name)
