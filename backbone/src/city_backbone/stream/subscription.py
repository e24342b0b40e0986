"""What a department subscribes to, and how it answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from city_backbone.database import Connection
from city_backbone.events import Event


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event of a batch that a handler will not take; the reason quotes no personal data."""

    event: Event
    reason: str


Handler: TypeAlias = Callable[[Connection, Sequence[Event]], Awaitable[Sequence[Refusal] | None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """`handler` gets new events of one partition of `topic`, in order, and a transaction.

    All its effects go through that connection; they are committed together with the inbox, so
    each event takes effect once. Raise Transient to have the batch tried again, Unprocessable
    (or let any other exception out) to have the event dead-lettered with the reason. What an
    Unprocessable says is also logged, so it must not quote personal data.

    Cheaper than raising is to return a Refusal for each event that is not taken: those are
    dead-lettered in this transaction and the others stand, where an exception has the whole
    batch tried again event by event.

    With `once=False` the inbox is not asked nor told: after a crash or a rebalance the handler
    gets events again that it has had, and must itself make nothing of them.

    With `compacted=True` a record without a value is a tombstone, which deletes what its key had:
    no event, so it is passed over. On any other topic it goes to the dead letters.

    `relevant` says which events of a batch may have an effect, by what is in memory; the others are
    handled thereby, without a transaction or an inbox. It must leave out none that has one. When it
    raises, the handler gets them all.

    With `linger`, seconds, few events wait so long for more of their partition: a transaction for
    each costs many times as much. Only for what nobody waits for: when `urgent` says so of some
    events, or raises, they and all before them do not wait. Like `relevant` it judges by what is in
    memory.
    """

    topic: str
    handler: Handler
    once: bool = True
    compacted: bool = False
    relevant: Callable[[Sequence[Event]], Sequence[Event]] | None = None
    linger: float = 0.0
    urgent: Callable[[Sequence[Event]], bool] | None = None
