"""Mouse sessions on disk: tables, columns, reading."""
