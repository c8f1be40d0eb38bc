"""Shows the same part of an image as several networks enlarge it, beside bicubic and the original: the plates of papers."""
