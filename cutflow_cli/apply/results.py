"""What applying cuts gives."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from cutflow_cli.evaluation.saved_cut_flow_files import CountedFile
from cutflow_cli.events.schema import Role


@dataclass(frozen=True, slots=True)
class Step:
    """What is left after a cut, or before any.

    Attributes:
        cut: the condition in words; `all events` before any.
        events: number of events.
        sumw: sum of their weights.
        sumw2: sum of the squares.
        short: the condition in fewer words, for tables; None for the same.
    """

    cut: str
    events: int
    sumw: float
    sumw2: float
    short: str | None = None

    @property
    def error(self) -> float:
        """Statistical error of the sum of weights, √Σw² (G. Bohm, G. Zech, NIM A 748 (2014) 1)."""
        return math.sqrt(self.sumw2)


@dataclass(frozen=True, slots=True)
class GroupFlow:
    """The cut flow of a process, or of a file that knows of none.

    Attributes:
        file: the file.
        process: the process; None where the file knows of none.
        role: of the process, signal or background; None likewise.
        steps: from all events on.
        before: how many of the steps after the first are conditions of the preselection.
    """

    file: str
    process: str | None
    role: Role | None
    steps: tuple[Step, ...]
    before: int = 0


@dataclass(frozen=True, slots=True)
class AppliedFlow:
    """A selection and what it keeps.

    Attributes:
        working_point: its name.
        target: the number in it; None for none.
        hypothesis: signal mass hypothesis that it is for; None for all.
        replica: its number; −1 for the consensus.
        groups: by file and process.
    """

    working_point: str
    target: float | None
    hypothesis: float | None
    replica: int
    groups: tuple[GroupFlow, ...]

    @property
    def kept(self) -> int:
        """Number of events that pass, of all files."""
        return sum(group.steps[-1].events for group in self.groups)


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply_cuts` found.

    Attributes:
        cuts: the file of cuts.
        weighted: whether events have weights.
        flows: the selections.
        out: the file written; None if none was asked for, or nothing passes.
        written: whether it was written now; if not, it was there already.
        notes: what a user should know, a sentence each.
        data: the files whose events were counted.
        luminosity: in fb⁻¹ that their weights were normalised to, where all say the same; else None.
        preselection: what the events had passed before all steps, or pass in the first of them.
        cut_flow: the file that the counts were saved in; None if none was asked for.
        cut_flow_written: whether it was written now; if not, it was there already.
    """

    cuts: str
    weighted: bool
    flows: tuple[AppliedFlow, ...]
    out: Path | None = None
    written: bool = False
    notes: tuple[str, ...] = ()
    data: tuple[CountedFile, ...] = ()
    luminosity: float | None = None
    preselection: tuple[str, ...] = ()
    cut_flow: Path | None = None
    cut_flow_written: bool = False

    @property
    def empty(self) -> bool:
        """Whether no event passes any of the selections."""
        return not any(flow.kept for flow in self.flows)

    def as_json(self) -> dict[str, Any]:
        """Return the same for machines; sums of weights only where there are weights."""
        return {
            "cuts": self.cuts,
            "out": None if self.out is None else str(self.out),
            "cut_flow": None if self.cut_flow is None else str(self.cut_flow),
            "cut_flows": [self._flow(flow) for flow in self.flows],
        }

    def _flow(self, flow: AppliedFlow) -> dict[str, Any]:
        def step(one: Step) -> dict[str, Any]:
            weights = {"sumw": one.sumw, "sumw_error": one.error} if self.weighted else {}
            return {"cut": one.cut, "events": one.events, **weights}

        head = {name: getattr(flow, name) for name in ("working_point", "target", "hypothesis", "replica")}
        groups = [
            {
                "file": group.file,
                "process": group.process,
                "role": group.role,
                "steps": [step(one) for one in group.steps],
            }
            for group in flow.groups
        ]
        return {**head, "groups": groups}

    def stored(self) -> dict[str, Any]:
        """Return what `restored` takes."""
        return {"cuts": self.cuts, "weighted": self.weighted, "flows": [asdict(flow) for flow in self.flows]}

    @classmethod
    def restored(cls, stored: dict[str, Any], out: Path, notes: tuple[str, ...]) -> Self:
        """Make the same again from what was stored in a file written earlier.

        Raises:
            KeyError: if something is missing.
            TypeError: if something has another form.
        """
        flows = tuple(
            AppliedFlow(
                **{
                    **flow,
                    "groups": tuple(
                        GroupFlow(**{**group, "steps": tuple(Step(**step) for step in group["steps"])})
                        for group in flow["groups"]
                    ),
                }
            )
            for flow in stored["flows"]
        )
        return cls(stored["cuts"], stored["weighted"], flows, out, written=False, notes=notes)
