"""Figures on disk: PDF and PNG of each, the same bytes for the same content."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cutflow_cli.artifacts import written_file
from cutflow_cli.plots.backend import Figure, FigureCanvasAgg

#: What would make two files of the same figure differ, by format.
_VARYING: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}


def file_stems(names: Iterable[str]) -> list[str]:
    """Turn names into file names that are safe everywhere, each different from the others.

    Letters without accents, digits, `.`, `-` and `_` stay; any run of other characters becomes one `_`. Names that
    then agree (in any case, for file systems that ignore it) get a number.
    """
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = base = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-") or "run"
        number = 2
        while stem.lower() in taken:
            stem, number = f"{base}-{number}", number + 1
        taken.add(stem.lower())
        stems.append(stem)
    return stems


def save_figure(figure: Figure, directory: Path, stem: str) -> tuple[Path, ...]:
    """Write a figure as PDF and PNG; each appears under its name only when complete.

    Args:
        figure: what to write.
        directory: where; made if it is not there.
        stem: file name without suffix.

    Raises:
        UsageError: if the directory can't be made.
    """
    paths = []
    FigureCanvasAgg(figure)
    for kind, metadata in _VARYING.items():
        path = directory / f"{stem}.{kind}"
        content = io.BytesIO()  # what matplotlib says of a disk that is full is no error of the disk
        figure.savefig(content, format=kind, metadata=metadata)
        with written_file(path) as partial:
            partial.write_bytes(content.getvalue())
        paths.append(path)
    return tuple(paths)
