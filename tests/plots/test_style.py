"""Numbers as printed, and text that can always be drawn."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.backend import Figure, FigureCanvasAgg
from cutflow_cli.plots.save import file_stems
from cutflow_cli.plots.style import axis_label, figure_style, fit, number, plain, shortened, symbol, unit


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (65.2349, 0.0312, "65.235 ± 0.031"),
        (-0.5, None, "−0.5"),
        (312.3, 31.2, "312 ± 31"),
        (96325.4, 2401.2, "96300 ± 2400"),  # as in the tables
        (12.345, 0.0996, "12.35 ± 0.10"),
        (52583916.8, 4366856.6, "(5.26 ± 0.44)×$10^{7}$"),
        (1.0, 0.0, "1"),
        (float("inf"), None, "∞"),
        (1e5, None, "$10^{5}$"),
        (-2.5e-7, None, "−2.5×$10^{-7}$"),
    ],
)
def test_numbers_are_written_to_the_second_digit_of_the_error(value, error, text):
    assert number(value, error) == text


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        (FeatureInfo("m_jet", unit="GeV", label="m_J"), "$m_J$ [GeV]"),
        (FeatureInfo("x", label=r"$\tau_{21}$"), r"$\tau_{21}$"),
        (FeatureInfo("x", label="jet mass"), "jet mass"),
        (FeatureInfo("x", label=r"\no_such{"), r"\no_such{"),  # no TeX: drawn as it stands
        (FeatureInfo("a$b", unit="GeV^2"), r"a\$b [GeV$^{2}$]"),
        (FeatureInfo("x", unit="cm**-2"), "x [cm$^{-2}$]"),
    ],
)
def test_axis_labels(feature, text):
    assert axis_label(feature) == text


def test_text_without_glyphs_or_with_control_characters_is_mended():
    assert plain("é漢\n🙂$") == r"é???\$"


def test_long_names_are_shortened_in_the_middle():
    assert shortened("a" * 30 + "b" * 30, 11) == "aaaaa…bbbbb"
    assert shortened("short") == "short"


@settings(max_examples=25)
@given(st.text(max_size=30), st.text(max_size=10))
def test_any_name_and_unit_can_be_drawn(name, unit_text):
    with figure_style():
        figure = Figure(figsize=(2, 1))
        canvas = FigureCanvasAgg(figure)
        figure.text(0.5, 0.5, axis_label(FeatureInfo(name, unit=unit_text, label=None)))
        figure.text(0.5, 0.2, symbol(FeatureInfo("x", label=name)) + unit(unit_text))
        canvas.draw()


def test_text_is_shrunk_to_fit_or_says_that_it_does_not():
    with figure_style():
        figure = Figure(figsize=(4, 1))
        FigureCanvasAgg(figure)
        text = figure.text(0, 0, "twenty-four characters !", fontsize=12)
        assert fit(figure, text, 10)
        assert text.get_fontsize() == 12
        assert fit(figure, text, 1.7)
        assert 7 <= text.get_fontsize() < 12
        assert not fit(figure, text, 0.5)


def test_file_names_are_safe_and_different():
    assert file_stems(["lcf par", "lcf/par", "LCF_par", "../é", "", "run"]) == [
        "lcf_par", "lcf_par-2", "LCF_par-3", "run", "run-2", "run-3",
    ]  # fmt: skip
