"""Acts that are answered for: each one, allowed or refused, in a register that is sealed daily."""
