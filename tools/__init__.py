"""Scripts that maintain the project; nothing imports them and no wheel carries them."""
