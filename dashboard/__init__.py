"""The pages of the Hub: rendered on the server, in the same process as the API, by the same operations and walls."""
