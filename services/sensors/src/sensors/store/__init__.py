"""SQL. Every function works in the caller's transaction and costs a fixed number of statements.

Bulk arrays are bound with %b, in binary: as text, every item would be escaped in Python.
"""
