"""What was found, told: pages, pictures, tables and verdicts."""
