"""The Korean safety-net wire format (SCSNS): messages out and in, without I/O.

Source of every field: the publicly released interworking module of KETI's City Data Hub, as written
down in the project's safety-net-wire-format.md.
"""
