"""A gate on few values says of how many; gates and their names are those of the scenarios."""

from pathlib import Path

from loadtests.driver.result import Result
from loadtests.report import measure, write
from loadtests.scenarios.gates import judge
from loadtests.scenarios.scenario import Scenario
from loadtests.tests.report_sample import sample

_LIMITS = {"p99_ms": 1, "p999_ms": 10_000}
_SCENARIO = Scenario.model_validate(
    {
        "name": "s",
        "about": "",
        "phases": [
            {"name": name, "seconds": 1, "rates": {"parking.HoldBay": {"rate": 1}}}
            for name in ("warm-up", "steady")
        ],
        "gates": {
            "response": {"parking.HoldBay": _LIMITS},
            "freshness": {
                "urgent": _LIMITS,
                "normal": _LIMITS,
                "bulk": {**_LIMITS, "phase": "warm-up"},
            },
            "freshness_ratio": {"urgent": {"phase": "steady", "to": "warm-up", "p99_at_most": 9}},
        },
    }
)


def test_few_values_are_counted_in_every_file_however_often_it_is_written(tmp_path: Path) -> None:
    figures = measure(sample(tmp_path, seconds=60)).figures
    (calls,) = (one.sent for one in figures.operations if one.name == "parking.HoldBay")
    judge(_SCENARIO, figures, None, []).write(tmp_path)
    write(tmp_path)
    result = write(tmp_path)
    details = {gate.name: gate.detail for gate in result.gates if gate.name.startswith("p99")}
    ratio = details.pop("p99 freshness, urgent, steady / warm-up: 112-dispatch")
    assert ratio.endswith(" ms, of 96 and 24 values only")
    assert details == {
        "p99 response of parking.HoldBay": f"of {calls} values only",
        "p99.9 response of parking.HoldBay": f"of {calls} values only",
        "p99 freshness, urgent: 112-dispatch": "of 120 values only",
        "p99.9 freshness, urgent: 112-dispatch": "of 120 values only",
        "p99 freshness, normal: alarm": "",
        "p99.9 freshness, normal: alarm": "of 1,200 values only",
        "p99 freshness, bulk in warm-up: hourly-mean": "of 480 values only",
        "p99.9 freshness, bulk in warm-up: hourly-mean": "of 480 values only",
    }
    assert Result.read(tmp_path) == result
    for file in ("report.html", "junit.xml"):
        assert f"of {calls} values only" in (tmp_path / file).read_text(encoding="utf-8")


def test_a_gate_that_could_not_be_judged_says_that_alone(tmp_path: Path) -> None:
    figures = measure(sample(tmp_path, seconds=5)).figures
    judge(_SCENARIO, figures.model_copy(update={"phases": figures.phases[:1]}), None, []).write(
        tmp_path
    )
    (gate,) = (one for one in write(tmp_path).gates if "steady / warm-up" in one.name)
    assert (gate.value, gate.detail) == (None, "it was not seen in both phases")
