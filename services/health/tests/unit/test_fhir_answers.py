"""What is answered is FHIR R4."""

from uuid import UUID, uuid4

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.operationoutcome import OperationOutcome
from health.assessment.advice import advise, assess
from health.assessment.rulebook import load
from health.fhir import answers
from health.fhir.capability import capability_statement
from health.fhir.desk import Stored
from health.fhir.observation import Sent
from health.fhir.refused import Refused
from health.measuring.measurement import Code, Measurement

from .test_fhir_examples import NOW, TOKEN

RULES = load()
PULSE = Measurement(Code.HEART_RATE, 140, None, None, NOW, "")
BLOOD_PRESSURE = Measurement(Code.BLOOD_PRESSURE, 151.5, 92, None, NOW, "")


def stored(measurement: Measurement) -> Stored:
    sent = Sent("Observation", UUID(int=7), TOKEN, measurement, "kiosk-1")
    told = assess([measurement], RULES, told=True).advice
    return Stored(sent, advise(measurement, RULES), told)


def test_an_outcome() -> None:
    found = answers.outcome(Refused(422, "value", "expected 1", "Observation.status"))
    OperationOutcome.model_validate(found)
    assert found["issue"] == [
        {
            "severity": "error",
            "code": "value",
            "diagnostics": "expected 1",
            "expression": ["Observation.status"],
        }
    ]
    whole = answers.outcome(Refused(400, "structure", "expected JSON"))
    OperationOutcome.model_validate(whole)
    assert "expression" not in whole["issue"][0]


def test_an_observation_tells_what_it_means_and_not_whose_it_is() -> None:
    found = answers.stored(stored(PULSE))
    Observation.model_validate(found)
    assert found["id"] == str(UUID(int=7))
    assert found["valueQuantity"] == {
        "value": 140,
        "unit": "/min",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }
    assert found["interpretation"][0]["coding"][0]["code"] == "AA"
    texts = [note["text"] for note in found["note"]]
    assert len(texts) == 2
    assert all("진단이 아닙니다" in text for text in texts)
    assert found["device"]["identifier"]["value"] == "kiosk-1"
    assert "subject" not in found
    assert TOKEN not in str(found)


def test_a_blood_pressure_has_both_components() -> None:
    found = answers.observation(UUID(int=1), BLOOD_PRESSURE, None, [advise(BLOOD_PRESSURE, RULES)])
    Observation.model_validate(found)
    assert [
        (part["code"]["coding"][0]["code"], part["valueQuantity"]["value"])
        for part in found["component"]
    ] == [("8480-6", 151.5), ("8462-4", 92)]
    assert "device" not in found
    assert found["interpretation"][0]["coding"][0]["code"] == "A"


def test_bundles() -> None:
    response = answers.transaction_response([stored(PULSE), stored(BLOOD_PRESSURE)])
    Bundle.model_validate(response)
    assert [entry["resource"]["code"]["coding"][0]["code"] for entry in response["entry"]] == [
        "8867-4",
        "85354-9",
    ]
    assert response["entry"][0]["response"] == {
        "status": "201 Created",
        "location": f"Observation/{UUID(int=7)}",
    }
    one = answers.observation(uuid4(), PULSE, None, [advise(PULSE, RULES)])
    found = answers.searchset([one], 3, {"self": "/fhir/Observation"})
    Bundle.model_validate(found)
    assert (found["total"], len(found["entry"])) == (3, 1)
    nothing = answers.searchset([], 0, {"self": "/fhir/Observation"})
    Bundle.model_validate(nothing)
    assert "entry" not in nothing


def test_the_capability_statement() -> None:
    statement = capability_statement(100)
    CapabilityStatement.model_validate(statement)
    assert statement["fhirVersion"] == "4.0.1"
