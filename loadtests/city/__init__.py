"""A seeded model of a city, and the players that send it to the departments.

Not measurements: every value is computed from the seed. `air` plays stations into `sensors`,
`cameras` the control centre's estate into `cameras`, `scenes` scripted events with the outcome each
must have. The rates.py of each gives where its figures are from.
"""
