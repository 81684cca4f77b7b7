"""What the pages read of marts and views, a module a page: SQL in, rows out."""
