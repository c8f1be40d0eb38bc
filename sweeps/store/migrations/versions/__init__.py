"""One file for each revision. After a file may have migrated a database, its migration must never change."""
