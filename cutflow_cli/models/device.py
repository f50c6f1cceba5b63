"""Where a training runs: what was asked for, as far as the method and the machine can."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cutflow_cli.engine.device import resolve_device
from cutflow_cli.errors import UsageError
from cutflow_cli.events.table import EventsFile
from cutflow_cli.models.plan import TrainingPlan, must_stream


@runtime_checkable
class PartlyOnCpu(Protocol):
    """A method that with some settings trains on the CPU only."""

    def cpu_only(self, *, streams: bool) -> str:
        """Say why; empty if it trains on CUDA too.

        Args:
            streams: whether events are streamed rather than held in memory.
        """


def device_of(plan: TrainingPlan, events: EventsFile) -> str:
    """Settle where to train: `auto` takes CUDA if torch finds a device and the method trains there.

    Raises:
        UsageError: if CUDA was asked for and the method does not train there, or there is none.
    """
    if plan.device == "cpu":
        return "cpu"
    method = plan.method
    why = method.cpu_only(streams=must_stream(plan, events)) if isinstance(method, PartlyOnCpu) else ""
    if not why:
        return resolve_device(plan.device)
    if plan.device == "cuda":
        msg = f"--device cuda: {why}"
        raise UsageError(msg)
    return "cpu"


def device_of_merged(plan: TrainingPlan) -> str:
    """Settle where to finish trainings from `plan.device`: there, or on the CPU where there is no CUDA."""
    return resolve_device("auto" if plan.device == "cuda" else "cpu")
