"""Health in Sejong's first two health-care zones: kiosks, and people who measure themselves."""
