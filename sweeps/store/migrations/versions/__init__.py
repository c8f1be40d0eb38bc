"""One file for each revision. Once a file may have migrated a database, its migration never changes."""
