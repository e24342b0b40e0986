"""Whether a camera is there: it must be heard of steadily, and its silence must be ours to judge.

Offline takes a whole window without a heartbeat, online several heartbeats within one window, so
neither a camera that comes and goes within the window nor a single heartbeat changes anything.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class PresenceStatus(StrEnum):
    """UNKNOWN: not steadily heard of yet, nor lost."""

    UNKNOWN = "UNKNOWN"
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


@dataclass(frozen=True, slots=True)
class Rule:
    """offline_after: the window; online_heartbeats: how many of them within it mean online."""

    offline_after: timedelta
    online_heartbeats: int

    def judges_silence(self, now: datetime, listening_since: datetime) -> bool:
        """The service has listened for a whole window: until then a silence may be its own."""
        return now - listening_since >= self.offline_after


@dataclass(frozen=True, slots=True)
class Watch:
    """Since when the service listens for heartbeats without a break, and until when."""

    since: datetime
    until: datetime

    def listening(self, now: datetime, longest_break: timedelta) -> "Watch":
        """It listens at `now`; what lies further back than a longest break was not heard."""
        if now - self.until > longest_break:
            return Watch(now, now)
        return Watch(self.since, max(self.until, now))


@dataclass(frozen=True, slots=True)
class Presence:
    """Of one camera, by its heartbeats' own times.

    recent: the newest that count, oldest first, none from before it was found offline.
    """

    status: PresenceStatus = PresenceStatus.UNKNOWN
    last_heard_at: datetime | None = None
    heard_since: datetime | None = None
    recent: tuple[datetime, ...] = ()

    def heard(self, sent_at: datetime, rule: Rule) -> "Presence":
        """After a heartbeat; itself when that is not newer than what was heard."""
        if self.last_heard_at is not None and sent_at <= self.last_heard_at:
            return self
        return replace(
            self,
            last_heard_at=sent_at,
            heard_since=sent_at if self._silent(sent_at, rule) else self.heard_since,
            recent=(*self.recent, sent_at)[-rule.online_heartbeats :],
        )

    def judged(self, now: datetime, listening_since: datetime, rule: Rule) -> "Presence":
        """At `now`; itself when nothing changes.

        Nothing is called offline before the service has listened for one whole window.
        """
        if self.last_heard_at is None:
            return self
        if self._silent(now, rule):
            judges = rule.judges_silence(now, listening_since)
            if not judges or self.status is PresenceStatus.OFFLINE:
                return self
            return replace(self, status=PresenceStatus.OFFLINE, recent=())
        if self.status is not PresenceStatus.ONLINE and self._steady(rule):
            return replace(self, status=PresenceStatus.ONLINE)
        return self

    def _silent(self, now: datetime, rule: Rule) -> bool:
        return self.last_heard_at is None or now - self.last_heard_at >= rule.offline_after

    def _steady(self, rule: Rule) -> bool:
        newest = self.recent[-rule.online_heartbeats :]
        return (
            len(newest) == rule.online_heartbeats and newest[-1] - newest[0] <= rule.offline_after
        )
