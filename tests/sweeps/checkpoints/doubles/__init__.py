"""Networks as the authors' public code builds them: the same names and order, and none of srsweep's code."""
