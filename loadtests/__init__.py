"""Load on the mesh from outside it: stand-in rooms and a seeded city. Imports no department."""
