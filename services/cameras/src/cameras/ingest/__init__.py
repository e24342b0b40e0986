"""The edges that take detections: gRPC and ONVIF."""
