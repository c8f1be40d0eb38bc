"""Scripts for maintaining the project. Nothing imports them, and the wheel does not include them."""
