"""What vendors' cameras post, to the detection; and what nobody may post."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cameras.ingest import soap
from cameras.ingest.facts import moment
from cameras.ingest.mapping import load
from cameras.ingest.notification import Notification, Unusable, Why
from cameras.ingest.reading import Outcome, Reading, interpret
from cameras.ingest.topic import canonical, matches, pattern, short

SAMPLES = Path(__file__).parents[1] / "onvif"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOPICS = load(None)
CAMERA = "cam-1"

Seen = tuple[str, str, float, timedelta]


def read(body: bytes) -> list[Notification | Unusable]:
    return list(soap.read(body, TOPICS.namespaces).messages)


def readings(body: bytes, now: datetime = NOON) -> list[Reading]:
    return [interpret(message, CAMERA, TOPICS, now) for message in read(body)]


def seen(reading: Reading) -> Seen | None:
    detection = reading.detection
    if detection is None:
        return None
    assert detection.camera_id == CAMERA
    assert detection.box is None
    assert detection.detected_at is not None
    after = moment(detection.detected_at) - NOON
    return detection.kind, detection.track_id, detection.confidence, after


def after(milliseconds: float) -> timedelta:
    return timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (
            "axis_object_analytics",
            [
                (
                    "axis-object-analytics",
                    ("INTRUSION", "axis-object-analytics-TRACK", 0.8, after(840.805)),
                ),
                ("axis-scenario-any", Outcome.IGNORED),
                ("axis-loitering-guard", Outcome.OVER),
            ],
        ),
        (
            "hanwha_fire",
            [
                ("samsung-early-fire", ("FIRE", "samsung-early-fire-TRACK", 0.8, after(472))),
                ("motion-samsung", Outcome.IGNORED),
                ("samsung-loitering", Outcome.OVER),
            ],
        ),
        (
            "hikvision_field",
            [
                ("field-inside", ("INTRUSION", "0", 0.8, after(0))),
                ("other", Why.BAD_TIME),
            ],
        ),
        (
            "dahua_field",
            [
                ("field-inside", ("INTRUSION", "8127", 0.8, after(0))),
                ("field-inside", Outcome.IGNORED),
            ],
        ),
        (
            "bosch_loitering",
            [("field-loitering", ("LOITERING", "field-loitering-TRACK", 0.8, after(767)))],
        ),
        (
            "milesight_fall",
            [("fall", ("FALL", "12", 0.93, after(0))), ("violence", Why.NO_STATE)],
        ),
        (
            "tplink_intrusion",
            [
                ("intrusion", ("INTRUSION", "intrusion-TRACK", 0.8, after(0))),
                ("people", Outcome.IGNORED),
                ("unattended-baggage", ("ABANDONMENT", "unattended-baggage-TRACK", 0.8, after(0))),
            ],
        ),
        (
            "reolink_initial",
            [
                ("motion", Outcome.IGNORED),
                ("object-class", Outcome.IGNORED),
                ("loitering", Outcome.INITIAL),
                ("loitering", Outcome.OVER),
            ],
        ),
        (
            "ipro_application",
            [
                ("app-fight", ("FIGHT", "app-fight-TRACK", 0.8, after(0))),
                ("other", Why.UNKNOWN_TOPIC),
            ],
        ),
    ],
)
def test_a_vendors_sample_is_exactly_these_detections(
    sample: str, expected: list[tuple[str, Seen | Outcome | Why]]
) -> None:
    found = readings((SAMPLES / f"{sample}.xml").read_bytes())
    assert [reading.topic for reading in found] == [topic for topic, _ in expected]
    for reading, (_, wanted) in zip(found, expected, strict=True):
        if isinstance(wanted, Why):
            assert reading.outcome is Outcome.PARKED
            assert reading.parked is not None
            assert reading.parked.why is wanted
            assert reading.detection is None
        elif isinstance(wanted, Outcome):
            assert (reading.outcome, reading.detection) == (wanted, None)
        else:
            got = seen(reading)
            assert got is not None
            kind, track, confidence, time = wanted
            prefix, stable, _ = track.partition("TRACK")
            assert (got[0], got[2], got[3]) == (kind, confidence, time)
            assert got[1].startswith(prefix) if stable else got[1] == track
            assert reading.outcome is Outcome.DETECTION
            assert (reading.begins is not None) == (kind != "FIGHT")


def test_all_samples_are_in_the_table() -> None:
    names = {path.stem for path in SAMPLES.glob("*.xml")}
    mark = next(
        mark
        for mark in test_a_vendors_sample_is_exactly_these_detections.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    assert names == {sample for sample, _ in mark.args[1]}
    assert len(names) >= 5


def notify(messages: str, before: str = "", attributes: str = "") -> bytes:
    return (
        f'{before}<e:Envelope xmlns:e="{soap.SOAP_12}" xmlns:w="{soap.WSNT}" xmlns:t="{soap.ONVIF}"'
        f' xmlns:tns1="http://www.onvif.org/ver10/topics"{attributes}><e:Body><w:Notify>{messages}'
        "</w:Notify></e:Body></e:Envelope>"
    ).encode()


def message(
    topic: str = "tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering",
    data: str = '<t:SimpleItem Name="IsLoitering" Value="true"/>',
    time: str = "2026-11-22T12:00:00Z",
    operation: str = "Changed",
    source: str = "",
) -> str:
    return (
        f"<w:NotificationMessage><w:Topic>{topic}</w:Topic><w:Message>"
        f'<t:Message UtcTime="{time}" PropertyOperation="{operation}"><t:Source>{source}'
        f"</t:Source><t:Data>{data}</t:Data></t:Message></w:Message></w:NotificationMessage>"
    )


def one(body: str, now: datetime = NOON) -> Reading:
    (found,) = readings(notify(body), now)
    return found


def test_prefixes_mean_nothing_and_undeclared_ones_what_they_usually_mean() -> None:
    for topic in (
        "tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering",
        "tns1:RuleEngine/tns1:LoiteringDetector/tns1:ObjectIsLoitering",
        "RuleEngine/LoiteringDetector/ObjectIsLoitering",
        "\n   tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering\n",
    ):
        assert one(message(topic)).topic == "loitering"
    declared = ' xmlns:tns1="http://vendor.example/topics"'
    inner = message().replace("<w:Topic>", f"<w:Topic{declared}>")
    foreign = one(inner)
    assert foreign.parked is not None
    assert foreign.parked.why is Why.UNKNOWN_TOPIC
    assert foreign.parked.topic == (
        "{http://vendor.example/topics}:RuleEngine/LoiteringDetector/ObjectIsLoitering"
    )
    samsung = one(message("tnssamsung:IVA/Fire", '<t:SimpleItem Name="State" Value="on"/>'))
    assert samsung.topic == "samsung-fire"


def test_one_property_is_one_track_and_another_is_another() -> None:
    left = '<t:SimpleItem Name="Rule" Value="left"/>'
    right = '<t:SimpleItem Name="Rule" Value="right"/>'
    first, again, other = (one(message(source=source)) for source in (left, left, right))
    assert seen(first) == seen(again)
    assert first.begins == again.begins
    assert first.begins is not None
    assert other.begins is not None
    assert first.begins.key != other.begins.key
    assert seen(first) != seen(other)
    ended = one(message(source=left, data='<t:SimpleItem Name="IsLoitering" Value="false"/>'))
    assert ended.ends == first.begins.key


def test_samsungs_misnamed_key_items_tell_regions_apart() -> None:
    body = (SAMPLES / "hanwha_fire.xml").read_bytes()
    left = readings(body)[0].begins
    right = readings(body.replace(b'"ROIID" Value="0"', b'"ROIID" Value="1"'))[0].begins
    assert left is not None
    assert right is not None
    assert left.key != right.key


@pytest.mark.parametrize("value", ["true", "1", "TRUE", "active", "on"])
def test_words_for_true(value: str) -> None:
    reading = one(message(data=f'<t:SimpleItem Name="IsLoitering" Value="{value}"/>'))
    assert reading.outcome is Outcome.DETECTION


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"time": "yesterday"}, Why.BAD_TIME),
        ({"time": ""}, Why.BAD_TIME),
        ({"time": "1969-12-31T23:59:59Z"}, Why.BAD_TIME),
        ({"time": "0001-01-01T00:00:00+14:00"}, Why.BAD_TIME),
        ({"time": "2026-11-22T12:00:06Z"}, Why.FUTURE_TIME),
        ({"operation": "Exploded"}, Why.BAD_OPERATION),
        ({"topic": ""}, Why.BAD_TOPIC),
        ({"topic": "a/" * 20}, Why.BAD_TOPIC),
        ({"topic": "tns1:" + "x" * 300}, Why.BAD_TOPIC),
        ({"topic": "tns1:Gardening/Bloom"}, Why.UNKNOWN_TOPIC),
        ({"data": '<t:SimpleItem Name="IsLoitering" Value="perhaps"/>'}, Why.NO_STATE),
        (
            {
                "data": '<t:SimpleItem Name="IsLoitering" Value="true"/>'
                '<t:SimpleItem Name="Likelihood" Value="95"/>'
            },
            Why.BAD_CONFIDENCE,
        ),
    ],
)
def test_a_message_that_says_nothing_is_parked_with_the_reason(
    changes: dict[str, str], why: Why
) -> None:
    reading = one(message(**changes))
    assert reading.parked is not None
    assert reading.parked.why is why
    assert (reading.detection, reading.begins) == (None, None)


def test_no_topic_and_no_message_are_parked_and_the_rest_is_taken() -> None:
    bare = "<w:NotificationMessage><w:Message/></w:NotificationMessage>"
    empty = (
        "<w:NotificationMessage><w:Topic>tns1:RuleEngine/X</w:Topic><w:Message/>"
        "</w:NotificationMessage>"
    )
    found = readings(notify(bare + empty + message()))
    assert [reading.parked and reading.parked.why for reading in found] == [
        Why.NO_TOPIC,
        Why.NO_MESSAGE,
        None,
    ]


def test_five_seconds_ahead_is_not_yet_the_future() -> None:
    assert one(message(time="2026-11-22T12:00:05Z")).outcome is Outcome.DETECTION


def test_a_sample_keeps_names_but_no_word_about_people() -> None:
    found = readings((SAMPLES / "ipro_application.xml").read_bytes())
    parked = found[1].parked
    assert parked is not None
    assert parked.topic == "tns1:AppEvent/ParkSafety/BenchOccupied"
    assert "Data Seats=3" in parked.sample
    assert "Data Name=(3 characters)" in parked.sample
    assert "김철수" not in parked.sample
    long = one(
        message(
            "tns1:Unheard/Of",
            "".join(f'<t:SimpleItem Name="{"항목" * 20}{n}" Value="1"/>' for n in range(80)),
        )
    )
    assert long.parked is not None
    assert len(long.parked.sample.encode()) <= 4096


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;">]>'
)
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://192.0.2.1/evil.dtd">'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (notify(message(topic="&c;"), BOMB), "no document type and no entities"),
        (notify(message(topic="&f;"), EXTERNAL), "no document type and no entities"),
        (notify(message(), PARAMETER), "no document type and no entities"),
        (notify("<a>" * 40 + "</a>" * 40), "nested deeper than 32"),
        (notify("<a/>" * 6_000), "more than 5000 elements"),
        (notify(message() * 201), "201 messages, expected at most 200"),
        (notify(""), "no NotificationMessage"),
        (notify(message())[:-20], "not well-formed XML"),
        (b"", "not well-formed XML"),
        (b"\x00\x01\x02", "not well-formed XML"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "not well-formed XML"),
        (b"<html><body>hello</body></html>", "html: expected a SOAP Envelope"),
        (notify(message(topic="&unknown;")), "not well-formed XML"),
        (
            f'<e:Envelope xmlns:e="{soap.SOAP_11}"><e:Body><x/></e:Body></e:Envelope>'.encode(),
            "Body: x, expected",
        ),
        (f'<e:Envelope xmlns:e="{soap.SOAP_12}"/>'.encode(), "no Body"),
        (
            notify(message()).replace(soap.WSNT.encode(), b"urn:other"),
            "Body: {urn:other}Notify, expected",
        ),
    ],
)
def test_what_is_no_notify_is_refused_by_name(body: bytes, said: str) -> None:
    with pytest.raises(soap.Malformed, match=said.replace("{", r"\{").replace("}", r"\}")):
        read(body)


def test_the_version_of_a_broken_document_is_answered_in_kind() -> None:
    with pytest.raises(soap.Malformed) as caught:
        read(f'<e:Envelope xmlns:e="{soap.SOAP_11}"><e:Body>'.encode())
    assert caught.value.soap == soap.SOAP_11
    body, content_type = soap.fault("<broken> & bent", soap.SOAP_11)
    assert content_type == "text/xml"
    assert b"<faultcode>e:Client</faultcode>" in body
    assert b"&lt;broken&gt; &amp; bent" in body
    body, content_type = soap.fault("away", sender=False)
    assert content_type == "application/soap+xml"
    assert b"<e:Value>e:Receiver</e:Value>" in body


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_declared_encodings_are_read(encoding: str) -> None:
    named = encoding.replace("-sig", "")
    text = notify(message()).decode()
    body = f'<?xml version="1.0" encoding="{named}"?>{text}'.encode(encoding)
    (found,) = read(body)
    assert isinstance(found, Notification)


def test_patterns() -> None:
    topic = canonical("tns1:RuleEngine/tnsaxis:Some/Thing", {}, TOPICS.namespaces)
    assert short(topic) == "tns1:RuleEngine/tnsaxis:Some/Thing"
    for fits in (
        "RuleEngine/tnsaxis:Some/Thing",
        "*/*/*",
        "RuleEngine/**",
        "RuleEngine/*:Some/*:Thing",
        "RuleEngine/tnsaxis:Some/Thing/**",
    ):
        assert matches(topic, pattern(fits)), fits
    for differs in ("RuleEngine/Some/Thing", "*/*", "RuleEngine/*:Some/*:Other", "*/*/*/*"):
        assert not matches(topic, pattern(differs)), differs
    with pytest.raises(ValueError, match="for the end only"):
        pattern("a/**/b")
