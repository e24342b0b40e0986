"""The append-only file of accepted events."""

import fcntl
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from loadtests.rooms.errors import RecordError
from loadtests.rooms.fields import EventBody
from loadtests.rooms.tally import RecordedEvent, Tally

PAGE = 1000


def utc_now() -> datetime:
    return datetime.now(UTC)


class Record:
    """JSON lines of `RecordedEvent`; opening reads them back, so that counts survive a restart.

    A last line without its end was never answered and is cut off. Raises RecordError when another
    room holds the file or a whole line is not an event. `now` is when an event is received.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self._now = now
        self.tally = Tally()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _reload(self._file, path, self.tally)
        except BlockingIOError as error:
            self._file.close()
            raise RecordError(f"{path}: held by another room") from error
        except RecordError:
            self._file.close()
            raise

    def accept(self, event: EventBody, body_sha256: str) -> RecordedEvent:
        """Write one event and count it. The line is with the operating system on return."""
        recorded = RecordedEvent(
            receivedAt=self._now().isoformat(timespec="microseconds"),
            ocrNbr=event.ocrNbr,
            ocrSts=event.ocrSts,
            evtId=event.evtId,
            evtGrad=event.evtGrad,
            evtNm=event.evtNm,
            ocrEvtStsTime=event.ocrEvtStsTime,
            items={item.key: item.val for item in event.ocrEvtItem},
            bodySha256=body_sha256,
            repeat=self.tally.knows(event.ocrNbr, body_sha256),
        )
        # One short line into the page cache, in the loop on purpose: nothing can come between
        # looking for a repeat and writing.
        self._file.write(recorded.model_dump_json().encode() + b"\n")
        self._file.flush()
        self.tally.add(recorded)
        return recorded

    def page(self, after: int) -> list[RecordedEvent]:
        """Up to 1,000 events that follow the first `after`. Reads the file: not for the loop."""
        stop = min(after + PAGE, self.tally.accepted)
        with self.path.open("rb") as lines:
            return [
                RecordedEvent.model_validate_json(line)
                for line in islice(lines, after, max(stop, after))
            ]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _reload(file: BinaryIO, path: Path, tally: Tally) -> None:
    file.seek(0)
    whole = 0
    for number, line in enumerate(file, start=1):
        if not line.endswith(b"\n"):
            file.truncate(whole)
            break
        whole += len(line)
        try:
            tally.add(RecordedEvent.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"])) or "line"
            raise RecordError(f"{path}:{number}: {name}: {first['msg']}") from error
