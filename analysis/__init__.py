"""Analysis: from the database to fronts, plots, chosen variants and exported models."""
