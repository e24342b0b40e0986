"""The control centre's 3,038 cameras: where they are, what they see, and those who look at it."""
