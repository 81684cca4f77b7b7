"""The HTTP API: routes only translate between HTTP and operations."""
