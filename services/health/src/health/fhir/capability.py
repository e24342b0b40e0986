"""GET /fhir/metadata."""

from health.fhir import terms
from health.fhir.answers import Json

_WORDS = (
    "Systems send with the department's key as a bearer token; a person searches their own"
    " measurements with their own token as a bearer token, so there is no patient parameter."
    " An Observation is known by its one identifier: sent again it is answered the same, with"
    " another content it is refused (409)."
)


def capability_statement(max_entries: int) -> Json:
    """Its date is that of what it says."""
    codes = ", ".join(f"{loinc} in {code.unit}" for loinc, code in terms.CODES.items())
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-25",
        "kind": "instance",
        "implementation": {"description": "citymesh, department health"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/json"],
        "rest": [
            {
                "mode": "server",
                "documentation": _WORDS,
                "interaction": [
                    {
                        "code": "transaction",
                        "documentation": f"1 to {max_entries} entries of POST Observation",
                    }
                ],
                "resource": [
                    {
                        "type": "Observation",
                        "documentation": f"LOINC and UCUM: {codes}",
                        "interaction": [{"code": "create"}, {"code": "search-type"}],
                        "versioning": "no-version",
                        "searchParam": [
                            {
                                "name": "code",
                                "type": "token",
                                "documentation": "LOINC, with its system or without",
                            },
                            {"name": "date", "type": "date", "documentation": "ge and lt"},
                        ],
                    }
                ],
            }
        ],
    }
