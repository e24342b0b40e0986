"""What sensors see of bays, and where that and the bookings disagree."""
