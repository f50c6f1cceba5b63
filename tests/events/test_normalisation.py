"""What an event is worth, against numbers worked out by hand."""

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.events.normalisation import Found, GeneratorSums, Normalisation, check_weights, generated
from cutflow_cli.events.process_settings import ProcessSettings

NOTHING = Found(GeneratorSums(None, None, None))


def process(**settings):
    return ProcessSettings(role="signal", files=("a.root",), **settings)


def test_the_cross_section_times_the_luminosity_is_what_a_full_sample_is_worth():
    # ttbar at 13 TeV: 831.76 pb (NNLO+NNLL) and 139 fb^-1 are 115.6 million events; 1e8 of them generated
    normalisation = Normalisation.of("p", process(cross_section=831.76), 139.0, NOTHING)
    assert 1e8 * normalisation.scale(1e8) == pytest.approx(831.76 * 139_000)
    assert normalisation.scale(1e8) == pytest.approx(1.1561464)


def test_k_factor_and_filter_efficiency_multiply_the_cross_section():
    settings = process(cross_section=10.0, k_factor=1.2, filter_efficiency=0.25)
    normalisation = Normalisation.of("p", settings, 2.0, NOTHING)
    assert normalisation.cross_section == pytest.approx(3.0)
    assert normalisation.scale(600.0) == pytest.approx(10.0)


def test_yields_and_bare_events_are_taken_as_they_come():
    assert Normalisation.of("p", process(weight="w", weights_are_yields=True), 50.0, NOTHING) == Normalisation("yields")
    assert Normalisation.of("p", process(), None, NOTHING).scale(None) == 1.0


def test_the_denominator_is_what_is_given_or_what_was_read():
    sums = GeneratorSums(100, 90.0, 85.0)
    read = Found(sums)
    assert generated("p", process(cross_section=1, weight="w"), read) == sums
    assert generated("p", process(cross_section=1, weight="w", generated_events=100), read) == sums
    given = process(cross_section=1, weight="w", sum_of_weights=1e6, generated_events=2_000_000)
    assert generated("p", given, read) == GeneratorSums(2_000_000, 1e6, None)
    unit = process(cross_section=1, generated_events=500)
    assert generated("p", unit, NOTHING) == GeneratorSums(500, 500.0, 500.0)
    assert generated("p", process(cross_section=1, sum_of_weights=500), read) == GeneratorSums(None, 500.0, 500.0)
    assert generated("p", process(weight="w", weights_are_yields=True), read) == GeneratorSums(None, None, None)


def test_a_sum_over_part_of_the_events_is_no_denominator():
    found = Found(GeneratorSums(100, 90.0, 85.0))
    with pytest.raises(InputError, match=r"500 events were generated but the files hold 100.*give sum_of_weights"):
        generated("p", process(cross_section=1, weight="w", generated_events=500), found)


@pytest.mark.parametrize(
    ("sumw", "sumw2", "says"),
    [(0.0, 0.0, "the weights of its 5 events before any preselection are all zero"), (-3.0, 9.0, "sum to -3")],
)
def test_a_denominator_must_be_positive(sumw, sumw2, says):
    with pytest.raises(InputError, match=says):
        generated("p", process(cross_section=1, weight="w"), Found(GeneratorSums(5, sumw, sumw2)))


def test_weights_must_be_finite():
    check_weights(np.array([1.0, -1.0, 0.0]), "a.root", "w", 0, 3)
    with pytest.raises(InputError, match=r"a.root: weight 'w' is infinite for 2 of rows 10 to 12 \(first: row 11\)"):
        check_weights(np.array([1.0, -np.inf, np.nan]), "a.root", "w", 10, 3)
    with pytest.raises(InputError, match=r"is missing for 1 of the 2 events picked from rows 10 to 19; remove"):
        check_weights(np.array([1.0, np.nan]), "a.root", "w", 10, 10)
