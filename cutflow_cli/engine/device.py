"""Which processor trains, and with how many threads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from cutflow_cli.engine.allotment import usable_threads
from cutflow_cli.errors import UsageError

DeviceChoice = Literal["auto", "cpu", "cuda"]


def resolve_device(choice: DeviceChoice) -> str:
    """Settle where to train: `auto` takes CUDA if torch finds a device.

    Raises:
        UsageError: if CUDA was asked for and there is none.
    """
    if choice == "cpu" or (choice == "auto" and not may_have_cuda()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if choice == "cuda":
        msg = "--device cuda: torch finds no CUDA device here; use --device cpu or auto"
        raise UsageError(msg)
    return "cpu"


def may_have_cuda() -> bool:
    """Whether asking torch is worth the seconds that importing it takes: on Linux CUDA needs one of these devices."""
    return sys.platform != "linux" or any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def resolve_threads(wanted: int | None) -> int:
    """Settle the number of threads: what was asked for, or what `usable_threads` finds.

    Raises:
        UsageError: if fewer than one was asked for.
    """
    if wanted is None:
        return usable_threads()
    if wanted < 1:
        msg = f"--threads {wanted}: at least one is needed"
        raise UsageError(msg)
    return wanted
