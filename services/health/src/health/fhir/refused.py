"""What is not taken or not answered, as an OperationOutcome will say it."""


class Refused(Exception):
    """`code` is of FHIR's issue-type; `diagnostics` never quotes what was sent; `expression` is
    the FHIRPath of the element, empty for what is about no element."""

    def __init__(self, status: int, code: str, diagnostics: str, expression: str = "") -> None:
        super().__init__(f"{status} {code} {expression}".strip())
        self.status = status
        self.code = code
        self.diagnostics = diagnostics
        self.expression = expression


def malformed(diagnostics: str, expression: str = "") -> Refused:
    """It is no FHIR R4."""
    return Refused(400, "structure", diagnostics, expression)


def missing(expression: str, expected: str) -> Refused:
    """It is FHIR R4, and does not say what we need."""
    return Refused(422, "required", expected, expression)


def wrong(expression: str, expected: str, code: str = "value") -> Refused:
    """It is FHIR R4, and says what we do not take."""
    return Refused(422, code, expected, expression)
