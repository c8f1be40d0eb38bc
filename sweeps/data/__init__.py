"""Images: found, read, enlarged and shrunk, cached, split, cut into patches."""
