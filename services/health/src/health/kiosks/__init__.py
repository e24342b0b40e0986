"""Kiosks in health-care zones, and people's sessions at them."""
