"""Resources as they are answered, in FHIR R4's JSON."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from health.assessment.advice import Advice
from health.fhir import terms
from health.fhir.desk import Stored
from health.fhir.refused import Refused
from health.measuring.measurement import DIASTOLIC, SYSTOLIC, Code, Measurement

Json = dict[str, Any]


def outcome(refusal: Refused) -> Json:
    issue: Json = {"severity": "error", "code": refusal.code, "diagnostics": refusal.diagnostics}
    if refusal.expression:
        issue["expression"] = [refusal.expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def observation(
    measurement_id: UUID, measurement: Measurement, kiosk_id: str | None, advice: Sequence[Advice]
) -> Json:
    """Without subject: who sent it knows whose it is, and who may search has only their own.

    `advice`: what it means by itself, and perhaps together with others; the worst counts.
    """
    worst = max(advice, key=lambda one: one.level)
    category = "laboratory" if measurement.code is Code.GLUCOSE else "vital-signs"
    resource: Json = {
        "resourceType": "Observation",
        "id": str(measurement_id),
        "status": "final",
        "category": [{"coding": [{"system": terms.CATEGORY, "code": category}]}],
        "code": _concept(measurement.code.loinc),
        "effectiveDateTime": measurement.taken_at.isoformat(),
        **_values(measurement),
        "interpretation": [{"coding": _interpretation(worst)}],
        "note": [{"text": one.text} for one in advice],
    }
    if kiosk_id is not None:
        resource["device"] = {"identifier": {"system": terms.KIOSK, "value": kiosk_id}}
    return resource


def stored(one: Stored) -> Json:
    advice = [one.advice, *([one.of_all] if one.of_all else [])]
    return observation(one.sent.measurement_id, one.sent.measurement, one.sent.kiosk_id, advice)


def location(one: Stored) -> str:
    return f"Observation/{one.sent.measurement_id}"


def transaction_response(all_stored: Sequence[Stored]) -> Json:
    """In the order of what was sent."""
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [
            {
                "resource": stored(one),
                "response": {"status": "201 Created", "location": location(one)},
            }
            for one in all_stored
        ],
    }


def searchset(resources: Sequence[Json], total: int, links: Mapping[str, str]) -> Json:
    """`total` is of all pages."""
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
    }
    if resources:  # R4 has no empty arrays
        bundle["entry"] = [
            {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            for resource in resources
        ]
    return bundle


def _values(measurement: Measurement) -> Json:
    unit = measurement.code.unit
    if measurement.diastolic is not None:
        parts = ((SYSTOLIC, measurement.value), (DIASTOLIC, measurement.diastolic))
        return {
            "component": [
                {"code": _concept(loinc), "valueQuantity": _quantity(value, unit)}
                for loinc, value in parts
            ]
        }
    values: Json = {"valueQuantity": _quantity(measurement.value, unit)}
    if measurement.fasting is not None:
        values["component"] = [
            {"code": _concept(terms.FASTING), "valueBoolean": measurement.fasting}
        ]
    return values


def _quantity(value: float, unit: str) -> Json:
    return {
        "value": int(value) if float(value).is_integer() else value,
        "unit": unit,
        "system": terms.UCUM,
        "code": unit,
    }


def _concept(loinc: str) -> Json:
    return {"coding": [{"system": terms.LOINC, "code": loinc, "display": terms.DISPLAY[loinc]}]}


def _interpretation(advice: Advice) -> list[Json]:
    """How far off it is, and by which rule."""
    return [
        {"system": terms.INTERPRETATION, "code": terms.INTERPRETATIONS[advice.level]},
        {"system": terms.RULE, "version": str(advice.rule_version), "code": advice.rule_id},
    ]
