"""The department of the air: stations, readings, hourly means, the index (CAI) and alerts."""
