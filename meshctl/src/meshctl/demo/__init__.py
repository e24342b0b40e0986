"""`meshctl demo`: real air through the mesh, and an account that asks no service."""
