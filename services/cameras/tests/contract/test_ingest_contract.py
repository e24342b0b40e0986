"""The part speaks the protocol's and the schema's words, all of them."""

import json
from collections.abc import Sequence
from pathlib import Path

from cameras.ingest import facts
from cameras.ingest.detection import KINDS, Reason
from city.cameras.v1 import detection_pb2 as pb
from city_backbone.registration import load

ROOT = Path(__file__).parents[2]


def words(numbers_of: Sequence[str], prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in numbers_of} - {"UNSPECIFIED"}


def test_every_kind_and_reason_of_the_protocol_is_known() -> None:
    assert set(KINDS) == words(pb.DetectionKind.keys(), "DETECTION_KIND_")
    assert set(Reason) == words(pb.DetectionProblemReason.keys(), "DETECTION_PROBLEM_REASON_")


def test_every_kind_is_in_the_schema_and_the_topic_is_ours() -> None:
    (produced,) = (
        one for one in load(ROOT / "service.yaml").produces if one.topic == facts.OBJECT_DETECTED
    )
    schema = json.loads((ROOT / "events" / produced.schema_file).read_text())
    (kind,) = (field["type"] for field in schema["fields"] if field["name"] == "kind")
    assert set(kind["symbols"]) - {"UNKNOWN"} == set(KINDS)
    assert produced.key == "site_id"
