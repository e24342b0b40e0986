"""When a station counts as silent."""

# Of its own intervals, since the city last took in a new reading of it, or registered it.
SILENT_INTERVALS = 3
