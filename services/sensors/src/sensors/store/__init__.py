"""SQL. Every function works in the caller's transaction and costs a fixed number of statements."""
