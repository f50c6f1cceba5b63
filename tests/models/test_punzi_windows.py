"""Hypotheses and windows: tables, fits, strictness, masses held out."""

import numpy as np
import pytest
from punzi_cases import MASSES, WIDTH, peak_sample, peak_settings

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.punzi.window_table import WindowRow, read_window_table
from cutflow_cli.models.punzi.windows import find_windows, gaussian_core
from cutflow_cli.selection.cut import Cut, Region


def table(tmp_path, text):
    path = tmp_path / "widths.csv"
    path.write_text(text)
    return path


def test_a_table_whose_cells_name_the_columns(tmp_path):
    text = "gen_mass,core_mean,core_sigma,n,window_centre,window_width\n0.5,0.26,0.09,8227,core_mean,core_sigma\n"
    (row,) = read_window_table(table(tmp_path, text), {})
    assert row == WindowRow(mass=0.5, centre=0.26, width=0.09)


def test_columns_by_name_position_and_option(tmp_path):
    path = table(tmp_path, "m,center,sigma,n_gen,wide\n1,1.01,0.1,500,0.3\n2,4.02,0.2,600,0.4\n")
    assert read_window_table(path, {})[1] == WindowRow(mass=2, centre=4.02, width=0.2, generated=600)
    assert read_window_table(path, {"width": "wide"})[0].width == 0.3


@pytest.mark.parametrize(
    ("text", "named", "words"),
    [
        ("m,centre\n1,1\n", {}, "--window-columns width=NAME"),
        ("m,width\n1,0\n", {}, "line 2: width"),
        ("m,width\n1,x\n", {}, "column 'width' holds 'x'"),
        ("m,width\n1,\n", {}, "column 'width' holds ''"),
        ("m,width\n1,0.1\n1,0.2\n", {}, "hypothesis 1 has more than one row"),
        ("m,width\n", {}, "no rows"),
        ("m,width\n1,0.1\n", {"width": "widht"}, "did you mean width?"),
        ("m,width,window_width\n1,0.1,sigma\n", {}, "window_width names column 'sigma'"),
    ],
)
def test_bad_tables_are_named_with_their_remedy(tmp_path, text, named, words):
    with pytest.raises(InputError, match=r"widths\.csv") as error:
        read_window_table(table(tmp_path, text), named)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        PunziSettings(mass_column="m2", windows=tmp_path / "none.csv")


def test_the_centre_is_the_squared_mass_or_the_mass():
    sample = peak_sample()
    squared = find_windows(sample, peak_settings(n_sigma=2.0))
    assert squared.hypotheses == MASSES
    assert squared.cuts[1] == Cut("m2", Region.INSIDE, np.float32(2.25 - 0.4), np.float32(2.25 + 0.4))
    linear = find_windows(sample, peak_settings(mass_scale="linear"))
    assert linear.cuts[1].lower == np.float32(1.5 - 4 * WIDTH)


def test_bounds_are_float32_values_and_strict():
    sample = peak_sample()
    windows = find_windows(sample, peak_settings())
    cut = windows.cuts[0]
    assert np.float32(cut.lower) == cut.lower != 1.0 - 4 * WIDTH
    edge = np.float32(cut.lower)
    at = np.array([edge, np.nextafter(edge, np.float32(9)), np.nextafter(edge, np.float32(-9)), np.nan], np.float32)
    sample.spectators["m2"][:4] = at
    assert windows.inside(0, sample)[:4].tolist() == [False, True, False, False]


def test_a_mass_that_the_table_misses():
    with pytest.raises(InputError, match=r"no row for hypothesis 2\.5, of which there are signal events"):
        find_windows(peak_sample(), peak_settings(masses=MASSES[:3]))


def test_a_row_without_signal_is_said():
    windows = find_windows(peak_sample(masses=MASSES[:3]), peak_settings())
    assert windows.hypotheses == MASSES[:3]
    assert windows.notes == ("--windows: no signal event has mass 2.5; left out",)


def test_masses_held_out():
    sample = peak_sample()
    assert find_windows(sample, peak_settings(holdout_hypotheses="every-second")).trained.tolist() == [0, 2]
    assert find_windows(sample, peak_settings(holdout_hypotheses="1,2.5")).trained.tolist() == [1, 2]
    with pytest.raises(UsageError, match=r"--holdout-hypotheses 3: no signal event.* 1, 1.5, 2, 2.5"):
        find_windows(sample, peak_settings(holdout_hypotheses=(3.0,)))
    with pytest.raises(UsageError, match="none is left to train on"):
        find_windows(sample, peak_settings(holdout_hypotheses=MASSES))


def test_windows_fitted_to_the_core():
    sample = peak_sample(40_000)
    windows = find_windows(sample, PunziSettings(mass_column="m2"))
    for mass, cut in zip(MASSES, windows.cuts, strict=True):
        assert (cut.lower + cut.upper) / 2 == pytest.approx(mass**2, abs=0.02)
        assert (cut.upper - cut.lower) / 4 == pytest.approx(WIDTH, rel=0.06)
    assert windows.notes == ("windows of m2 fitted to the core of each hypothesis' signal, ±2 σ",)


def test_the_core_under_a_tail():
    rng = np.random.default_rng(1)
    core, tail = rng.normal(5.0, 0.3, 20_000), 5.0 + rng.exponential(3.0, 6_000)
    values = np.concatenate([core, tail, [np.nan]])
    mean, sigma = gaussian_core(values, np.ones(len(values)), "it")
    assert mean == pytest.approx(5.0, abs=0.05)
    assert sigma == pytest.approx(0.3, rel=0.15)
    assert values[:-1].std() > 5 * sigma  # what a plain standard deviation would have said


def test_too_few_events_for_a_fit():
    with pytest.raises(InputError, match=r"hypothesis 1: 10 signal events .* too few to fit a window; give --windows"):
        find_windows(peak_sample(160), PunziSettings(mass_column="m2"))


def test_without_mass_points_there_is_one_hypothesis():
    sample = peak_sample()
    plain = type(sample)(**{name: getattr(sample, name) for name in sample.__slots__ if name != "hypothesis"})
    windows = find_windows(plain, PunziSettings())
    assert windows.hypotheses == (None,)
    assert windows.inside(0, plain).all()
    assert windows.signal_of(0, plain).sum() == 1000
    with pytest.raises(UsageError, match="no mass points"):
        find_windows(plain, PunziSettings(holdout_hypotheses="every-second"))
