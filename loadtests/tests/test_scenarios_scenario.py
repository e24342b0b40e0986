"""Faults of a scenario that would not be over when it is."""

import re
from pathlib import Path

import pytest

from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.scenario import ScenarioError

_FAULT = """
about: x
phases: [{name: only, seconds: 60, rates: {emergency.ListIncidents: {rate: 1}}}]
faults: [{at: 10, kind: stop, target: sensors, seconds: 15}]
"""


def test_a_fault_that_a_shorter_run_would_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(_FAULT)
    chosen = scenarios.load(str(file))
    assert chosen.stretched(0.5).faults[0].seconds == 15
    words = (
        "mine, stretched by 0.25: faults.0: stop at 2.5 s for 15 s is over after the phases:"
        " expected by 15 s"
    )
    with pytest.raises(ScenarioError, match=re.escape(words)):
        chosen.stretched(0.25)


def test_a_drawn_fault_is_over_in_the_calm_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    chaos = "chaos: {first: 5, every: 5, calm: 10, of: [{kind: stop, target: kafka, seconds: %d}]}"
    rest, _, _ = _FAULT.partition("faults")
    file.write_text(rest + chaos % 10)
    assert scenarios.load(str(file)).planned(1)
    file.write_text(rest + chaos % 11)
    with pytest.raises(ScenarioError, match=r"of\.0\.seconds: expected at most calm, 10 s"):
        scenarios.load(str(file))
