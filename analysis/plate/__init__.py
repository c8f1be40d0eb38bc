"""Makes plates like those in papers: the same crop of an image, upscaled by several networks, beside bicubic and the
original.
"""
