"""Statistics as pure functions on DataFrames, series to tables: no SQL, no clock, no network, no sentences."""
