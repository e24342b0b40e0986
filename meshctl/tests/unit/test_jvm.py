"""The JVM parts: fetched once, and what is missing on the machine is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from meshctl.errors import MeshctlError, PrerequisiteError
from meshctl.settings import Settings

from meshctl import jvm

MAVEN = """\
for option in "$@"; do case "$option" in -Djvm.directory=*) folder="${option#*=}";; esac; done
mkdir -p "$folder/registry" && touch "$folder/registry/registry-runner.jar"
"""


def program(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}")
    path.chmod(0o755)
    return str(path)


def kept(keeping: jvm.Jvm, part: str) -> Path:
    """Where the part leaves its classes, as if it had."""
    option, _, archive = keeping.class_data(part)[0].partition("=")
    assert option == "-XX:ArchiveClassesAtExit"
    Path(archive).touch()
    return Path(archive)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    pom = tmp_path / "deploy" / "local" / "pom.xml"
    pom.parent.mkdir(parents=True)
    pom.write_text("<project/>")
    return Settings(
        root=tmp_path,
        java=program(tmp_path, "java", "echo 'openjdk version \"17.0.15\" 2025' >&2"),
        maven=program(tmp_path, "mvn", MAVEN),
    )


async def test_fetches_once_and_again_when_the_pom_changes(settings: Settings) -> None:
    said: list[str] = []
    found = await jvm.ensure(settings, said.append)
    assert found.registry_jar.name == "registry-runner.jar"
    await jvm.ensure(settings, said.append)
    assert len(said) == 1
    (settings.local / "pom.xml").write_text("<project>newer</project>")
    await jvm.ensure(settings, said.append)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo 'java version \"11.0.2\"'", "Java 17 or newer is needed, .* is 11"),
        ("echo nothing", "is an unknown version"),
    ],
)
async def test_an_old_java_is_refused(
    settings: Settings, tmp_path: Path, body: str, reason: str
) -> None:
    old = settings.model_copy(update={"java": program(tmp_path, "old", body)})
    with pytest.raises(PrerequisiteError, match=reason):
        await jvm.ensure(old, print)


async def test_what_is_not_installed_is_said(settings: Settings, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with pytest.raises(PrerequisiteError, match="Java 17 or newer is needed"):
        await jvm.ensure(settings.model_copy(update={"java": absent}), print)
    with pytest.raises(PrerequisiteError, match="Maven is needed"):
        await jvm.ensure(settings.model_copy(update={"maven": absent}), print)


async def test_a_failed_fetch_gives_mavens_reason_and_is_tried_again(
    settings: Settings, tmp_path: Path
) -> None:
    broken = program(tmp_path, "broken", "echo '[ERROR] no such artifact'; echo more; exit 1")
    with pytest.raises(MeshctlError, match="no such artifact"):
        await jvm.ensure(settings.model_copy(update={"maven": broken}), print)
    assert (await jvm.ensure(settings, print)).registry_jar.is_file()


async def test_classes_are_shared_once_they_were_kept(settings: Settings) -> None:
    found = await jvm.ensure(settings, print)
    assert found.class_data("kafka") == ()
    keeping = await jvm.ensure(settings.model_copy(update={"keep_class_data": True}), print)
    assert keeping.class_data("kafka", keep=False) == ()
    archive = kept(keeping, "kafka")
    assert f"-XX:SharedArchiveFile={archive}" in found.class_data("kafka")
    assert found.class_data("registry") == ()


async def test_another_java_shares_nothing(settings: Settings, tmp_path: Path) -> None:
    keeping = await jvm.ensure(settings.model_copy(update={"keep_class_data": True}), print)
    kept(keeping, "kafka")
    newer = program(tmp_path, "newer", "echo 'openjdk version \"21.0.1\"'")
    found = await jvm.ensure(settings.model_copy(update={"java": newer}), print)
    assert found.class_data("kafka") == ()
