"""`python -m loadtests.report DIR` and `python -m loadtests.report compare A B [--html FILE]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.driver.result import EXIT_CODES, ResultError
from loadtests.report import write
from loadtests.report.compare import DRAWS, Outcome, compare, html, text

_EXIT_CODES: dict[Outcome, int] = {
    "better": 0,
    "no difference": 0,
    "worse": 1,
    "not all compared": 2,
    "nothing compared": 2,
    "invalid": 2,
}


def main(arguments: Sequence[str]) -> int:
    """A run's own exit code. Comparing: 1 when something is worse, 2 when not all was compared."""
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
    return _EXIT_CODES[comparison.verdict]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
