"""A log tells where an error was raised, never what it quotes."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from city_backbone import logging as city_logging


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    city_logging.configure("trial")
    try:
        yield output
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def fail() -> None:
    try:
        try:
            raise ValueError("canary of a library")
        except ValueError as error:
            raise KeyError("canary of ours") from error
    except KeyError as error:
        raise ExceptionGroup("canary group", [error, OSError("canary beside")]) from None


def test_an_exception_is_places_and_types(lines: io.StringIO) -> None:
    for log in (structlog.get_logger(), logging.getLogger("library")):
        try:
            fail()
        except ExceptionGroup:
            log.exception("failed")
    ours, theirs = map(json.loads, lines.getvalue().splitlines())
    for line in (ours, theirs):
        assert line["event"] == "failed"
        assert line["level"] == "error"
        assert (line["service"], line["department"]) == ("trial", "trial")
        for part in ("ExceptionGroup", "KeyError", "ValueError", "OSError", "in fail"):
            assert part in line["exception"]
        assert "'canary" not in json.dumps(line)
    assert theirs["logger"] == "library"


def refused(node: int, at: float, library: str = "aiokafka") -> None:
    """As the library logs that it cannot connect, `at` seconds after its start."""
    log = logging.getLogger(library)
    record = log.makeRecord(
        log.name, logging.ERROR, f"{library}/client.py", 7, "no connection to %d", (node,), None
    )
    record.created = at
    log.handle(record)


def test_what_aiokafka_repeats_is_told_once_in_ten_seconds(lines: io.StringIO) -> None:
    for tenth in range(250):
        refused(tenth % 3, at=tenth / 10)
    told = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert told == [
        "no connection to 0",
        "no connection to 1 (99 more like it in between)",
        "no connection to 2 (99 more like it in between)",
    ]


def test_what_others_repeat_is_told_each_time(lines: io.StringIO) -> None:
    for at in range(3):
        refused(at, at, "library")
    logging.getLogger("aiokafka").error("another line")
    logging.getLogger("aiokafka").error("and another")
    assert len(lines.getvalue().splitlines()) == 5
