"""The control centre: cameras, detections, alarms and leased video."""
