"""From the hold of a bay to its settlement; no two live claims on one bay."""
