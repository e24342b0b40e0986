"""From detections to alarms that operators act on."""
