"""Systems and codes of the resources, in and out."""

from health.assessment.rules import Level
from health.measuring.measurement import DIASTOLIC, SYSTOLIC, Code

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PERSON_TOKEN = "urn:citymesh:health:person-token"
KIOSK = "urn:citymesh:health:kiosk"
RULE = "urn:citymesh:health:rule"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"

# LOINC "Fasting status - Reported", a component of a glucose with a Boolean value.
FASTING = "49541-6"

CODES = {code.loinc: code for code in Code}

# What is measured is told with its final value. What is amended or corrected is so in the
# sender's system: here it is stored once, and an identifier that came with another value is 409.
STATUSES = ("final", "amended", "corrected")

DISPLAY = {
    Code.BLOOD_PRESSURE.loinc: "Blood pressure panel with all children optional",
    Code.OXYGEN_SATURATION.loinc: "Oxygen saturation in Arterial blood by Pulse oximetry",
    Code.BODY_TEMPERATURE.loinc: "Body temperature",
    Code.HEART_RATE.loinc: "Heart rate",
    Code.BODY_MASS_INDEX.loinc: "Body mass index (BMI) [Ratio]",
    Code.GLUCOSE.loinc: "Glucose [Mass/volume] in Blood",
    SYSTOLIC: "Systolic blood pressure",
    DIASTOLIC: "Diastolic blood pressure",
    FASTING: "Fasting status - Reported",
}

# Normal, abnormal, critically abnormal: how far off, not what somebody has.
INTERPRETATIONS = {
    Level.NORMAL: "N",
    Level.ATTENTION: "A",
    Level.CONSULT: "A",
    Level.CONSULT_SOON: "AA",
}
