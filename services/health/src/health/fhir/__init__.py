"""FHIR R4 in and out.

`fhir.resources` has R4 as its sub-package R4B (4.3.0). R4B changed what is about medicinal
products, evidence, nutrition and subscriptions; Observation, Bundle, OperationOutcome,
CapabilityStatement and the data types in them have the same elements, cardinalities and JSON in
both, but for codes of value sets that the library does not check and we do, where we take them.
"""
