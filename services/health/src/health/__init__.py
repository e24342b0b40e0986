"""Health-care zones: kiosks that may save a life, and data that can be forgotten everywhere."""
