"""Makes plates like those in papers: one crop of an image from several networks, beside bicubic and the original."""
