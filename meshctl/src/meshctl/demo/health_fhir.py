"""A hospital's system that sends FHIR R4 to the department."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from meshctl.demo.health_plan import Content

_SECONDS = 10.0
_AGAIN_SECONDS = 0.3
_LOINC = {"HEART_RATE": ("8867-4", "/min"), "BODY_TEMPERATURE": ("8310-5", "Cel")}
_TOKEN, _OWN = "urn:citymesh:health:person-token", "urn:example:hospital"


class Hospital:
    """Sends until it is answered; what it sends again is the same."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key

    async def send(
        self, resource: Mapping[str, Any], key: str | None = None
    ) -> tuple[int, Mapping[str, Any]]:
        """Status and body of the answer; `key` instead of its own."""
        while True:
            status, body = await asyncio.to_thread(self._post, resource, key or self._key)
            if 0 < status < 500:
                return status, body
            await asyncio.sleep(_AGAIN_SECONDS)

    def _post(self, resource: Mapping[str, Any], key: str) -> tuple[int, Mapping[str, Any]]:
        """Status 0: nobody answers."""
        request = urllib.request.Request(
            self._url,
            json.dumps(resource).encode(),
            {"Content-Type": "application/fhir+json", "Authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, {}
        except (OSError, ValueError):
            return 0, {}


def observation(token: str, number: str, content: Content) -> dict[str, Any]:
    """A heart rate or a temperature; `number` is the hospital's own for it."""
    loinc, unit = _LOINC[content.code]
    taken = datetime.fromtimestamp(content.taken_micros / 1_000_000, UTC)
    return {
        "resourceType": "Observation",
        "identifier": [{"system": _OWN, "value": number}],
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "subject": {"identifier": {"system": _TOKEN, "value": token}},
        "effectiveDateTime": taken.isoformat(timespec="milliseconds"),
        "valueQuantity": {
            "value": content.value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def in_fahrenheit(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The same in a unit that is not taken."""
    quantity = {**resource["valueQuantity"], "unit": "degF", "code": "[degF]"}
    return {**resource, "valueQuantity": quantity}
