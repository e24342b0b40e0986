"""Whether a resource is FHIR R4 at all, by fhir.resources. Raises Refused, which quotes nothing."""

import re
from collections.abc import Sequence
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from pydantic import BaseModel, ValidationError

from health.fhir.element import Element
from health.fhir.refused import Refused, malformed

_MODELS: dict[str, type[BaseModel]] = {"Bundle": Bundle, "Observation": Observation}
_NAME = re.compile(r"_?([A-Za-z]+)")
# What the library adds behind the element that is wrong.
_NO_NAMES = ("root", "str")
# The library's own words may quote what was sent.
_EXPECTED = {
    "extra_forbidden": "expected no element that FHIR R4 does not have",
    "missing": "expected a value, FHIR R4 requires one",
    "model_field_validation.missing": "expected a value, FHIR R4 requires one",
}


def must_be_r4(resource: Element, resource_type: str) -> None:
    """Structure, cardinalities, primitives' formats and choices; not value sets, not references."""
    try:
        _MODELS[resource_type].model_validate(resource.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _refused(resource.path, first["type"], first["loc"]) from None
    except Exception:
        # Some of what is no FHIR the library does not refuse but stumbles over.
        raise malformed(f"expected a FHIR R4 {resource_type}", resource.path) from None


def _refused(path: str, kind: str, place: Sequence[Any]) -> Refused:
    if kind == "extra_forbidden":
        place = place[:-1]  # the name is the sender's, and may be anything
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in _NO_NAMES and (name := _NAME.fullmatch(part)):
            path += f".{name[1]}"
        else:
            break
    required = kind.endswith("missing")
    expected = _EXPECTED.get(kind, "expected what FHIR R4 has here")
    return Refused(400, "required" if required else "structure", expected, path)
