"""Finding out more about an incident after its rooms were called; nobody waits for it."""
