"""The page of a run: its figures are the histograms', it asks for nothing, and it cannot be hurt by
what it shows."""

import base64
import hashlib
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hdrh.log import HistogramLogReader

from loadtests.driver.result import Gate, Result, ResultError, Run, Verdict
from loadtests.report import histograms, measure, write
from loadtests.report.__main__ import main
from loadtests.report.page import short, span
from loadtests.tests.chromium import drawn, needs_chromium
from loadtests.tests.report_sample import empty, sample

_HOSTILE = "<script>alert(1)</script><img/src=x/onerror=alert(2)>"


def _data(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


def _truth(folder: Path) -> dict[str, Counter[int]]:
    """Counts by tag straight from each shard's log, added up by value."""
    counted: dict[str, Counter[int]] = {}
    for log in folder.glob("shards/*/intervals.hlog"):
        for one in histograms.read(log):
            counted.setdefault(one.tag, Counter()).update(dict(histograms.counts(one.histogram)))
    return counted


def test_merging_shards_keeps_every_count(tmp_path: Path) -> None:
    measured = measure(sample(tmp_path, seconds=20, shards=3))
    truth = _truth(tmp_path)
    assert {tag: Counter(dict(histograms.counts(measured.totals[tag]))) for tag in truth} == truth
    again: dict[str, Counter[int]] = {}
    seen = set()
    for one in histograms.read(tmp_path / "merged.hlog"):
        assert (one.second, one.tag) not in seen
        seen.add((one.second, one.tag))
        again.setdefault(one.tag, Counter()).update(dict(histograms.counts(one.histogram)))
    assert again == truth


def test_a_run_that_began_within_a_second_is_merged_with_its_first(tmp_path: Path) -> None:
    run = Run.read(sample(tmp_path, seconds=5))
    run.model_copy(update={"began": run.began + timedelta(seconds=0.859)}).write(tmp_path)
    truth = {tag: counted.total() for tag, counted in _truth(tmp_path).items()}
    measure(tmp_path)
    again = Counter[str]()
    reader = HistogramLogReader(str(tmp_path / "merged.hlog"), None)
    while (one := reader.get_next_interval_histogram()) is not None:
        again[one.get_tag()] += one.get_total_count()
    reader.close()
    assert again == truth


def test_what_is_before_the_beginning_of_a_log_is_read_too(tmp_path: Path) -> None:
    measure(sample(tmp_path, seconds=5))
    log = tmp_path / "merged.hlog"
    whole = [(one.second, one.tag) for one in histograms.read(log)]
    log.write_text(re.sub(r"(StartTime: \d+)\.000", r"\1.859", log.read_text()))
    assert [(one.second, one.tag) for one in histograms.read(log)] == whole


@pytest.mark.parametrize(
    ("within", "counted"),
    [
        (0.0, [110, 11_000]),
        (0.141, [110, 111_000]),
        (0.5, [110, 111_000]),
        (0.859, [1_110, 110_000]),
    ],
)
def test_each_effect_is_in_one_phase_whenever_in_a_second_the_phases_begin(
    tmp_path: Path, within: float, counted: list[int]
) -> None:
    """The second before the run has one effect, each that follows ten times as many."""
    run = Run.read(sample(tmp_path, seconds=5))
    began, turn, ended = (run.began + timedelta(seconds=within + second) for second in (0, 2, 4))
    first, second = run.phases
    phases = (
        first.model_copy(update={"began": began, "ended": turn}),
        second.model_copy(update={"began": turn, "ended": ended}),
    )
    run.model_copy(update={"began": began, "ended": ended, "phases": phases}).write(tmp_path)
    before = int(run.began.timestamp()) - 1
    with histograms.writing(tmp_path / "freshness.hlog", before) as writer:
        for power in range(7):
            one = empty()
            one.record_value(1_000, 10**power)
            writer.write(histograms.Interval(before + power, "alarm|urgent", one))
    phases_found = measure(tmp_path).figures.phases
    assert [one.freshness[0].freshness.count for one in phases_found] == counted


def test_counts_are_all_values_recorded_zero_too() -> None:
    one = empty()
    for value in (0, 0, 1, 7, 2047, 2048, 5_000_001):
        one.record_value(value)
    found = histograms.counts(one)
    assert sum(times for _, times in found) == 7
    assert found[:3] == [(0, 2), (1, 1), (7, 1)]


def test_figures_on_the_page_are_those_of_the_histograms(tmp_path: Path) -> None:
    write(sample(tmp_path, seconds=20))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    measured = measure(tmp_path)
    for one in measured.figures.operations:
        whole = empty()
        for value, times in _truth(tmp_path)[f"{one.name}|response"].items():
            whole.record_value(value, times)
        for share, shown in ((50, one.response.p50), (99, one.response.p99)):
            assert shown == whole.get_value_at_percentile(share) / 1000
            assert f'<data value="{shown}">{short(shown)}</data>' in page
        assert one.sent == one.ok + one.failed + one.unknown == one.intended
        assert one.response.count == one.sent


def test_a_shard_that_is_missing_is_counted_and_a_torn_one_is_named(tmp_path: Path) -> None:
    sample(tmp_path, seconds=5, shards=2)
    shutil.rmtree(tmp_path / "shards" / "1")
    figures = measure(tmp_path).figures
    assert figures.shards == 1
    assert all(one.sent < one.intended for one in figures.operations)
    log = tmp_path / "shards" / "0" / "intervals.hlog"
    log.write_text(log.read_text()[:-40])
    with pytest.raises(ResultError, match=r"shards/0/intervals\.hlog"):
        measure(tmp_path)
    assert main([str(tmp_path)]) == 2


@pytest.mark.parametrize(("verdict", "code"), [("PASS", 0), ("FAIL", 1), ("INVALID", 2)])
def test_the_verdict_comes_first_and_is_the_exit_code(
    tmp_path: Path, verdict: Verdict, code: int
) -> None:
    sample(tmp_path, verdict, seconds=60)
    assert main([str(tmp_path)]) == code
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f'<main>\n<header class="banner {verdict}">' in page
    for reason in Result.read(tmp_path).reasons:
        assert f"<li>{reason}</li>" in page


def test_without_gates_a_run_is_invalid(tmp_path: Path) -> None:
    sample(tmp_path, seconds=5)
    (tmp_path / "result.json").unlink()
    assert write(tmp_path).verdict == "INVALID"


def test_junit_has_each_gate(tmp_path: Path) -> None:
    sample(tmp_path, seconds=5)
    gates = tuple(
        Gate(name=f"{verdict} \x00<&", limit=1, value=None, verdict=verdict)
        for verdict in ("PASS", "FAIL", "INVALID")
    )
    judged = Result.read(tmp_path).model_copy(update={"gates": gates, "verdict": "INVALID"})
    judged.write(tmp_path)
    write(tmp_path)
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    passed, failed, invalid = suite.findall("testcase")
    assert not list(passed)
    assert failed.find("failure") is not None
    assert invalid.find("error") is not None


def test_invalid_without_a_gate_of_its_own_is_an_error_in_junit(tmp_path: Path) -> None:
    write(sample(tmp_path, "INVALID", seconds=5))
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert suite.find("testcase[@name='run']/error") is not None


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    write(sample(tmp_path, seconds=5, operations={_HOSTILE: 20.0}))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img" not in page
    views = _data(page)["views"]
    assert isinstance(views, list)
    assert views[0]["name"] == _HOSTILE


def test_only_the_pages_own_script_may_run_and_nothing_may_load(tmp_path: Path) -> None:
    write(sample(tmp_path, seconds=5))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in page
    assert "default-src &#39;none&#39;" in page
    assert not re.search(
        r"\s(src|style|on\w+)=", re.sub(r"<script.*?</script>", "", page, flags=re.S)
    )


def test_numbers_are_short() -> None:
    values = (0, 0.0004, 0.123, 1.5, 12.34, 99.96, 999.5, 123456.0)
    assert [short(value) for value in values] == [
        *("0", "0.0004", "0.123", "1.5", "12.3", "100", "1,000", "123,456"),
    ]
    assert [span(value) for value in (4.25, 90, 3661)] == ["4.2 s", "1 min 30 s", "1 h 1 min 1 s"]


class _Server(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    _Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@needs_chromium
@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INVALID"])
def test_a_browser_draws_every_plot_without_an_error_or_a_request(
    tmp_path: Path, served: str, verdict: Verdict
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write(sample(folder, verdict, seconds=60, operations={_HOSTILE: 20.0, "cameras.Publish": 20.0}))
    done = drawn(f"{served}/run/report.html", tmp_path / "profile")
    assert done.stdout.count("<canvas") == 9
    assert "CONSOLE" not in done.stderr
    assert _Server.asked == ["/run/report.html"]


def test_a_run_without_anything_still_has_a_page(tmp_path: Path) -> None:
    sample(tmp_path, seconds=5)
    for name in ("shards/0", "shards/1"):
        shutil.rmtree(tmp_path / name)
    for name in ("lag.jsonl", "resources.jsonl", "check.json", "freshness.hlog", "result.json"):
        (tmp_path / name).unlink()
    Run.read(tmp_path).model_copy(update={"planned": {}}).write(tmp_path)
    assert write(tmp_path).figures.operations == ()
    assert "The checker did not run." in (tmp_path / "report.html").read_text(encoding="utf-8")
