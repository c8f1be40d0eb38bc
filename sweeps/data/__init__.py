"""Images: find, read, resize, cache, split and cut them into patches."""
