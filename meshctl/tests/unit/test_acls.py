"""The access rules that registrations ask for, and no others."""

from __future__ import annotations

from city_backbone.registration import Registration
from meshctl.apply import acls
from meshctl.apply.acls import Acl


def registration(**fields: object) -> Registration:
    content = {"service": "parking", "owner": "o", "contact": "c", **fields}
    return Registration.model_validate(content)


def produces(topic: str) -> dict[str, object]:
    return {
        "topic": topic,
        "schema": "x.avsc",
        "key": "id",
        "partitions": 3,
        "retention": "7d",
        "class": "public",
    }


def test_an_owner_writes_and_does_not_read() -> None:
    rules = acls.declared([registration(produces=(produces("parking.bay-status.v1"),))])
    on_topic = {rule.operation for rule in rules if rule.name == "parking.bay-status.v1"}
    assert on_topic == {"WRITE", "DESCRIBE"}


def test_a_reader_reads_and_uses_its_own_groups() -> None:
    rules = acls.declared([registration(http_port=5000, consumes=({"topic": "cameras.seen.v1"},))])
    assert {rule.operation for rule in rules if rule.name == "cameras.seen.v1"} == {
        "READ",
        "DESCRIBE",
    }
    assert {(rule.pattern, rule.name) for rule in rules if rule.resource == "GROUP"} == {
        ("LITERAL", "parking"),
        ("PREFIXED", "parking-"),
    }
    assert {rule.operation for rule in rules if rule.name == "cameras.seen.v1.parking.dlt"} == {
        "READ",
        "WRITE",
        "DESCRIBE",
    }


def test_a_service_has_topics_of_its_own_name_for_its_state() -> None:
    rules = acls.declared([registration(http_port=5000)])
    assert rules == {
        Acl("parking", "TOPIC", "PREFIXED", "parking-", operation)
        for operation in ("CREATE", "DESCRIBE", "READ", "WRITE")
    }


def test_a_client_only_reads() -> None:
    rules = acls.declared([registration(service="operator", consumes=({"topic": "a.b.v1"},))])
    assert {rule.operation for rule in rules} == {"READ", "DESCRIBE"}
    assert {rule.name for rule in rules} == {"a.b.v1", "operator", "operator-"}


def test_the_registry_touches_nothing_but_its_own() -> None:
    assert {rule.name for rule in acls.of_registry()} == {"registry-"}
    assert {rule.principal for rule in acls.of_registry()} == {"registry"}


def test_no_rule_names_the_admin() -> None:
    rules = acls.declared([registration(http_port=5000)]) | acls.of_registry()
    assert "admin" not in {rule.principal for rule in rules}
