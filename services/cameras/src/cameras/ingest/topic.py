"""ONVIF topics: paths of qualified names, whatever prefixes a camera chose for them."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Topic: TypeAlias = tuple[str, ...]  # each segment with its prefix: ("tns1:RuleEngine", …)

STANDARD = "tns1"
NAMESPACES: Mapping[str, str] = {
    STANDARD: "http://www.onvif.org/ver10/topics",
}
MAX_SEGMENTS = 16
MAX_LENGTH = 256


def canonical(text: str, declared: Mapping[str, str], known: Mapping[str, str]) -> Topic:
    """The topic with `known`'s prefixes (prefix → namespace), one on every segment.

    `declared` is what the document says of its prefixes where the topic stands. A prefix that
    nobody declared is taken by its usual meaning, since cameras forget to; a namespace that is not
    known is written out. A segment without a prefix is in the namespace of the one before, the
    first in ONVIF's. Raises ValueError saying what is wrong.
    """
    text = text.strip().removesuffix("//.")  # the expression subscribed to, which Tapo sends back
    if not text or len(text) > MAX_LENGTH:
        raise ValueError(f"topic of {len(text)} characters, expected 1 to {MAX_LENGTH}")
    segments = text.split("/")
    if len(segments) > MAX_SEGMENTS:
        raise ValueError(f"topic of {len(segments)} segments, expected at most {MAX_SEGMENTS}")
    usual = {namespace: prefix for prefix, namespace in known.items()}
    found: list[str] = []
    current = STANDARD
    for segment in segments:
        prefix, colon, name = segment.strip().rpartition(":")
        if not name:
            raise ValueError(f"topic {text!r}: empty segment")
        if colon:
            namespace = declared.get(prefix)
            if namespace is not None:
                current = usual.get(namespace, f"{{{namespace}}}")
            else:
                current = prefix if prefix in known else f"{{{prefix}}}"
        found.append(f"{current}:{name}")
    return tuple(found)


def pattern(text: str) -> Topic:
    """A pattern's segments: a name, `*` any one, `*:Name` in any namespace, last `**` any more."""
    segments = text.split("/")
    found: list[str] = []
    current = STANDARD
    for position, segment in enumerate(segments):
        if segment == "**" and position != len(segments) - 1:
            raise ValueError(f"{text!r}: ** is for the end only")
        if segment in ("*", "**"):
            found.append(segment)
            continue
        prefix, colon, name = segment.rpartition(":")
        if not name or (colon and not prefix):
            raise ValueError(f"{text!r}: empty segment or prefix")
        current = prefix if colon else current
        found.append(f"{current}:{name}")
    return tuple(found)


def matches(topic: Topic, wanted: Sequence[str]) -> bool:
    """Whether a topic is one of a pattern's; names are compared exactly."""
    if wanted and wanted[-1] == "**":
        wanted = wanted[:-1]
        topic = topic[: len(wanted)]
    return len(topic) == len(wanted) and all(
        want in ("*", have)
        or (want.startswith("*:") and have.rpartition(":")[2] == want.removeprefix("*:"))
        for have, want in zip(topic, wanted, strict=True)
    )


def short(topic: Topic) -> str:
    """As people write it: a prefix only where the namespace changes."""
    current = ""
    parts: list[str] = []
    for segment in topic:
        prefix, _, name = segment.rpartition(":")
        parts.append(name if prefix == current else segment)
        current = prefix
    return "/".join(parts)
