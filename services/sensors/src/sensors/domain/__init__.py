"""What the department knows about air: no I/O, no library, nothing of the mesh."""
