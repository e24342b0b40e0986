"""Rendered files: written once, found when stale, for a department alone too; and the Secrets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from meshctl.check import rendered
from meshctl.cli import app
from meshctl.render import files
from meshctl.state import State
from typer.testing import CliRunner

from meshctl import catalogue, credentials, render, settings

from .cities import Object, city, produces, registration, sources

SERVICE = """\
service: air
owner: "@city/air"
contact: air@city.example
http_port: 51000
port: 50000
produces:
  - topic: air.seen.v1
    schema: seen.v1.avsc
    key: id
    partitions: 2
    retention: 36h
    class: internal
consumes:
  - topic: sea.seen.v1
    schema: consumed/seen.v1.avsc
calls: [city.sea.v1.SeaService/GetSea]
secrets: [KEY]
"""


def small() -> dict[str, str]:
    """A city's files by path."""
    found = city(
        registration("air", http_port=5000, produces=(produces("air.seen.v1"),)),
        registration("desk", consumes=({"topic": "air.seen.v1"},)),
    ).catalogue
    return {str(name): text for name, text in render.tree(found, sources(found)).items()}


def tree(city_: dict[str, str]) -> files.Tree:
    return {Path(name): text for name, text in city_.items()}  # type: ignore[misc]


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A department's folder, and nothing else of a checkout."""
    folder = tmp_path / "services" / "air"
    (folder / "events").mkdir(parents=True)
    (folder / "service.yaml").write_text(SERVICE, encoding="utf-8")
    (folder / "events" / "seen.v1.avsc").write_text("{}\n", encoding="utf-8")
    (folder / "pyproject.toml").write_text('[project]\nversion = "2.0.1"\n', encoding="utf-8")
    return tmp_path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["render", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        return 1, f"{result.output}{result.exception}"
    return result.exit_code, result.output


def objects(folder: Path) -> list[Object]:
    return [
        found
        for file in sorted(folder.rglob("*.yaml"))
        for found in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]


def test_the_same_city_is_the_same_bytes() -> None:
    assert small() == small()


def test_every_file_says_where_it_comes_from() -> None:
    for name, text in small().items():
        first = text.partition("\n")[0]
        assert "Rendered by meshctl render from " in first, name
        assert "do not edit" in first, name


def test_a_folder_names_all_its_files() -> None:
    found = small()
    for name, text in found.items():
        folder = Path(name).parent
        if Path(name).name == "kustomization.yaml":
            for resource in yaml.safe_load(text)["resources"]:
                below = folder / resource
                assert str(below) in found or str(below / "kustomization.yaml") in found, below


def test_texts_are_blocks_and_nothing_is_an_alias() -> None:
    found = small()
    assert "policy.json: |\n    {}\n" in found["deploy/k8s/base/air/policy.yaml"]
    assert "mesh.json: |" in found["deploy/k8s/components/monitoring/dashboard-mesh.yaml"]
    assert not [name for name, text in found.items() if ": &id" in text or ": *id" in text]


def test_what_is_written_is_not_stale_and_not_written_again(tmp_path: Path) -> None:
    wanted = tree(small())
    assert len([*files.stale(tmp_path, wanted)]) == len(wanted)
    assert files.write(tmp_path, wanted) == (len(wanted), 0)
    assert [*files.stale(tmp_path, wanted)] == []
    assert files.write(tmp_path, wanted) == (0, 0)


def test_an_edited_file_is_stale_at_its_line(tmp_path: Path) -> None:
    wanted = tree(small())
    files.write(tmp_path, wanted)
    file = tmp_path / "deploy/k8s/base/air/topics.yaml"
    lines = file.read_text(encoding="utf-8").split("\n")
    lines[3] += "x"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert [*files.stale(tmp_path, wanted)] == [f"{file}:4: stale: `meshctl render` renews it"]
    assert files.write(tmp_path, wanted) == (1, 0)
    assert [*files.stale(tmp_path, wanted)] == []


def test_files_of_a_department_that_left_are_stale_and_removed(tmp_path: Path) -> None:
    wanted = tree(small())
    files.write(tmp_path, wanted)
    left = tmp_path / "deploy/k8s/base/bus/topics.yaml"
    left.parent.mkdir()
    shutil.copy(tmp_path / "deploy/k8s/base/air/topics.yaml", left)
    own = tmp_path / "deploy/k8s/components/edge/by-hand.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_text("kind: Ingress\n", encoding="utf-8")
    (problem,) = files.stale(tmp_path, wanted)
    assert problem.startswith(f"{left}: nothing is registered")
    assert files.write(tmp_path, wanted) == (0, 1)
    assert not left.parent.exists()
    assert own.exists()


def test_check_finds_what_a_registration_has_and_the_files_have_not(alone: Path) -> None:
    known = catalogue.load(settings.Settings(root=alone))
    files.write(alone, render.tree(known, render.sources.read(alone, known)))
    assert [*rendered.check(alone, known)] == []
    service = alone / "services/air/service.yaml"
    service.write_text(SERVICE.replace("partitions: 2", "partitions: 4"), encoding="utf-8")
    stale = [*rendered.check(alone, catalogue.load(settings.Settings(root=alone)))]
    assert {Path(one.partition(":")[0]).name for one in stale} == {
        *("topics.yaml", "schemas.yaml", "catalogue.md")
    }


def test_a_department_alone_renders_its_own(alone: Path) -> None:
    out = alone / "out"
    code, said = run("--services", alone / "services", "--out", out)
    assert code == 0, said
    assert "air calls city.sea.v1.SeaService, which nobody here serves" in said
    assert "air reads sea.seen.v1, which nobody here produces" in said
    assert {one.name for one in (out / "deploy/k8s/base").iterdir()} == {
        *("air", "kustomization.yaml")
    }
    assert not (out / "deploy/k8s/components/monitoring").exists()
    (deployment,) = [one for one in objects(out) if one["kind"] == "StatefulSet"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "citymesh/air:2.0.1"
    assert run("--services", alone / "services", "--out", out, "--check")[0] == 0


def test_a_stale_file_fails_the_command(alone: Path) -> None:
    out = alone / "out"
    arguments = ("--services", alone / "services", "--out", out)
    assert run(*arguments, "--check")[0] == 1
    assert not out.exists()
    run(*arguments)
    (out / "CODEOWNERS").write_text("* @nobody\n", encoding="utf-8")
    code, said = run(*arguments, "--check")
    assert code == 1
    assert "CODEOWNERS:1: stale" in said
    assert (out / "CODEOWNERS").read_text(encoding="utf-8") == "* @nobody\n"


@pytest.mark.parametrize("missing", ["pyproject.toml", "events/seen.v1.avsc"])
def test_a_file_that_is_missing_is_named(alone: Path, missing: str) -> None:
    (alone / "services/air" / missing).unlink()
    code, said = run("--services", alone / "services", "--out", alone)
    assert code == 1
    assert f"air/{missing}: cannot be read" in said


def test_the_page_says_who_reads_and_who_calls() -> None:
    found = city(
        registration(
            "air",
            port=5000,
            http_port=5001,
            produces=(produces("air.seen.v1", compacted=True, retention="36h"),),
            serves=("city.air.v1.AirService", "city.air.v1.OtherService"),
        ),
        registration("bus", http_port=5002, consumes=({"topic": "air.seen.v1"},)),
        registration("desk", calls=("city.air.v1.AirService/GetAir",)),
    ).catalogue
    text = render.page.text(found)
    topic = "[`air.seen.v1`](../services/air/events/seen.v1.avsc)"
    assert f"| {topic} | public | id | 3 | 36h, newest per key | bus |" in text
    assert "| `city.air.v1.AirService` | `GetAir` | desk |" in text
    assert "| `city.air.v1.OtherService` |  | nobody |" in text


def test_secrets_are_those_of_the_state_and_for_their_owner_only(tmp_path: Path) -> None:
    folder, state = tmp_path / "secrets", tmp_path / "state"
    code, said = run("--secrets", folder, "--state", state)
    assert code == 0, said
    stored = credentials.ensure(State(state), [], [])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    found = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["stringData"]
        for one in objects(folder)
        if one["kind"] == "Secret"
    }
    known = catalogue.load(settings.load())
    for registered in known:
        name = registered.service
        password = stored.kafka[name]
        assert found.pop(("citymesh-kafka", f"{name}-password")) == {"password": password}
        where = (f"city-{name}", "kafka")
        if registered.is_client:
            where = ("city-clients", f"{name}-kafka")
        elif registered.secrets:
            assert found.pop((f"city-{name}", "settings")) == {
                f"{name.upper()}_{one}": stored.services[name][one] for one in registered.secrets
            }
        assert found.pop(where) == {
            "username": name,
            "password": password,
            "sasl": "scram_sha512",
            "tls": "enable",
        }
    assert {space for space, _ in found} == {"citymesh-kafka", "citymesh-registry"}
    assert {json.dumps(one["password"]) for one in found.values()} == {
        json.dumps(stored.kafka["registry"])
    }
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    assert run("--secrets", folder, "--state", state)[0] == 0
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
