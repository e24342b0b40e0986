"""Consuming: Faust moves partition batches, effects commit in the database, then the offset."""
