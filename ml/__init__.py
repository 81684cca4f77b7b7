"""Statistics as pure functions on DataFrames: series in, tables out. No SQL, no clock, no network, no sentences."""
