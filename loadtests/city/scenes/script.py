"""A scene written down: what is sent when, and what its operator does. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.city.cameras.kinds import Box, Detection, Kind
from loadtests.city.cameras.stages import Stage
from loadtests.city.scenes.outcome import Act, Expected, Sent, Window
from loadtests.city.seeded import draws

MICROS = 1_000_000
_STEP = 0.2
_COMPRESSED_GAP = 0.05
_MAX_DELAY = 1.4
_REPEAT_AFTER = 0.3
_REPEAT_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Call:
    """Detections sent together, `at` seconds after the scene begins to send."""

    at: float
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """An act of the operator on the alarm of that site and kind.

    It comes `after` seconds from when the alarm has `witnesses`. With `or_by_itself` it is no
    failure that the alarm escalated before.
    """

    act: Act
    site_id: str
    kind: Kind
    witnesses: int = 1
    after: float = 1.0
    reason: str = ""
    or_by_itself: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """One playing of a scene."""

    calls: tuple[Call, ...]
    steps: tuple[Step, ...]
    expected: Expected

    @property
    def sent(self) -> Sent:
        """What `cameras` gets, without what the player must repeat."""
        whole = [one for call in self.calls for one in call.detections]
        right = [one for one in whole if one.fault is None]
        keys = dict.fromkeys((o.camera_id, o.kind, o.track_id, o.micros) for o in right)
        return Sent(
            detections=len(keys),
            repeats=len(right) - len(keys),
            refused=len(whole) - len(right),
            keys=tuple(keys),
        )

    @property
    def window(self) -> Window:
        times = [one.micros for call in self.calls for one in call.detections if one.fault is None]
        return Window(first_micros=min(times), last_micros=max(times))


@dataclass(frozen=True, slots=True)
class Takes:
    """Makes the tracks of one playing; `label` is part of each track's id, `start` in micros."""

    seed: int
    label: str
    start: int

    def track(
        self,
        stage: Stage,
        camera: int,
        kind: Kind,
        seconds: float,
        *,
        after: float = 0.0,
        confidence: tuple[float, float] = (0.72, 0.96),
    ) -> list[Detection]:
        """What the stage's camera number `camera` sees from `after` seconds on, for `seconds`."""
        camera_id = f"{stage.site_id}-{camera}"
        track_id = f"{self.label}-{kind.lower()}-{camera}-{round(after * 1000)}"
        draw = draws(self.seed, track_id)
        box = Box(round(draw.uniform(0.1, 0.7), 3), round(draw.uniform(0.2, 0.6), 3), 0.12, 0.25)
        return [
            Detection(
                camera_id=camera_id,
                kind=kind,
                track_id=track_id,
                confidence=round(draw.uniform(*confidence), 3),
                box=box,
                micros=self.start + round((after + number * _STEP) * 1000) * 1000,
            )
            for number in range(round(seconds / _STEP) + 1)
        ]

    def live(self, detections: Iterable[Detection]) -> tuple[Call, ...]:
        """As a camera sends: what is seen goes out at the end of its fifth of a second."""
        return self._calls((self._seconds(one), one) for one in detections)

    def disordered(self, detections: Iterable[Detection]) -> tuple[Call, ...]:
        """Each under way for up to 1.4 s, and one in five sent once more 0.3 s later.

        So nothing comes more than 1.7 s after a later one: within the bound of 2 s.
        """
        draw = draws(self.seed, self.label, "disorder")
        arrivals = []
        for one in detections:
            arrival = self._seconds(one) + draw.uniform(0, _MAX_DELAY)
            arrivals.append((arrival, one))
            if draw.random() < _REPEAT_SHARE:
                arrivals.append((arrival + _REPEAT_AFTER, one))
        return self._calls(arrivals)

    def compressed(self, detections: Iterable[Detection]) -> tuple[Call, ...]:
        """A second of what was seen every twentieth of a second."""
        seconds: dict[int, list[Detection]] = {}
        for one in sorted(detections, key=lambda one: one.micros):
            seconds.setdefault((one.micros - self.start) // MICROS, []).append(one)
        return tuple(
            Call(number * _COMPRESSED_GAP, tuple(found))
            for number, found in enumerate(seconds.values())
        )

    def _seconds(self, one: Detection) -> float:
        return (one.micros - self.start) / MICROS

    def _calls(self, arrivals: Iterable[tuple[float, Detection]]) -> tuple[Call, ...]:
        slots: dict[int, list[Detection]] = {}
        for arrival, one in sorted(arrivals, key=lambda pair: pair[0]):
            slots.setdefault(math.floor(arrival / _STEP + 1e-6) + 1, []).append(one)
        return tuple(Call(slot * _STEP, tuple(found)) for slot, found in slots.items())


def in_order(*tracks: Sequence[Detection]) -> list[Detection]:
    """Several tracks by time."""
    return sorted((one for track in tracks for one in track), key=lambda one: one.micros)
