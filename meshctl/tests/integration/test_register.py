"""`meshctl register` on the real registry: what the Job of a department does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from city_backbone.testing import Mesh

ROOT = Path(__file__).parents[3]


def register(registry: str, service: Path) -> tuple[int, str]:
    """As in the Job: from a folder that is no checkout."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("meshctl")),
            "register",
            "--registry",
            registry,
            service,
        ],
        cwd=service.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_schemas_are_registered_once_and_a_break_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    registry = mesh.environment("operator")["OPERATOR_REGISTRY__URL"]
    service = tmp_path / "service.yaml"
    shutil.copytree(ROOT / "services" / "sensors" / "events", tmp_path / "events")
    text = (ROOT / "services" / "sensors" / "service.yaml").read_text(encoding="utf-8")
    # Its own name: the topics of this test are nobody's.
    service.write_text(text.replace("sensors", "jobtest"), encoding="utf-8")
    assert register(registry, service) == (0, "registry: 5 schemas (5 new)\n")
    assert register(registry, service) == (0, "registry: 5 schemas (0 new)\n")
    file = tmp_path / "events" / "station_silent.v1.avsc"
    schema = json.loads(file.read_text(encoding="utf-8"))
    schema["fields"].append({"name": "because", "type": "string", "doc": "Why."})
    file.write_text(json.dumps(schema), encoding="utf-8")
    code, said = register(registry, service)
    assert code == 1
    assert "schema jobtest.station-silent.v1-value: not FULL_TRANSITIVE compatible" in said
