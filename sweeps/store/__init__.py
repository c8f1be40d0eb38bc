"""The database: its tables, their migrations, the class that reads and writes it, and the lease of a sweep."""
