"""The stack in containers: what compose.yaml mounts, and applying registrations to what it runs."""
