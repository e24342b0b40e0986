"""The open-loop driver of the load tests."""
