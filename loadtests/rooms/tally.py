"""What the room makes of the events it accepted; pure."""

from collections import Counter
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from loadtests.rooms.fields import FINAL


class RecordedEvent(BaseModel):
    """One accepted EVENT, one line of the record. Times are Seoul time but `receivedAt`, UTC."""

    model_config = ConfigDict(frozen=True)

    receivedAt: str
    ocrNbr: str
    ocrSts: str
    evtId: str
    evtGrad: str
    evtNm: str
    ocrEvtStsTime: str
    items: dict[str, str]
    bodySha256: str
    repeat: bool


class Counts(BaseModel):
    """What GET /control/counts answers.

    `accepted` = `effects` + `repeats`. A repeat is a body received before, answered "0" without an
    effect. `duplicates` are effects with the occurrence, status and status time of another effect:
    an effect doubled. `out_of_order` are effects whose status time is before an earlier one's, that
    come after the end (90, 91, 92), or that open (10) an occurrence already known. `auth`,
    `auth_refused`, `refused` and `last_refusal` are since the start; the rest is in the record.
    """

    accepted: int
    effects: int
    repeats: int
    duplicates: int
    out_of_order: int
    by_status: dict[str, int]
    open_occurrences: int
    auth: int = 0
    auth_refused: int = 0
    refused: int = 0
    last_refusal: str | None = None


@dataclass
class _Occurrence:
    latest: str = ""
    ended: bool = False
    bodies: set[str] = field(default_factory=set)
    steps: set[tuple[str, str]] = field(default_factory=set)


class Tally:
    """Counts over accepted events. Grows with the number of different events, about 300 B each."""

    def __init__(self) -> None:
        self._occurrences: dict[str, _Occurrence] = {}
        self._by_status: Counter[str] = Counter()
        self._repeats = 0
        self._duplicates = 0
        self._out_of_order = 0

    @property
    def accepted(self) -> int:
        """Effects and repeats."""
        return self._by_status.total() + self._repeats

    def knows(self, occurrence_number: str, body_sha256: str) -> bool:
        """Whether this body was accepted for this occurrence before."""
        known = self._occurrences.get(occurrence_number)
        return known is not None and body_sha256 in known.bodies

    def add(self, event: RecordedEvent) -> None:
        """Count one accepted event."""
        if event.repeat:
            self._repeats += 1
            return
        known = self._occurrences.setdefault(event.ocrNbr, _Occurrence())
        step = (event.ocrSts, event.ocrEvtStsTime)
        opens_again = event.ocrSts == "10" and bool(known.bodies)
        self._duplicates += step in known.steps
        self._out_of_order += known.ended or opens_again or event.ocrEvtStsTime < known.latest
        self._by_status[event.ocrSts] += 1
        known.bodies.add(event.bodySha256)
        known.steps.add(step)
        known.latest = max(known.latest, event.ocrEvtStsTime)
        known.ended = known.ended or event.ocrSts in FINAL

    def counts(self) -> Counts:
        """The counts now."""
        return Counts(
            accepted=self.accepted,
            effects=self._by_status.total(),
            repeats=self._repeats,
            duplicates=self._duplicates,
            out_of_order=self._out_of_order,
            by_status=dict(sorted(self._by_status.items())),
            open_occurrences=sum(not one.ended for one in self._occurrences.values()),
        )
