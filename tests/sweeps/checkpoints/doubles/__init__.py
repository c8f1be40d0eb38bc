"""Networks as the authors' public code builds them: same names, same order, nothing of ours."""
