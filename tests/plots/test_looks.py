"""How users choose the looks of figures: style, label, luminosity."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from plot_samples import curves_of, make_run, overlapping, write_events

from cutflow_cli.errors import UsageError
from cutflow_cli.plots import figures, save
from cutflow_cli.plots.backend import Figure, FigureCanvasAgg, font_manager, matplotlib
from cutflow_cli.plots.experiments import experiment_style, style_names
from cutflow_cli.plots.head import add_head
from cutflow_cli.plots.look import Look, read_look
from cutflow_cli.plots.style import figure_style, words
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

EXPERIMENTS = ("ALICE", "ATLAS", "CMS", "DUNE", "LHCb")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("139", "139 fb⁻¹"),
        ("36.1", "36.1 fb⁻¹"),
        ("139 fb-1 (13 TeV)", "139 fb⁻¹ (13 TeV)"),
        ("5 pb^{-1}", "5 pb⁻¹"),
        ("3 ab**-1", "3 ab⁻¹"),
        ("Run 2", "Run 2"),
        ("", ""),
    ],
)
def test_luminosity_is_a_number_or_a_text(given, shown):
    look = read_look(True, None, None, given, None)
    assert look.luminosity_text(300.0) == shown


def test_without_the_option_it_is_that_of_the_events():
    assert Look().luminosity_text(300.0) == "300 fb⁻¹"
    assert Look().luminosity_text(None) == ""


@pytest.mark.parametrize("wrong", ["0", "-3", "nan", "inf"])
def test_a_luminosity_is_above_zero(wrong):
    with pytest.raises(UsageError, match=f"--lumi {wrong}: a luminosity is above 0"):
        read_look(True, None, None, wrong, None)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("--style", ("CMS", None, None, None)),
        ("--label", (None, "a", None, None)),
        ("--lumi", (None, None, "1", None)),
        ("--log/--no-log", (None, None, None, False)),
    ],
)
def test_an_option_on_figures_that_are_not_drawn_is_refused(name, values):
    with pytest.raises(UsageError, match=f"{name} is about figures, but --no-figures draws none"):
        read_look(False, *values)
    assert read_look(True, *values) is not None
    assert read_look(False, None, None, None, None) is None


def test_an_unknown_style_lists_those_there_are():
    with pytest.raises(UsageError, match=r"--style Atlas: no such style; did you mean ATLAS.*there are: ALICE, ATLAS,"):
        figures.require_plotting(Look(style="Atlas"))
    with pytest.raises(UsageError, match="--style CMSTex: it needs LaTeX"):
        figures.require_plotting(Look(style="CMSTex"))
    assert {"ATLAS", "CMS", "LHCb2"} <= set(style_names())


@pytest.mark.parametrize("name", style_names())
def test_a_style_brings_fonts_and_ticks_but_no_sizes(name):
    with figure_style():
        ours = dict(matplotlib.rcParams)
    with figure_style(Look(style=name)):
        theirs = dict(matplotlib.rcParams)
    changed = {key for key in ours if ours[key] != theirs[key]}
    assert changed
    assert not {"font.size", "figure.figsize", "axes.prop_cycle", "text.usetex", "savefig.dpi"} & changed
    assert theirs["font.family"][-1] == "DejaVu Sans", "what a font lacks is drawn in one that has it"


def test_absent_fonts_are_replaced_without_a_word(monkeypatch, caplog):
    kept = [font for font in font_manager.fontManager.ttflist if font.name.startswith(("DejaVu", "STIX", "cm"))]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", kept)
    with caplog.at_level(logging.WARNING), figure_style(Look(style="CMS")):
        figure = Figure(figsize=(3, 2))
        FigureCanvasAgg(figure)
        figure.text(0.1, 0.5, r"$\tau_{21}$, $\sqrt{s}$, $\mathrm{m}_{\ell\ell}$ and 5 − 3 √B")
        figure.canvas.draw()
    assert not caplog.records
    assert experiment_style("LHCb2")["font.family"] == ["DejaVu Serif", "DejaVu Sans"]


@pytest.mark.parametrize("width", [2.0, 6.0])
@pytest.mark.parametrize(
    ("label", "luminosity"),
    [
        ("work in progress", "139 fb⁻¹ (13 TeV)"),
        ("", "300 fb⁻¹"),
        (r"$\sqrt{s}$ = 13 TeV", ""),
        ("a label that goes on and on, " * 6, "139 fb⁻¹ (13 TeV), also in many words, " * 3),
    ],
)
def test_label_and_luminosity_stand_above_all_else(width, label, luminosity):
    with figure_style():
        figure = Figure(figsize=(width, 2))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.3, 0.3, 0.6, 0.4))
        axes.plot([0, 1], [0, 1], label="a line")
        figure.text(0.5, 0.99, "title", va="top", ha="center")
        legend = figure.legend(loc="upper center", bbox_to_anchor=(0.5, 0.9))
        figure.canvas.draw()
        before = [box.y0 for box in (axes.get_window_extent(), figure.texts[0].get_window_extent())]
        before.append(legend.get_window_extent().y0)
        add_head(figure, label, luminosity)
        figure.canvas.draw()
        after = [box.y0 for box in (axes.get_window_extent(), figure.texts[0].get_window_extent())]
        after.append(legend.get_window_extent().y0)
        assert after == pytest.approx(before, abs=1.0), "nothing is moved against the lower edge"
        assert overlapping(figure) == ([], [])
    head = [text for text in figure.texts if text.get_text() != "title"]
    assert len(head) == bool(label) + bool(luminosity)
    assert min(text.get_window_extent().y0 for text in head) >= 200 - 2


def test_without_label_and_luminosity_a_figure_stays_as_it_is():
    with figure_style():
        figure = Figure(figsize=(3, 2))
        FigureCanvasAgg(figure)
        add_head(figure)
    assert figure.get_size_inches().tolist() == [3, 2]


def test_words_are_tex_only_where_they_are():
    assert words("139 fb⁻¹") == "139 fb$^{-1}$"
    assert words(r"$\sqrt{s}$ of 5") == r"$\sqrt{s}$ of 5"
    assert words("5 $ and {") == r"5 \$ and {"


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    rng = np.random.default_rng(1)
    label = np.arange(800) % 2
    columns = {"big": rng.normal(1e6 * label, 3e5)}
    path = tmp_path_factory.mktemp("looks")
    events = write_events(path / "events.parquet", columns, label, luminosity=300.0)
    steps = [LearnedCut(Cut("big", Region.ABOVE, lower=3e5))]
    history = {"replica": [0, 0], "epoch": [1, 2], "loss": [1.0, 0.5]}
    run = make_run(path / "run", [replace(step, importance=0.5) for step in steps], history=history, replicas=2)
    return run, events


def drawn_with(setting, look, monkeypatch, tmp_path):
    """Draw all figures of a run and return them by kind, as they are saved."""
    run, events = setting
    found = {}

    def keep(figure, directory, stem):
        found[stem] = figure, overlapping(figure)
        return ()

    monkeypatch.setattr(save, "save_figure", keep)
    figures.draw_figures([run], events, tmp_path, curves=curves_of([run], events), look=look)
    return found


def texts_of(figure):
    found = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return [text for text in found if text]


def test_every_figure_has_them_and_names_no_experiment(setting, monkeypatch, tmp_path):
    look = Look(style="CMS", label="work in progress", logarithmic=True)
    found = drawn_with(setting, look, monkeypatch, tmp_path)
    assert set(found) == {
        "roc", "run-distributions", "run-stack", "run-n-minus-1", "run-importances", "run-loss",
    }  # fmt: skip
    for stem, (figure, overlaps) in found.items():
        assert overlaps == ([], []), stem
        texts = texts_of(figure)
        assert {"work in progress", "300 fb$^{-1}$"} <= set(texts), stem
        assert not [text for text in texts for name in EXPERIMENTS if name in text], stem
    for stem in ("run-distributions", "run-stack", "run-n-minus-1"):
        assert found[stem][0].axes[0].get_yscale() == "log"
