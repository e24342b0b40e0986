"""Who is behind a vehicle or an owner: encrypted, and told to 119 alone, for a live incident."""
