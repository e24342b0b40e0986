"""A department can be taken out of the repository: its folder and two wheels are all it needs."""

from pathlib import Path

import pytest

from .lone_department import ROOT, Lone, build_wheels, take_away

DEPARTMENTS = {path.parent.name for path in (ROOT / "services").glob("*/service.yaml")}
# What the folder of its tests holds at least; that of all is what it holds here.
SENSORS = {"unit": 120, "contract": 40, "integration": 40}
ALONE = "sensors"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of the contracts and the backbone; emergency's tests talk to the stand-ins of the rooms."""
    return build_wheels(tmp_path_factory.mktemp("wheels"), ["protos", "backbone", "loadtests"])


def needed(department: str, wheels: list[Path]) -> list[Path]:
    """Only emergency says that it needs the third."""
    return [
        wheel
        for wheel in wheels
        if department == "emergency" or not wheel.name.startswith("city_loadtests")
    ]


def taken(department: str, place: Path, wheels: list[Path]) -> Lone:
    return take_away(department, place, needed(department, wheels))


def test_it_passes_all_its_tests_with_nothing_but_its_folder(
    tmp_path: Path, wheels: list[Path]
) -> None:
    lone = taken(ALONE, tmp_path, wheels)
    outcome = lone.test()
    assert outcome.code == 0, outcome.output[-3000:]
    assert all(outcome.passed[kind] >= least for kind, least in SENSORS.items()), outcome.passed
    packages = {name.partition(".")[0] for name in outcome.modules}
    assert packages >= {"city", "city_backbone", ALONE}
    assert not packages & {*DEPARTMENTS - {ALONE}, "meshctl", "loadtests", "services"}
    assert not [file for file in outcome.modules.values() if file.is_relative_to(ROOT)]
    for name, file in outcome.modules.items():
        if name.partition(".")[0] in ("city", "city_backbone"):
            assert file.is_relative_to(tmp_path / "venv"), name
        if name.partition(".")[0] == ALONE:
            assert file.is_relative_to(lone.folder / "src"), name


@pytest.mark.parametrize("department", sorted(DEPARTMENTS - {ALONE}))
def test_each_declares_all_that_its_code_imports(
    department: str, tmp_path: Path, wheels: list[Path]
) -> None:
    """The contract tests import every module of the department's."""
    outcome = taken(department, tmp_path, wheels).test("tests/contract")
    assert outcome.code == 0, outcome.output[-3000:]
    assert outcome.passed["contract"] > 0
    packages = {name.partition(".")[0] for name in outcome.modules}
    assert not packages & {*DEPARTMENTS - {department}, "meshctl", "services"}


@pytest.mark.parametrize("other", ["emergency", "meshctl"])
def test_one_that_needs_another_does_not_pass(
    other: str, tmp_path: Path, wheels: list[Path]
) -> None:
    lone = taken(ALONE, tmp_path, wheels)
    with (lone.folder / "src" / ALONE / "facts.py").open("a") as file:
        file.write(f"\nimport {other}\n")
    outcome = lone.test("tests/unit")
    assert outcome.code != 0
    assert f"No module named '{other}'" in outcome.output
