"""Video for a named incident, a legal ground, an approver and an end time."""
