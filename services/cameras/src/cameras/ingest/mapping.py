"""What cameras' topics mean: a list that is data, read by the first pattern that fits."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from city_backbone.errors import SettingsError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cameras.ingest.detection import KINDS
from cameras.ingest.notification import Notification
from cameras.ingest.topic import NAMESPACES, STANDARD, Topic, matches, pattern

_BUILT_IN = "onvif_topics.v1.json"
_TRUE = frozenset({"true", "1", "active", "on", "yes"})
_FALSE = frozenset({"false", "0", "inactive", "off", "no"})


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"{value!r}, expected one of {', '.join(KINDS)}")
    return value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Model):
    """One topic's meaning.

    kind: what a message of it says was seen; None for what is known and no detection.
    state: the data items, first found counts, that say whether it goes on; without any, each
      message is one detection.
    persists: the camera says true once and false when it is over; the detection goes on between.
    confidence, percent, default_confidence: the items that hold it, their unit, and what stands in
      when there is none.
    track: the items that name the object; without one, rule and source name it.
    only: items one of whose words must be among these, lower case, for example
      {"ObjectType": ["human"]}; an item that is absent does not stand against it.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")
    topic: str = Field(min_length=1, max_length=256)
    kind: Annotated[str, AfterValidator(_kind)] | None = None
    state: Sequence[str] = ()
    persists: bool = False
    confidence: Sequence[str] = ("Likelihood", "Confidence", "likelihood", "confidence")
    percent: bool = False
    default_confidence: float = Field(default=0.8, ge=0, le=1)
    track: Sequence[str] = ("ObjectId", "ObjectID", "objectId")
    only: Mapping[str, Sequence[str]] = {}
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
        pattern(self.topic)
        if self.persists and not self.state:
            raise ValueError("persists: expected state items that say when it is over")
        return self

    def active(self, notification: Notification) -> bool | None:
        """Whether what the topic tells goes on; None when no state item says so."""
        if not self.state:
            return True
        for name in self.state:
            value = notification.item(name)
            if value is not None and value.lower() in _TRUE:
                return True
            if value is not None and value.lower() in _FALSE:
                return False
        return None

    def wants(self, notification: Notification) -> bool:
        """Whether the message's items are those of `only`."""
        return all(
            (value := notification.item(name)) is None
            or not set(allowed).isdisjoint(re.split(r"[\s,;]+", value.lower()))
            for name, allowed in self.only.items()
        )

    def sureness(self, notification: Notification) -> float:
        """The confidence, 0 to 1. Raises ValueError when an item holds something else."""
        for name in self.confidence:
            value = notification.item(name)
            if value is not None:
                number = float(value) / (100 if self.percent else 1)
                if not 0 <= number <= 1:
                    raise ValueError(f"{name} {number:g}, expected 0 to 1")
                return number
        return self.default_confidence


class TopicsFile(_Model):
    """The file: `version` is raised with every change; prefixes are topics' usual namespaces."""

    format: Literal["citymesh-onvif-topics/1"]
    version: int = Field(ge=1)
    prefixes: Mapping[str, str] = {}
    topics: Sequence[Rule] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> "TopicsFile":
        names = [rule.name for rule in self.topics]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"topics: names used twice: {', '.join(sorted(twice))}")
        known = {STANDARD, *self.prefixes, "*"}
        for rule in self.topics:
            for segment in pattern(rule.topic):
                prefix = segment.rpartition(":")[0]
                if prefix and prefix not in known:
                    raise ValueError(f"topics: {rule.name}: prefix {prefix} is not under prefixes")
        return self


class Topics:
    """The mapping, ready to be asked."""

    def __init__(self, mapping: TopicsFile) -> None:
        self.version = mapping.version
        self.namespaces: Mapping[str, str] = {**mapping.prefixes, **NAMESPACES}
        self._rules = [(pattern(rule.topic), rule) for rule in mapping.topics]

    def find(self, topic: Topic) -> Rule | None:
        """The first rule that fits; None for a topic nobody described yet."""
        return next((rule for wanted, rule in self._rules if matches(topic, wanted)), None)


def load(path: Path | None) -> Topics:
    """Of the file, or the one in the package. Raises SettingsError saying what is wrong in it."""
    try:
        if path is None:
            text = resources.files("cameras.ingest").joinpath(_BUILT_IN).read_text("utf-8")
        else:
            text = path.read_text("utf-8")
        return Topics(TopicsFile.model_validate_json(text))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"INGEST__ONVIF_TOPICS_FILE: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise SettingsError(
            f"INGEST__ONVIF_TOPICS_FILE: {path or _BUILT_IN}: {problems}"
        ) from error
