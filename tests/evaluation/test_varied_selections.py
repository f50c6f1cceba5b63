"""What variations of weights and alternative samples do to selections, against numbers counted by hand."""

from __future__ import annotations

import math

import pytest
from variation_files import event, write_events

from cutflow_cli.errors import UsageError
from cutflow_cli.evaluation.normalise import normalise
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.evaluation.variations import choose_variations, count_variations
from cutflow_cli.events.schema import VARIATION
from cutflow_cli.events.table import open_events

#: Signal 2 of train, 1 of test; A 2 of train and 2 of test, B 1 and 1. The scales of test: S 3/1, A 10/4, B 6/2.
EVENTS = (
    event("S", "train", 1.0, 1.0), event("S", "train", -1.0, 1.0), event("S", "test", 1.0, 1.0, sig=1.5),
    event("A", "train", 1.0, 3.0, pu_up=3.6), event("A", "train", -1.0, 3.0),
    event("A", "test", 1.0, 3.0, pu_up=3.3, pu_down=2.4), event("A", "test", -1.0, 1.0, pu_up=2.0, pu_down=1.0),
    event("B", "train", 1.0, 4.0), event("B", "test", 1.0, 2.0),
    event("B", VARIATION, 1.0, 0.0, shower=4.0), event("B", VARIATION, 1.0, 0.0, shower=1.0),
    event("B", VARIATION, -1.0, 0.0, shower=2.0),
)  # fmt: skip
NAMES = ("pu_up", "pu_down", "shower", "sig")


@pytest.fixture
def counted(tmp_path, make_flow):
    """Events by hand, counted after x > 0 without and under each variation."""

    def count(events=EVENTS, names=NAMES, replaced=None, rows=None):
        path = write_events(tmp_path / "events.parquet", events, names, replaced or {"shower": ["B"]})
        opened = open_events(path)
        flow = make_flow(0.0, 9.0)
        nominal = normalise(tally(opened, [flow]), opened.metadata.processes)
        found = count_variations(opened, [flow], nominal, opened.metadata.variations, "test")
        return flow.cuts, nominal, found, {one.info.name: one for one in found.varied}

    return count


def test_weights_keep_the_nominal_scale_and_alternative_samples_count_whole(counted):
    cuts, nominal, _, under = counted()
    assert nominal.of_class(cuts, "background", "test", None).passed.sumw == pytest.approx(3 * 2.5 + 2 * 3)
    expected = {
        "pu_up": (3.3 * 2.5, 5.3 * 2.5, 6.0, 6.0),  # passing and all of A, passing and all of B
        "pu_down": (2.4 * 2.5, 3.4 * 2.5, 6.0, 6.0),
        "shower": (7.5, 10.0, 5.0, 7.0),  # not 5 × 3, nor 5 × 6/7
        "sig": (7.5, 10.0, 6.0, 6.0),
    }
    for name, numbers in expected.items():
        sums = [under[name].events.of_process(prefix, p, "test", None) for p in (1, 2) for prefix in (cuts, ())]
        assert [one.sumw for one in sums] == pytest.approx(numbers), name
    sample = under["shower"].events.of_process(cuts, 2, "test", None)
    assert (sample.events, sample.sumw2) == (2, 17.0)
    for split in ("train", "test"):  # the same sample, whichever split it is compared with
        assert under["shower"].events.of_process((), 2, split, None).sumw == 7.0
    assert under["sig"].events.of_class(cuts, "signal", "test", None).passed.sumw == pytest.approx(4.5)


def test_shifts_and_their_statistics(counted):
    cuts, _, found, under = counted()
    changes = {name: under[name].change.of_class(cuts, "background", "test", None).passed for name in NAMES}
    assert changes["pu_up"].sumw == pytest.approx(0.3 * 2.5)
    assert changes["pu_up"].sumw2 == pytest.approx((0.3 * 2.5) ** 2)  # the same event with another weight
    assert changes["pu_down"].sumw == pytest.approx(-0.6 * 2.5)
    assert changes["shower"].sumw == pytest.approx(5.0 - 6.0)
    assert changes["shower"].sumw2 == pytest.approx(16 + 1 + (2 * 3) ** 2)  # other events
    assert (changes["sig"].sumw, changes["sig"].sumw2) == (0.0, 0.0)
    assert [source.name for source in found.sources] == ["pu", "shower", "sig"]
    assert found.of_background(cuts, "test") == pytest.approx(math.hypot(0.6 * 2.5, 1.0))
    assert found.of_background((), "test") == pytest.approx(math.hypot(1.3 * 2.5, 1.0))
    assert found.of_background(cuts, "train") == pytest.approx(math.hypot(0.6 * 10 / 6, 5 - 4 * 6 / 4))


def test_a_variation_may_do_both(counted):
    events = [*EVENTS[:5], event("A", "test", 1.0, 3.0, shower=6.0), *EVENTS[6:]]
    cuts, _, _, under = counted(events)
    change = under["shower"].change
    assert change.of_process(cuts, 1, "test", None).sumw == pytest.approx(3.0 * 2.5)
    assert change.of_class(cuts, "background", "test", None).passed.sumw == pytest.approx(7.5 - 1.0)


def test_samples_of_two_variations_do_not_mix(counted):
    events = [
        *EVENTS,
        event("B", VARIATION, 1.0, 0.0, other=30.0),
        event("S", VARIATION, 1.0, 0.0, other=7.0),
        event("S", VARIATION, -1.0, 0.0, other=1.0),
    ]
    replaced = {"shower": ["B"], "other": ["B", "S"]}
    cuts, _, _, under = counted(events, (*NAMES, "other"), replaced)
    assert under["shower"].events.of_process(cuts, 2, "test", None).sumw == 5.0
    assert under["other"].events.of_process(cuts, 2, "test", None).sumw == 30.0
    assert under["other"].events.of_process(cuts, 0, "test", None).sumw == 7.0
    assert under["other"].events.of_process((), 0, "test", None).sumw == 8.0
    assert under["shower"].change.of_class(cuts, "signal", "test", None).passed.sumw == 0.0


def test_mass_points_that_an_alternative_sample_lacks(counted):
    masses = [
        event("S", "test", 1.0, 1.0, 100.0), event("S", "test", 1.0, 3.0, 200.0), event("S", "train", 1.0, 2.0, 100.0),
        event("A", "test", 1.0, 2.0), event("A", "train", 1.0, 2.0),
        event("S", VARIATION, 1.0, 0.0, 100.0, alt=5.0), event("S", VARIATION, -1.0, 0.0, 100.0, alt=1.0),
        event("S", VARIATION, 1.0, 0.0, 300.0, alt=50.0),
    ]  # fmt: skip
    cuts, _, _, under = counted(masses, ("alt",), {"alt": ["S"]})
    known = under["alt"].kept(cuts, "signal", "test", 100.0)
    assert (known.passed.sumw, known.total.sumw, known.undefined) == (5.0, 6.0, None)
    for hypothesis in (200.0, None):
        missing = under["alt"].kept(cuts, "signal", "test", hypothesis)
        assert missing.undefined == "the alternative sample of 'S' has no hypothesis 200"
    assert under["alt"].change.of_class(cuts, "signal", "test", 100.0).passed.sumw == pytest.approx(5.0 - 3.0)


def test_choice(tmp_path):
    metadata = open_events(write_events(tmp_path / "e.parquet", EVENTS, NAMES, {"shower": ["B"]})).metadata
    assert [one.name for one in choose_variations(metadata, None, "f")] == list(NAMES)
    assert [one.name for one in choose_variations(metadata, ["sig", "pu_up"], "f")] == ["pu_up", "sig"]
    assert choose_variations(metadata, (), "f") == ()
    with pytest.raises(UsageError, match=r"--variation pu_upp: f has no variation of that name; did you mean pu_up"):
        choose_variations(metadata, ["pu_upp"], "f")
