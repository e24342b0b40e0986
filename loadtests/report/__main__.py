"""`python -m loadtests.report DIR` and `python -m loadtests.report compare A B [--html FILE]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.driver.result import EXIT_CODES, ResultError
from loadtests.report import write
from loadtests.report.compare import DRAWS, compare, html, text


def main(arguments: Sequence[str]) -> int:
    """A run's own exit code. Comparing: 1 when something is worse, 2 when nothing can be said."""
    try:
        return _compare(arguments[1:]) if arguments[:1] == ["compare"] else _report(arguments)
    except ResultError as error:
        print(error, file=sys.stderr)
        return EXIT_CODES["INVALID"]


def _report(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run's folder")
    folder: Path = parser.parse_args(arguments).folder
    result = write(folder)
    print(f"{result.verdict}  {folder / 'report.html'}")
    for reason in result.reasons:
        print(f"  {reason}")
    return result.exit_code


def _compare(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.report compare")
    parser.add_argument("a", type=Path, help="the folder of the run that was before")
    parser.add_argument("b", type=Path, help="the folder of the run that is after")
    parser.add_argument("--html", type=Path, help="where to write the page")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=DRAWS)
    given = parser.parse_args(arguments)
    comparison = compare(given.a, given.b, given.seed, given.draws)
    print(text(comparison), end="")
    if given.html:
        given.html.write_text(html(comparison), encoding="utf-8")
    return {"worse": 1, "too few calls": 2, "invalid": 2}.get(comparison.verdict, 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
