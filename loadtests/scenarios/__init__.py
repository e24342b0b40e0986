"""Load tests as files: what is sent, what breaks meanwhile, and what must hold."""
