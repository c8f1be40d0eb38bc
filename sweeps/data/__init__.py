"""Image sets: how they are found, read, resized, cached, split and cut into patches."""
