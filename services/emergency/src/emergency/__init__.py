"""The emergency department: the city's incidents and their way to 112, 119 and disaster rooms."""
