"""Two runs against each other: a planted change is found, noise is not."""

from datetime import timedelta
from pathlib import Path

import pytest

from loadtests.driver.result import Run
from loadtests.report import compare as comparing
from loadtests.report import measure
from loadtests.report.__main__ import main
from loadtests.tests.report_sample import sample

_ONE = {"cameras.PublishDetections": 60.0}


def _two(tmp_path: Path, slower: float, seed: int = 2) -> tuple[Path, Path]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return (
        sample(tmp_path / "a", seed=1, operations=_ONE),
        sample(tmp_path / "b", seed=seed, operations=_ONE, slower=slower),
    )


def _responses(comparison: comparing.Comparison) -> dict[str, comparing.Row]:
    return {row.percentile: row for row in comparison.rows if row.name.endswith(" response")}


def test_a_change_of_a_fifth_is_found(tmp_path: Path) -> None:
    a, b = _two(tmp_path, slower=1.2)
    there, back = comparing.compare(a, b, draws=200), comparing.compare(b, a, draws=200)
    row = _responses(there)["p50"]
    assert row.low < 1.2 < row.high
    assert (row.verdict, there.verdict) == ("worse", "worse")
    assert _responses(back)["p50"].verdict == "better"


@pytest.mark.parametrize("seed", range(2, 6))
def test_noise_is_no_difference(tmp_path: Path, seed: int) -> None:
    comparison = comparing.compare(*_two(tmp_path, 1.0, seed), draws=200)
    assert {row.verdict for row in comparison.rows} <= {"no difference", "too few calls"}
    assert any("seed" in one for one in comparison.warnings)


def test_what_is_compared_is_what_was_reported(tmp_path: Path) -> None:
    a, b = _two(tmp_path, 1.0)
    run = Run.read(a)
    run.model_copy(update={"began": run.began + timedelta(seconds=0.859)}).write(a)
    (reported,) = measure(a).figures.operations
    row = _responses(comparing.compare(a, b, draws=5))
    response = reported.response
    assert [row[name].a for name in comparing.PERCENTILES] == [
        *(response.p50, response.p90, response.p99, response.p999),
    ]


def test_one_machine_is_the_same_whatever_its_load(tmp_path: Path) -> None:
    a, b = _two(tmp_path, 1.0)
    for folder, load in ((a, 0.5), (b, 3.1)):
        machine = {"cores": 4, "load_1min": load}
        Run.read(folder).model_copy(update={"machine": machine}).write(folder)
    assert "not the same machine" not in comparing.compare(a, b, draws=5).warnings
    Run.read(b).model_copy(update={"machine": {"cores": 8, "load_1min": 0.5}}).write(b)
    assert "not the same machine" in comparing.compare(a, b, draws=5).warnings


def _said(
    a: Path, b: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> tuple[int, str, str]:
    """The exit code, what is printed, and the page."""
    page = tmp_path / "compare.html"
    code = main(["compare", str(a), str(b), "--draws", "100", "--html", str(page)])
    return code, capsys.readouterr().out, page.read_text(encoding="utf-8")


def test_no_difference_is_said_of_what_was_all_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words, page = _said(*_two(tmp_path, 1.0), capsys, tmp_path)
    assert (code, "not compared" in words) == (0, False)
    assert "B against A: no difference" in words
    assert '<header class="banner PASS">' in page


def test_what_is_missing_in_one_run_is_named_and_not_called_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = _two(tmp_path, 1.0)
    log = b / "freshness.hlog"
    kept = [line for line in log.read_text().splitlines(True) if "112-dispatch" not in line]
    log.write_text("".join(kept))
    for sides in ((a, b, "A"), (b, a, "B")):
        code, words, page = _said(*sides[:2], capsys, tmp_path)
        assert code == 2
        assert f"not compared: 112-dispatch urgent is in {sides[2]} only" in words
        assert "B against A: not all compared" in words
        assert f"Not compared: 112-dispatch urgent is in {sides[2]} only" in page
        assert '<header class="banner INVALID">' in page


def test_an_effect_with_too_few_values_is_not_called_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = _two(tmp_path, 1.0)
    for folder in (a, b):
        log = folder / "freshness.hlog"
        lines = log.read_text().splitlines(True)
        urgent = [line for line in lines if "112-dispatch" in line]
        log.write_text("".join(line for line in lines if line not in urgent[5:]))
    code, words, _ = _said(a, b, capsys, tmp_path)
    assert code == 2
    assert "not compared: 112-dispatch urgent has too few calls for any percentile" in words
    assert "B against A: not all compared" in words


def test_worse_is_worse_whatever_is_missing(tmp_path: Path) -> None:
    a, b = _two(tmp_path, 1.2)
    (b / "freshness.hlog").unlink()
    comparison = comparing.compare(a, b, draws=100)
    assert len(comparison.gaps) == 3
    assert comparison.verdict == "worse"


def test_runs_with_nothing_in_common_are_not_compared(tmp_path: Path) -> None:
    a, b = _two(tmp_path, 1.0)
    for one in (b / "freshness.hlog", *b.glob("shards/*/intervals.hlog"), b / "merged.hlog"):
        one.unlink()
    assert comparing.compare(a, b, draws=5).verdict == "nothing compared"


def test_the_same_seed_gives_the_same_intervals(tmp_path: Path) -> None:
    a, b = _two(tmp_path, 1.1)
    first, second = comparing.compare(a, b, draws=50), comparing.compare(a, b, draws=50)
    assert first == second
    assert first != comparing.compare(a, b, seed=2, draws=50)


def test_an_invalid_run_is_not_compared_and_names_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "<script>alert(1)</script>"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        sample(tmp_path / folder, "INVALID", seconds=20, operations={name: 20.0})
    page = tmp_path / "compare.html"
    arguments = [str(tmp_path / "a"), str(tmp_path / "b"), "--draws", "50", "--html", str(page)]
    assert main(["compare", *arguments]) == 2
    assert "INVALID" in capsys.readouterr().out
    assert "<script" not in page.read_text(encoding="utf-8")
