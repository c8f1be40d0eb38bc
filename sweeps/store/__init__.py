"""The database: its tables, its only writer, and who may write."""
