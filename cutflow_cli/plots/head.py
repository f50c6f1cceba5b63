"""The head of a figure: the user's label at the left, the luminosity at the right, above all else."""

from __future__ import annotations

from cutflow_cli.plots.backend import Bbox, Figure, Text, matplotlib
from cutflow_cli.plots.style import fit, words

#: Inches: a line, the room above and below, and between label and luminosity on one line.
_LINE, _ABOVE, _BESIDE, _BETWEEN = 0.21, 0.08, 0.1, 0.3
_LABEL_SIZE, _SIZE, _SMALLEST = 12.0, 10.0, 7.0
_SHORTER = 0.9  # what does not fit at the smallest size loses so much of its length at a time


def add_head(figure: Figure, label: str = "", luminosity: str = "") -> None:
    """Make a figure higher and write label and luminosity there, on one line if it is wide enough for both.

    Nothing of the figure is moved against the rest, so neither can lie on anything. Text that is wider than the figure
    is made smaller, then shortened in its middle.

    Args:
        figure: a finished one.
        label: the user's; empty for none.
        luminosity: in words; empty for none.
    """
    _centre_beside_powers(figure)
    if not label and not luminosity:
        return
    width, height = (float(size) for size in figure.get_size_inches())
    own = [figure.text(0, 0, words(label), fontsize=_LABEL_SIZE, fontweight="bold")] if label else []
    own += [figure.text(0, 0, words(luminosity), fontsize=_SIZE)] if luminosity else []
    room = width - 2 * _BESIDE
    one_line = sum(_width(figure, text) for text in own) + _BETWEEN * (len(own) - 1) <= room
    lines = 1 if one_line else len(own)
    strip = _ABOVE + lines * _LINE
    _raise(figure, height, height + strip, own)
    for position, (text, source) in enumerate(zip(own, [one for one in (label, luminosity) if one], strict=True)):
        _squeeze(figure, text, source, room)
        right = source is luminosity and (one_line or not label)
        text.set_horizontalalignment("right" if right else "left")
        text.set_verticalalignment("center")
        line = 0 if one_line else position
        text.set_position(
            ((width - _BESIDE if right else _BESIDE) / width, 1 - (_ABOVE + (line + 0.5) * _LINE) / (height + strip))
        )


def _width(figure: Figure, text: Text) -> float:
    """Return the width of a text in inches."""
    box = text.get_window_extent(renderer=figure.canvas.get_renderer())  # type: ignore[attr-defined]
    return float(box.width) / figure.dpi


def _squeeze(figure: Figure, text: Text, source: str, room: float) -> None:
    length = len(source)
    while not fit(figure, text, room, smallest=_SMALLEST) and length > 1:
        length = int(_SHORTER * length)
        text.set_text(words(source.replace("$", ""), length))


def _raise(figure: Figure, old: float, new: float, but: list[Text]) -> None:
    """Make a figure higher, and keep everything in it as far from its lower edge as it was."""
    share = old / new
    legends = [(legend, legend.get_bbox_to_anchor().get_points() / figure.dpi) for legend in figure.legends]
    boxes = [(axes, axes.get_position(original=True)) for axes in figure.axes]
    figure.set_size_inches(figure.get_figwidth(), new)
    for axes, box in boxes:
        axes.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    for text in figure.texts:
        if text not in but:
            x, y = text.get_position()
            text.set_position((x, y * share))
    for legend, points in legends:
        legend.set_bbox_to_anchor(Bbox(points), transform=figure.dpi_scale_trans)


def _centre_beside_powers(figure: Figure) -> None:
    """Centre labels that a style puts at the right end of an axis where the axis' power of ten stands there."""
    if matplotlib.rcParams["xaxis.labellocation"] != "right":
        return
    figure.canvas.draw()
    for axes in figure.axes:
        if axes.xaxis.get_offset_text().get_text():
            axes.xaxis.label.set_x(0.5)
            axes.xaxis.label.set_horizontalalignment("center")
