"""`meshctl register` ends in time, and with an exit code that a Job understands."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from meshctl.cli import main

SERVICE = """\
service: air
owner: o
contact: c
produces:
  - {topic: air.seen.v1, schema: s.avsc, key: id, partitions: 1, retention: 1d, class: public}
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "s.avsc").write_text('{"type": "string"}', encoding="utf-8")
    file = tmp_path / "service.yaml"
    file.write_text(SERVICE, encoding="utf-8")
    return file


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["meshctl", "register", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    assert isinstance(code, int)
    return code, capsys.readouterr().err


def test_a_registry_that_is_not_there(
    service: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        code, text = said(monkeypatch, capsys, "--registry", url, service)
    assert code == 1
    assert f"the schema registry at {url}" in text


def test_a_registry_that_does_not_answer(
    service: Path, silent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    arguments = ("--registry", silent, "--deadline", 1, service)
    code, text = said(monkeypatch, capsys, *arguments)
    assert time.monotonic() - began < 10
    assert (code, text) == (1, "meshctl: registry: not done within 1 s\n")


def test_a_registration_that_is_wrong(
    service: Path, silent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.write_text(SERVICE.replace("1d", "a while"), encoding="utf-8")
    code, text = said(monkeypatch, capsys, "--registry", silent, service)
    assert code == 1
    assert f"{service}:5: produces[0].retention" in text
