"""The part's metrics, each named once."""

from collections import Counter

from opentelemetry.metrics import Meter

from cameras.alarms.alarm import Alarm


class Metrics:
    """Counters; labels of bounded sets."""

    def __init__(self, meter: Meter) -> None:
        self._detections = meter.create_counter(
            "city.cameras.detections_judged",
            description="Detections by what became of them: ignored (no rule, or muted), unsure"
            " (below the rule's confidence), watched, late (refused), repeated",
        )
        self._alarms = meter.create_counter(
            "city.cameras.alarms", description="Changes of alarms, by kind and status"
        )

    def detected(self, outcomes: Counter[str]) -> None:
        for outcome, count in outcomes.items():
            if count:
                self._detections.add(count, {"outcome": outcome})

    def changed(self, alarm: Alarm) -> None:
        """An alarm has a new revision."""
        self._alarms.add(1, {"kind": alarm.kind, "status": alarm.status})
