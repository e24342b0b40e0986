"""What is measured, sealed and told of; one way in for kiosks and FHIR."""
