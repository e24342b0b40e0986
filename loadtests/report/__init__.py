"""A run's folder as a page to look at, and two runs against each other.

`measure(folder)` merges the shards into figures, for the gates; `write(folder)` makes result.json
whole and writes report.html, junit.xml and merged.hlog.
"""

from pathlib import Path

from loadtests.driver.result import Result, Run
from loadtests.report import few, page
from loadtests.report.junit import junit
from loadtests.report.measure import Measured, measure

__all__ = ["Measured", "measure", "write"]


def write(folder: Path, measured: Measured | None = None) -> Result:
    """The result as it now stands; without a result.json nothing was judged, which is INVALID."""
    run = Run.read(folder)
    measured = measured or measure(folder, run)
    result = Result.read_if_there(folder) or Result(
        scenario=run.scenario,
        verdict="INVALID",
        reasons=("No gate was judged: the folder has no result.json.",),
        figures=measured.figures,
    )
    gates = few.counted(result.gates, measured.figures)
    result = result.model_copy(update={"figures": measured.figures, "gates": gates})
    result.write(folder)
    (folder / "report.html").write_text(
        page.report(folder, run, result, measured), encoding="utf-8"
    )
    (folder / "junit.xml").write_bytes(junit(run, result))
    return result
