"""Which replicas to train."""

from __future__ import annotations

import re

from cutflow_cli.errors import UsageError


def parse_replicas(text: str) -> range:
    """Read `10` (replicas 0 to 9) or `5:10` (replicas 5 to 9 of a longer run).

    Raises:
        UsageError: if it is neither, or empty.
    """
    match = re.fullmatch(r"(?:(\d+):)?(\d+)", text.strip())
    first, last = (int(match[1] or 0), int(match[2])) if match else (0, 0)
    if match is None or first >= last:
        msg = f"--replicas {text}: give a number of replicas such as 10, or a block of a longer run such as 5:10"
        raise UsageError(msg)
    return range(first, last)
