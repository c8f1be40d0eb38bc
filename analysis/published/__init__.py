"""Published results, and tables that set our results beside them."""
