"""The operational side: settings, database, tables, and the use cases that write them."""
