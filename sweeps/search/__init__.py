"""Which architecture to train next, and which paused trial to train further."""
