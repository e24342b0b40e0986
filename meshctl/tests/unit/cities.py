"""Cities for the tests of rendering: any that registrations can describe, and one small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from city_backbone.registration import Registration
from hypothesis import strategies as st
from meshctl.apply import topics
from meshctl.catalogue import Catalogue
from meshctl.render.sources import Department, Sources

from meshctl import render

Object = dict[str, Any]
NAMES = ("air", "bus", "dam", "fire", "tram")
CLIENTS = ("desk", "reader")
OPERATIONS = ("GetOne", "PutOne", "*")


@dataclass(frozen=True)
class City:
    """Registrations and what is rendered of them."""

    catalogue: Catalogue
    objects: list[Object]

    def of(self, kind: str, namespace: str = "") -> list[Object]:
        """The objects of a kind, in one namespace or in all."""
        return [
            found
            for found in self.objects
            if found["kind"] == kind and namespace in ("", found["metadata"].get("namespace", ""))
        ]


def city(*registrations: Registration) -> City:
    """Everything rendered of these."""
    known = sorted(registrations, key=lambda found: found.service)
    catalogue = Catalogue(
        tuple(found for found in known if not found.is_client),
        tuple(found for found in known if found.is_client),
    )
    return City(catalogue, [*render.objects(catalogue, sources(catalogue))])


def sources(catalogue: Catalogue) -> Sources:
    """Version 1.2.3 of everybody, schemas that are empty."""
    return Sources(
        departments={
            one.service: Department(
                one,
                "1.2.3",
                {
                    "service.yaml": f"service: {one.service}\n",
                    **{f"events/{produced.schema_file}": "{}\n" for produced in one.produces},
                },
            )
            for one in catalogue.services
        },
        rules={"slo": {"groups": []}},
        dashboards={"mesh": '{\n  "title": "Mesh"\n}\n'},
        meshctl="0.9.0",
    )


def registration(service: str, **fields: object) -> Registration:
    content = {"service": service, "owner": f"@city/{service}", "contact": "c", **fields}
    return Registration.model_validate(content)


def produces(topic: str, partitions: int = 3, **fields: object) -> Object:
    return {
        "topic": topic,
        "schema": f"{topic.split('.')[1].replace('-', '_')}.v1.avsc",
        "key": "id",
        "partitions": partitions,
        "retention": "7d",
        "class": "public",
        **fields,
    }


def partitions(found: City) -> dict[str, int]:
    return {name: spec.partitions for name, spec in topics.declared(found.catalogue).items()}


@st.composite
def cities(draw: Callable[[st.SearchStrategy[Any]], Any]) -> City:
    """Departments that write, read, serve, call, expose and reach as it comes, and clients."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    subjects = draw(
        st.lists(
            st.tuples(st.sampled_from(names), st.sampled_from(("seen", "is-full"))), unique=True
        )
    )
    serving = draw(st.lists(st.sampled_from(names), unique=True))
    all_topics = [f"{name}.{subject}.v1" for name, subject in subjects]
    readable = st.lists(st.sampled_from(all_topics), unique=True) if all_topics else st.just([])
    methods = [
        f"city.{name}.v1.{name.capitalize()}Service/{operation}"
        for name in serving
        for operation in OPERATIONS
    ]
    callable_ = st.lists(st.sampled_from(methods), unique=True) if methods else st.just([])
    found = [
        registration(
            name,
            port=50000 + index if name in serving or draw(st.booleans()) else None,
            http_port=51000 + index,
            priority=draw(st.sampled_from(("urgent", "normal", "bulk"))),
            produces=tuple(
                produces(topic, draw(st.integers(1, 12)), compacted=draw(st.booleans()))
                for topic in all_topics
                if topic.startswith(f"{name}.")
            ),
            consumes=tuple({"topic": topic} for topic in draw(readable)),
            serves=(f"city.{name}.v1.{name.capitalize()}Service",) if name in serving else (),
            calls=tuple(draw(callable_)),
            secrets=tuple(draw(st.lists(st.sampled_from(("KEY", "VAULT__KEY")), unique=True))),
            folders=tuple(draw(st.lists(st.sampled_from(("FILES", "KEY__RING")), unique=True))),
            exposes=tuple(draw(st.lists(st.sampled_from(("/fhir", "/a/b.json")), unique=True))),
            reaches=tuple(draw(st.lists(st.sampled_from(("rooms", "banks")), unique=True))),
        )
        for index, name in enumerate(names)
    ]
    found += [
        registration(
            name,
            consumes=tuple({"topic": topic} for topic in draw(readable)),
            calls=tuple(draw(callable_)),
        )
        for name in CLIENTS
    ]
    return city(*found)
