"""Calls between departments: gRPC with mutual TLS, deadlines and registered callers."""
