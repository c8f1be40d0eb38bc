"""Networks as the authors' public code builds them: the same names and order, and none of srsweep's code.

Each double names the repository, the file and the commit that it was read from. It registers its modules in the order
of that file, uses the activations of that file, in place where the file does, and takes colours in its range.
"""
