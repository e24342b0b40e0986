"""The rules every Dockerfile keeps, read from its text: no Docker needed, nothing is built."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from city_backbone.registration import Registration, load
from meshctl.render import names

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "deploy" / "images" / "build.sh"
SERVICES = sorted(path.parent for path in ROOT.glob("services/*/service.yaml"))
FOLDERS = [*SERVICES, ROOT / "loadtests", ROOT / "meshctl"]
HEALTH = 8086
USER = "10001:10001"

service = pytest.mark.parametrize("folder", SERVICES, ids=lambda folder: folder.name)
image = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@dataclass(frozen=True)
class Step:
    word: str
    rest: str


def steps(folder: Path) -> list[Step]:
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [Step(word, " ".join(rest.split())) for word, rest in found]


def stages(folder: Path) -> list[list[Step]]:
    """What comes before the first FROM, then each stage, its FROM first."""
    parts: list[list[Step]] = [[]]
    for step in steps(folder):
        if step.word == "FROM":
            parts.append([])
        parts[-1].append(step)
    return parts


def last(folder: Path, word: str) -> list[str]:
    return [step.rest for step in stages(folder)[-1] if step.word == word]


def variables(folder: Path) -> dict[str, str]:
    pairs = (pair.split("=", 1) for line in last(folder, "ENV") for pair in shlex.split(line))
    return dict(pairs)


def registration(folder: Path) -> Registration:
    return load(folder / "service.yaml")


def test_every_service_has_one() -> None:
    assert SERVICES
    assert all((folder / "Dockerfile").is_file() for folder in FOLDERS)


@image
def test_the_base_is_an_argument_and_nothing_else_is_pulled(folder: Path) -> None:
    first, *built = stages(folder)
    assert [(step.word, step.rest) for step in first] == [("ARG", "BASE_IMAGE=python:3.12-slim")]
    known = {"${BASE_IMAGE}"}
    for stage in built:
        source, *named = stage[0].rest.split(" AS ")
        assert source in known
        known.update(named)
    copied = [re.match(r"--from=(\S+)", step.rest) for step in steps(folder) if step.word == "COPY"]
    assert {found[1] for found in copied if found} <= known - {"${BASE_IMAGE}"}
    assert "ADD" not in {step.word for step in steps(folder)}


@image
def test_the_last_stage_is_the_base_with_what_was_built(folder: Path) -> None:
    assert len(stages(folder)) > 2
    assert stages(folder)[-1][0].rest == "${BASE_IMAGE}"
    run = " ".join(last(folder, "RUN"))
    assert not re.search(r"\b(pip|apt|apt-get|apk|microdnf|curl|wget|gcc|cc|make)\b", run)
    assert not any("wheels" in copied for copied in last(folder, "COPY"))


@image
def test_it_runs_as_a_named_user_without_rights(folder: Path) -> None:
    assert last(folder, "USER") == [USER]
    words = [step.word for step in stages(folder)[-1]]
    assert not {"RUN", "COPY"} & set(words[words.index("USER") :])
    assert any(
        re.search(r"echo 'city:x:10001:10001:.*>>/etc/passwd", run) for run in last(folder, "RUN")
    )


@image
def test_what_it_starts_gets_the_signals(folder: Path) -> None:
    (entry,) = last(folder, "ENTRYPOINT")
    expected = {"loadtests": ["python", "-m"], "meshctl": ["meshctl"]}
    assert json.loads(entry) == expected.get(folder.name, ["python", "-m", folder.name])
    assert not last(folder, "HEALTHCHECK")


@image
def test_it_writes_nothing_beside_its_folders(folder: Path) -> None:
    assert variables(folder)["PYTHONDONTWRITEBYTECODE"] == "1"
    compiled = [
        step.rest
        for stage in stages(folder)[1:-1]
        for step in stage
        if step.word == "RUN" and "compileall" in step.rest
    ]
    assert [found for run in compiled for found in re.findall(r"unchecked-hash (\S+)", run)] == [
        "/opt/city/lib",
        "/opt/service/lib",
    ]


@image
def test_it_says_what_it_is(folder: Path) -> None:
    (label,) = last(folder, "LABEL")
    assert dict(pair.split("=", 1) for pair in shlex.split(label)) == {
        "org.opencontainers.image.title": f"citymesh/{folder.name}",
        "org.opencontainers.image.version": "${VERSION}",
        "org.opencontainers.image.source": str(folder.relative_to(ROOT)),
    }


def test_what_is_common_is_the_same_text_so_that_it_is_one_layer() -> None:
    before = {tuple(stages(folder)[1]) for folder in FOLDERS}
    assert len(before) == 1
    after = {tuple(stages(folder)[-1][:5]) for folder in FOLDERS}
    assert len(after) == 1
    assert [step.word for step in after.pop()] == ["FROM", "ENV", "RUN", "COPY", "RUN"]


@service
def test_it_exposes_the_registered_ports(folder: Path) -> None:
    registered = registration(folder)
    ports = [registered.port, registered.http_port, HEALTH]
    assert last(folder, "EXPOSE") == [" ".join(str(port) for port in ports if port)]


@service
def test_it_finds_its_registration_and_schemas(folder: Path) -> None:
    target = f"/srv/{folder.name}"
    name = f"{folder.name.upper()}_REGISTRATION_FILE"
    assert variables(folder)[name] == f"{target}/service.yaml"
    assert f"service.yaml {target}/" in last(folder, "COPY")
    assert f"events/ {target}/events/" in last(folder, "COPY")


@service
def test_a_volume_on_its_folders_can_be_written(folder: Path) -> None:
    made = {
        found[1]
        for run in last(folder, "RUN")
        if (found := re.fullmatch(r"install -d -o 10001 -g 10001 -m 700 (\S+)", run))
    }
    assert made == {
        f"{names.FOLDERS}/{names.folder(setting)}" for setting in registration(folder).folders
    }


@service
def test_its_context_is_its_folder_and_no_more_than_it_copies(folder: Path) -> None:
    ignored = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    sources = {
        step.rest.split()[0].rstrip("/")
        for step in steps(folder)
        if step.word == "COPY" and not step.rest.startswith("--from")
    }
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert "wheels/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def refused(*arguments: str, docker: str) -> str:
    done = subprocess.run(
        [BUILD, *arguments],
        env={**os.environ, "DOCKER": docker},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_without_docker_it_says_so_in_one_line() -> None:
    said = refused(docker="no-such-docker")
    assert said.startswith("images: no-such-docker is not on the PATH")
    assert said.count("\n") == 1


def test_without_its_engine_it_says_so_in_one_line(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Client: 1'\necho 'is the daemon running?' >&2\nexit 1\n")
    docker.chmod(0o755)
    said = refused("cameras", docker=str(docker))
    assert said == "images: the Docker Engine does not answer: is the daemon running?\n"


def test_an_unknown_service_is_refused_by_name() -> None:
    assert "no services/nobody/Dockerfile" in refused("nobody", docker="no-such-docker")
