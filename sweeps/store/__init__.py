"""The database: its tables and their migrations, the one writer of a sweep, and its lease."""
