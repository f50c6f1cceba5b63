"""From events that were read and counted to events that are normalised, split and described.

Everything here depends on sums over all files; so one job does it after a first pass over weights, and shards leave it
to `merge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.normalisation import Found, GeneratorSums, Normalisation, generated
from cutflow_cli.events.process_settings import ProcessSettings
from cutflow_cli.events.read import Block, FileCounts
from cutflow_cli.events.schema import ROLES, SPLITS, ProcessInfo, VariationInfo, WeightSums
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.splits import splits_of
from cutflow_cli.events.stages import Stage, total


@dataclass(frozen=True, slots=True)
class CountedFile:
    """A file and what was found in it.

    Attributes:
        process: the process it belongs to.
        counts: of its events; after the first pass before the preselection only.
        beside: sum of weights in a tree beside the events; None unless it was asked for.
        header: cross section (pb) and error of its header; None unless they were asked for.
    """

    process: str
    counts: FileCounts
    beside: float | None = None
    header: tuple[float, float] | None = None


class Finisher:
    """Normalises and splits events, once it is known what all files hold.

    Args:
        settings: what was asked for.
        files: all files, in the order in which their events are written.

    Raises:
        InputError: if a process has no events, more than were generated, or no positive sum of weights.
    """

    def __init__(self, settings: IngestSettings, files: Sequence[CountedFile]) -> None:
        self.settings = settings
        self.files = files
        self.names = list(settings.nominal)
        self.variations = settings.variation_names
        # Rows are numbered without those of alternative samples, so that these change no event's split.
        nominal = set(self.names)
        picked = [file.counts.stages[0].events if file.process in nominal else 0 for file in files]
        self.offsets = np.concatenate([[0], np.cumsum(picked)])[:-1]
        self.normalisations: dict[str, Normalisation] = {}
        self.sums: dict[str, GeneratorSums] = {}
        for name, process in settings.processes.items():
            found = self._found(name)
            self.sums[name] = generated(name, process, found)
            self.normalisations[name] = Normalisation.of(name, process, settings.luminosity, found)

    def _found(self, name: str) -> Found:
        mine = [file for file in self.files if file.process == name]
        read = total([file.counts.stages[0] for file in mine])
        asked = [file.beside for file in mine if file.beside is not None]
        return Found(
            GeneratorSums(read.events, read.sumw, read.sumw2),
            float(np.sum(asked)) if asked else None,
            tuple(file.header for file in mine if file.header is not None),
        )

    def scale(self, name: str) -> float:
        """Return the factor from a process's generator weights to expected events."""
        return self.normalisations[name].scale(self.sums[name].sumw)

    def finish(self, block: Block) -> EventBatch:
        """Normalise and split events of one file."""
        name = self.files[block.file].process
        process = self.settings.processes[name]
        scale = self.scale(name)
        alternative = process.replaces is not None
        weight = block.weight * scale
        varied = {
            variation: self._varied(variation, name, process, block, weight, scale) for variation in self.variations
        }
        return EventBatch(
            columns=block.columns,
            label=np.full(len(block), ROLES.index(process.role), dtype=np.int8),
            weight=np.zeros(len(block)) if alternative else weight,
            process=np.full(len(block), self.names.index(process.replaces or name), dtype=np.int32),
            split=self.splits(block),
            hypothesis=block.hypothesis,
            variations=varied,
        )

    def splits(self, block: Block) -> NDArray[np.int8]:
        """Assign events to splits; those of an alternative sample belong to none, which is the number after them."""
        if self.settings.processes[self.files[block.file].process].replaces is not None:
            return np.full(len(block), len(SPLITS), dtype=np.int8)
        numbers = block.rows + self.offsets[block.file] if block.identity is None else block.identity
        return splits_of(numbers, self.settings.split, self.settings.seed)

    def _varied(
        self,
        variation: str,
        name: str,
        process: ProcessSettings,
        block: Block,
        weight: NDArray[np.float64],
        scale: float,
    ) -> NDArray[np.float64]:
        """Return what events are worth under a variation: nothing where an alternative sample takes their place."""
        if process.replaces is not None:
            return weight if process.variation == variation else np.zeros(len(block))
        if self._alternative(name, variation) is not None:
            return np.zeros(len(block))
        return block.variations[variation] * scale if variation in block.variations else weight

    def replaced(self, variation: str) -> dict[str, str]:
        """Return the processes that alternative samples take the place of under a variation, with the samples."""
        samples = {name: self._alternative(name, variation) for name in self.names}
        return {name: sample for name, sample in samples.items() if sample is not None}

    def _alternative(self, name: str, variation: str) -> str | None:
        """Return the sample that takes the place of a process under a variation; None if there is none."""
        samples = self.settings.processes.items()
        return next((other for other, item in samples if (item.replaces, item.variation) == (name, variation)), None)

    def stages(self, name: str) -> tuple[Stage, ...]:
        """Return what passed each stage of the preselection, in generator weights."""
        mine = [file.counts.stages for file in self.files if file.process == name]
        return tuple(total(stages) for stages in zip(*mine, strict=True))

    def describe(self, *, complete: bool) -> tuple[ProcessInfo, ...]:
        """Describe the processes, without what each split holds.

        Args:
            complete: whether all events have been read, so that the counts of the preselection are known.
        """
        infos = []
        for name, process in self.settings.nominal.items():
            sums = self.sums[name]
            info = ProcessInfo(name, process.role, self.normalisations[name].cross_section)
            info = replace(info, generated_events=sums.events, generated_sumw=sums.sumw, generated_sumw2=sums.sumw2)
            if complete:
                info = replace(info, preselected=self._preselected(name))
            infos.append(info)
        return tuple(infos)

    def _preselected(self, name: str) -> tuple[WeightSums, ...]:
        stages = self.stages(name)
        if len(stages) < 2:
            return ()
        return tuple(self._expected(name, stage) for stage in stages)

    def _expected(self, name: str, stage: Stage) -> WeightSums:
        scale = self.scale(name)
        return WeightSums(stage.events, stage.sumw * scale, stage.sumw2 * scale**2)

    def describe_variations(self) -> tuple[VariationInfo, ...]:
        """Describe the systematic variations, once all events have been read."""
        infos = []
        for variation in self.variations:
            asked = self.settings.variations.get(variation)
            changed: tuple[str, ...] = ()
            if asked is not None:
                changed = asked.processes or tuple(n for n, p in self.settings.nominal.items() if p.weight is not None)
            replaced = {
                name: self._expected(sample, self.stages(sample)[-1])
                for name, sample in self.replaced(variation).items()
            }
            changed = tuple(name for name in changed if name not in replaced)
            infos.append(VariationInfo(variation, None if asked is None else asked.weight, changed, replaced))
        return tuple(infos)

    def check(self) -> None:
        """Refuse a process without events, with more than were generated, or with nothing to expect.

        Raises:
            InputError: naming the process, and what was lost where.
        """
        for name, process in self.settings.processes.items():
            stages = self.stages(name)
            count = process.generated_events
            if count is not None and count < stages[0].events:
                msg = f"process {name!r}: generated_events is {count}, but its files hold {stages[0].events} events"
                raise InputError(msg)
            if stages[-1].events == 0:
                lost = next(position for position, stage in enumerate(stages) if stage.events == 0)
                asked = self.settings.preselection
                what = f"preselection {asked[lost - 1]!r}" if lost <= len(asked) else "cut on quantiles"
                msg = f"process {name!r}: none of its {stages[lost - 1].events} events passes the {what}"
                raise InputError(msg)
            if not stages[-1].sumw > 0:
                cut = len(stages) > 1
                msg = (
                    f"process {name!r}: the weights of its {stages[-1].events} events "
                    f"{'that pass the preselection ' if cut else ''}sum to {stages[-1].sumw:g}, not above 0"
                    + (f" (before it to {stages[0].sumw:g})" if cut else "")
                )
                raise InputError(msg)
