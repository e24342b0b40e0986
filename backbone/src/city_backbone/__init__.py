"""The shared ground of the services: events, effects, calls, life cycle; no domain words."""
