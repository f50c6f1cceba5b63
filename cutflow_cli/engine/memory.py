"""Sizes of memory as users write them."""

from __future__ import annotations

import math
import re

from cutflow_cli.errors import UsageError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_memory(text: str) -> float:
    """Read `500MB`, `4 GB`, `1.5GiB`, or a number of bytes; `inf` for no limit.

    Raises:
        UsageError: if it is none of these.
    """
    stripped = text.strip()
    if stripped.lower() == "inf":
        return math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", stripped)
    if match is None or match[2].upper() not in _UNITS:
        msg = f"--memory {text}: give a size such as 500MB or 4GB, or inf to hold all events in memory"
        raise UsageError(msg)
    return float(match[1]) * _UNITS[match[2].upper()]
