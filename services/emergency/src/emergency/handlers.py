"""What happens to incidents: air alerts, reports, updates, and what rooms send."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from city_backbone.database import Connection

from emergency import store, store_context, store_scsns
from emergency.domain import air, cases, context, vehicles
from emergency.domain.air import AirAlert
from emergency.domain.incident import OPEN, Facts, Grade, Incident, Position, Source, Status
from emergency.domain.scsns import linked
from emergency.domain.scsns.incoming import Event
from emergency.errors import MessageRefused, TransitionRefused
from emergency.ledger import Ledger, incident_id
from emergency.telemetry import Metrics

log = structlog.get_logger()

AUTOMATIC = "emergency"
_COMPLETE_AT_ONCE = 100
_OWN = tuple(f"{name} " for name in (context.CAMERAS, vehicles.VEHICLES, cases.CASES))


async def apply_air_alerts(
    connection: Connection, ledger: Ledger, metrics: Metrics, alerts: Sequence[AirAlert]
) -> None:
    """Open, change and clear the incidents of `alerts`; older or repeated alerts do nothing.

    An alert for an incident that somebody closed is counted and left: the closing stands.
    """
    ids = {alert.alert_id: incident_id(air.SOURCE, alert.alert_id) for alert in alerts}
    incidents = await store.lock(connection, list(ids.values()))
    revisions: list[Incident] = []
    for alert in alerts:
        one = ids[alert.alert_id]
        try:
            news = air.apply(one, incidents.get(one), alert)
        except TransitionRefused as error:
            metrics.refused(air.SOURCE, f"{error.current}-{error.requested}")
            log.warning("air alert not applied", incident_id=str(one), reason=str(error))
            continue
        revisions += news
        if news:
            incidents[one] = news[-1]
    await ledger.record(connection, revisions)


async def report(
    connection: Connection,
    ledger: Ledger,
    identity: UUID,
    kind: str,
    facts: Facts,
    occurred_at: datetime,
    caller: str,
) -> Incident:
    """Open an incident that a department reports; its id is its source's reference too."""
    await store.lock(connection, [identity])
    opened = Incident(
        id=identity,
        kind=kind,
        status=Status.OCCURRED,
        facts=facts,
        occurred_at=occurred_at,
        changed_at=datetime.now(UTC),
        changed_by=caller,
        source=Source(caller, str(identity)),
    )
    (saved,) = await ledger.record(connection, [opened])
    return saved


async def update(
    connection: Connection,
    ledger: Ledger,
    known: Incident,
    status: Status,
    grade: Grade | None,
    description: str,
    caller: str,
) -> Incident:
    """Move a locked incident on. Raises TransitionRefused."""
    facts = known.facts.revised(grade=grade, description=description)
    changed = known.advance(status, datetime.now(UTC), caller, facts)
    (saved,) = await ledger.record(connection, [changed])
    return saved


async def take_message(
    connection: Connection, ledger: Ledger, room: str, sender: str, event: Event, digest: bytes
) -> bool:
    """Apply what `room` sent, False when the same message was taken before.

    `sender` is its city and system code. A room that asks for video at a place is answered later:
    see the context package. Raises MessageRefused where the life cycle or our
    ignorance of the occurrence does not allow it.
    """
    one = incident_id("scsns", sender, event.ocrNbr)
    known = (await store.lock(connection, [one])).get(one)
    if not await store_scsns.remember(connection, one, digest):
        return False
    now = datetime.now(UTC)
    # A clock that is ahead must not push every later change into the future.
    at = min(event.ocrEvtStsTime or now, now)
    by = f"{room} {event.user}".strip()
    facts = _facts(event, known)
    if known is not None:
        try:
            news = known.end(event.ocrSts, at, by, facts)
        except TransitionRefused as error:
            raise MessageRefused("body.ocrSts", f"{event.ocrNbr}: {error}") from error
    elif event.ocrSts in OPEN:
        # A change of what we never heard of tells as much as the first message would have.
        opened = Incident(
            id=one,
            kind=event.evtId,
            status=Status.OCCURRED,
            facts=facts,
            occurred_at=event.occurred_at,
            changed_at=at,
            changed_by=by,
            source=Source(sender, event.ocrNbr, room),
        )
        news = (opened,)
    else:
        raise MessageRefused("body.ocrSts", f"{event.ocrNbr} is not known here, expected 10 first")
    await ledger.record(connection, news)
    latest = news[-1]
    asks = latest.kind in linked.VIDEO_REQUESTS and latest.facts.position is not None
    if asks and latest.status in OPEN:
        if ledger.reaches(room):
            await store_context.want(connection, [one], room)
        else:
            log.warning("video asked for by a room that is not in ROOMS", room=room)
    return True


async def complete_cleared(connection: Connection, ledger: Ledger, after: timedelta) -> int:
    """Complete incidents cleared longer than `after` ago by our clock; how many, 100 at most."""
    now = datetime.now(UTC)
    due = await store.cleared_before(connection, now - after, _COMPLETE_AT_ONCE)
    if not due:
        return 0
    known = await store.lock(connection, due)
    completed = [
        incident.advance(Status.COMPLETED, now, AUTOMATIC)
        for incident in known.values()
        if incident.status is Status.CLEARED
    ]
    await ledger.record(connection, completed)
    return len(completed)


def _told(items: Mapping[str, str]) -> dict[str, str]:
    """Without what we answered ourselves: a room may echo it, tokens, plates, people and all."""
    return {key: value for key, value in items.items() if not f"{key} ".startswith(_OWN)}


def _facts(event: Event, known: Incident | None) -> Facts:
    """What the message says, and for what it leaves out, what was known."""
    position: Position | None = event.position
    title = event.evtNm or linked.SERVICES.get(event.evtId, event.evtId)
    if known is None:
        # A grade left out must not delay anybody.
        return Facts(
            event.evtGrad or Grade.URGENT,
            title,
            event.ocrEvtCn,
            event.ocrPlc,
            position,
            _told(event.items),
        )
    old = known.facts
    return Facts(
        grade=event.evtGrad or old.grade,
        title=event.evtNm or old.title,
        description=event.ocrEvtCn or old.description,
        place=event.ocrPlc or old.place,
        position=position or old.position,
        items={**old.items, **_told(event.items)},
        police_code=old.police_code,
        desks=old.desks,
    )
