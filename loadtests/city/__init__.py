"""A seeded model of a city's air and the sender that plays it into `sensors`.

Not measurements: every value is computed from the seed. See rates.py for where each figure is from.
"""
