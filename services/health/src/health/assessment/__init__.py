"""What a measurement means: advice, and the acute score, by rules that are data."""
