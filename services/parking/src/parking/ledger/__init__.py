"""Double entry in whole won, each day under a published Merkle root."""
