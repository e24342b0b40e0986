"""The gates as JUnit test cases: FAIL is a failure, INVALID an error."""

import re
from xml.etree import ElementTree

from loadtests.driver.result import Result, Run

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Run, result: Result) -> bytes:
    """What makes the whole run INVALID or FAIL without a gate of its own is the case "run"."""
    seconds = f"{(run.ended - run.began).total_seconds():.3f}"
    cases = []
    for gate in result.gates:
        case = ElementTree.Element("testcase", classname=f"load.{run.scenario}", name=gate.name)
        measured = "not measured" if gate.value is None else f"{gate.value:g} {gate.unit}"
        words = f"{measured}, {gate.direction} {gate.limit:g} {gate.unit} {gate.detail}"
        _judged(case, gate.verdict, " ".join(words.split()))
        cases.append(case)
    if result.verdict not in {gate.verdict for gate in result.gates}:
        case = ElementTree.Element("testcase", classname=f"load.{run.scenario}", name="run")
        _judged(case, result.verdict, "; ".join(result.reasons))
        cases.append(case)
    suite = ElementTree.Element(
        "testsuite",
        name=f"load.{run.scenario}",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped="0",
        timestamp=run.began.isoformat(timespec="seconds"),
        time=seconds,
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"verdict": result.verdict, "seed": run.seed, **run.versions}.items():
        ElementTree.SubElement(properties, "property", name=name, value=str(value))
    suite.extend(cases)
    for element in suite.iter():
        element.attrib = {key: _NOT_XML.sub("�", one) for key, one in element.attrib.items()}
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _judged(case: ElementTree.Element, verdict: str, words: str) -> None:
    if verdict == "FAIL":
        ElementTree.SubElement(case, "failure", message=words)
    elif verdict == "INVALID":
        ElementTree.SubElement(case, "error", message=words)
