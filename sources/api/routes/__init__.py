"""The routes of the API, one file a resource: they only translate between HTTP and operations."""
