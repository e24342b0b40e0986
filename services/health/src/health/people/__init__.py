"""People under pseudonyms, their consent, their keys, and forgetting them."""
