"""The figures of a report as pictures inside the page, each with words that say what it shows."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cutflow_cli.errors import InputError, naming
from cutflow_cli.evaluation.report import Report

#: For what the name of a figure ends in: its title, and what it shows. A figure of all runs is called this alone.
CAPTIONS = {
    "roc": (
        "ROC curves",
        "Background that is left against signal that is kept. Curves are those of scores; marks are selections and "
        "working points.",
    ),
    "distributions": (
        "Distributions",
        "Signal and background in each observable that is cut on, with the region that the selection keeps. In a "
        "sequential flow after the cuts before, in a parallel one before any.",
    ),
    "stack": (
        "Stacked distributions",
        "Before any cut, expected events of each background process on top of each other, the signal over them, and "
        "the region that the selection keeps. Below: S/√B of each bin.",
    ),
    "n-minus-1": (
        "N−1 distributions",
        "Each observable after all cuts but those on itself. Below: S/√B of the whole selection as that boundary "
        "moves; of a cut that differs by bin, with one boundary in place of those of all bins.",
    ),
    "score": (
        "Score",
        "Score of signal and background, in training and on the quoted split. Where these differ, the training has "
        "learned its own events.",
    ),
    "scan": (
        "Cuts against target",
        "Each boundary against the signal efficiency that was asked for, over the bulk of signal and background.",
    ),
    "sensitivity": (
        "Sensitivity",
        "At each mass Punzi's figure of merit, its inverse σ_min (the cross section that the search would establish), "
        "and σ_min at the fixed cut over that at the best one. Crosses: too few background events.",
    ),
    "mass": ("Significance against mass", "Significance of the selection for each mass of the signal."),
    "outputs": (
        "Score against mass",
        "Score of signal and background in the window of each mass, with the cuts on it.",
    ),
    "importances": (
        "Importances",
        "Importance of each observable in the training, and its N−1 loss: balanced error without the cut on it less "
        "that with it.",
    ),
    "budget": (
        "Objective against the number of cuts",
        "What the best boxes with 1, 2, … cuts reach: as the search saw it, and on events of the training split that "
        "it did not see. Bars: standard error of the difference. Dotted: the fewest cuts that are as good as the best, "
        "within its error.",
    ),
    "loss": ("Training", "Terms of the loss against epoch."),
}
_DENSITY = 150.0  #: pixels to the inch of a picture that does not say
_CSS_DENSITY = 96.0  #: pixels of a page to the inch
_INCH = 0.0254
_PAPER, _TALL = 695, 620  #: pixels of a page: width of a sheet of paper, height that is too much for half of it


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure in the page.

    Attributes:
        anchor: its place in the page.
        title: a few words, also for who can't see it.
        caption: what it shows; empty where that is not known.
        file: its name in the report directory.
        data: its bytes, as a URI.
        width: at which it is shown, in pixels of the page.
        height: likewise.
    """

    anchor: str
    title: str
    caption: str
    file: str
    data: str
    width: int
    height: int

    @property
    def is_tall(self) -> bool:
        """Whether half a sheet of paper is too little for it."""
        return self.height * min(1.0, _PAPER / self.width) > _TALL


def pictures_of(report: Report, names: Sequence[str], directory: Path) -> dict[str | None, tuple[Picture, ...]]:
    """Read the pictures of a report.

    Args:
        report: the report.
        names: of the runs as figures are called after them (`Run.name`), in the order of the manifest.
        directory: where the report is.

    Returns:
        By what the report calls a run its pictures; under None those of all runs.

    Raises:
        InputError: if a picture is missing or none.
    """
    files = [name for name in report.manifest.figures if name.endswith(".png")]
    shown = [str(run["name"]) for run in report.manifest.runs]
    found: dict[str | None, list[Picture]] = {}
    if files:
        stems = dict(zip(_stems(names), shown, strict=True))
        for number, file in enumerate(files, start=1):
            run, kind = _whose(PurePosixPath(file).stem, stems)
            found.setdefault(run, []).append(_picture(f"figure-{number}", directory / file, file, run, kind))
    return {run: tuple(pictures) for run, pictures in found.items()}


def _stems(names: Sequence[str]) -> list[str]:
    """Return what the names of the runs' figures begin with, as `draw_figures` names them."""
    from cutflow_cli.plots.save import file_stems

    return file_stems(["roc", *names])[1:]


def _whose(name: str, stems: dict[str, str]) -> tuple[str | None, str]:
    """Say of which run a figure is, None for all, and of which kind."""
    own = [stem for stem in stems if name.startswith(f"{stem}-")]
    if not own:
        return None, name
    # `net` has a figure `net-loss`, and `net-loss` might be a run: the longest, but that a known kind says more.
    stem = max(own, key=lambda one: (name[len(one) + 1 :] in CAPTIONS, len(one)))
    return stems[stem], name[len(stem) + 1 :]


def _known(kind: str) -> str | None:
    """Return the kind with a caption: `n-minus-1` of `n-minus-1-m_jet`."""
    found = [one for one in CAPTIONS if kind == one or kind.startswith(f"{one}-")]
    return max(found, key=len, default=None)


def describe(kind: str) -> tuple[str, str]:
    """Return title and caption of a kind of figure, whatever it is.

    Args:
        kind: what its name ends in: `roc`, or `n-minus-1-m_jet` for one of several.
    """
    known = _known(kind)
    if known is None:
        return kind.replace("-", " ").replace("_", " ").strip().capitalize(), ""
    title, caption = CAPTIONS[known]
    rest = kind[len(known) + 1 :]
    return (f"{title}: {rest}" if rest else title), caption


def _picture(anchor: str, path: Path, file: str, run: str | None, kind: str) -> Picture:
    try:
        with naming(path):
            content = path.read_bytes()
    except FileNotFoundError as error:
        msg = f"{path}: no such file; the report is incomplete, evaluate again with --force"
        raise InputError(msg) from error
    title, caption = describe(kind)
    width, height = _size(content, path)
    encoded = base64.b64encode(content).decode("ascii")
    of = title if run is None else f"{title} of {run}"
    return Picture(anchor, of, caption, file, f"data:image/png;base64,{encoded}", width, height)


def _size(content: bytes, path: Path) -> tuple[int, int]:
    """Return width and height of a PNG in pixels of a page, as large as it would be printed.

    Raises:
        InputError: if it is no PNG.
    """
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 33:
        msg = f"{path}: not a PNG picture; evaluate again with --force"
        raise InputError(msg)
    width, height = struct.unpack(">II", content[16:24])
    density = _DENSITY
    place, end = 8, len(content)
    while place + 12 <= end:  # chunks: length, name, content, checksum
        length, name = struct.unpack(">I4s", content[place : place + 8])
        if name == b"pHYs":
            per_metre, _, unit = struct.unpack(">IIB", content[place + 8 : place + 17])
            density = per_metre * _INCH if unit == 1 and per_metre else _DENSITY
        if name == b"IDAT":
            break
        place += 12 + length
    scale = _CSS_DENSITY / density
    return round(width * scale), round(height * scale)
