"""One file per revision, in order. A file never changes once a database may have been migrated by it."""
