"""Rates have intervals, and are plain values."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from measured import (
    CONSISTENT,
    FLIP_FIRST,
    RATES,
    TIE,
    WRONG,
    pair,
    points,
    wilson,
)

from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.evaluation import metrics
from j1sdk.evaluation.metrics import Metrics, Rate, Share, measure


def test_an_interval_is_that_of_wilson_over_the_pairs() -> None:
    measured = measure([CONSISTENT] * 7 + [WRONG] * 2 + [FLIP_FIRST])
    low, high = measured.intervals["position_consistent_accuracy"]
    assert (low, high) == pytest.approx(wilson(7, 10))
    assert measured.intervals["verdict_flip_rate"] == pytest.approx(wilson(1, 10))
    assert measured.intervals["accuracy_by_order.0,1"] == pytest.approx(wilson(8, 10))
    assert measured.intervals["accuracy_by_order.1,0"] == pytest.approx(wilson(7, 10))


def test_two_orders_of_a_pair_are_one_trial() -> None:
    """Twenty judgments of ten pairs that always agree say what ten say."""
    measured = measure([CONSISTENT] * 7 + [WRONG] * 3)
    assert measured.accuracy == 0.7
    assert measured.intervals["accuracy"] == pytest.approx(wilson(7, 10))
    assert measured.intervals["accuracy"] != pytest.approx(wilson(14, 20))


def test_half_a_pair_widens_its_interval_to_both_sides() -> None:
    low, high = measure([CONSISTENT] * 7 + [WRONG] * 2 + [FLIP_FIRST]).intervals["accuracy"]
    assert low == pytest.approx(wilson(7, 10)[0])
    assert high == pytest.approx(wilson(8, 10)[1])


def test_every_known_rate_has_an_interval_and_no_other() -> None:
    measured = measure([CONSISTENT, FLIP_FIRST])
    by_order = {"accuracy_by_order.0,1", "accuracy_by_order.1,0"}
    assert set(measured.intervals) == {*RATES, *by_order, "kappa"}


def test_a_rate_is_found_by_its_name() -> None:
    measured = measure([CONSISTENT, FLIP_FIRST])
    low, high = measured.intervals["accuracy"]
    assert measured.rate("accuracy") == Rate(value=0.75, low=low, high=high)
    swapped = measured.rate("accuracy_by_order.1,0")
    assert swapped is not None and swapped.value == 0.5
    assert measure([points(1, 0)]).rate("verdict_flip_rate") is None
    with pytest.raises(KeyError):
        measured.rate("acuracy")


def test_a_rate_lies_in_its_interval() -> None:
    with pytest.raises(ConfigError, match="not between"):
        Rate(value=0.9, low=0.1, high=0.2)


def test_a_rate_of_nothing_is_none() -> None:
    share = Share()
    assert share.rate is None
    share.add([])
    assert share.rate is None


def test_metrics_are_plain_json() -> None:
    measured = measure([CONSISTENT, FLIP_FIRST, pair(TIE, None)])
    dumped = measured.model_dump(mode="json")
    assert json.loads(json.dumps(dumped)) == dumped
    assert Metrics.model_validate(dumped) == measured
    assert Metrics.model_validate_json(measured.model_dump_json()) == measured
    assert all(type(number) is float for ends in measured.intervals.values() for number in ends)


def test_metrics_are_frozen() -> None:
    with pytest.raises(ConfigError):
        measure([CONSISTENT]).n = 2  # type: ignore[misc]


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    metrics._wilson.cache_clear()
    with pytest.raises(MissingExtraError, match=r"scipy.*j1sdk\[eval\]"):
        measure([CONSISTENT])


def test_importing_metrics_loads_nothing_heavy() -> None:
    program = "import sys, j1sdk.evaluation.metrics; print('scipy' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"
