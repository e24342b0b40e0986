"""The same jobs done by others in the same run: a table of ratios."""
