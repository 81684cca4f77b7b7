"""The routes of the API, one file per resource: they only translate between HTTP and operations."""
