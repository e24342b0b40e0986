"""How long a detection takes to become a dispatch in the 112 room, hop by hop."""
