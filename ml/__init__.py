"""Statistics as pure functions on DataFrames: series in, tables and sentences out. No SQL, no clock, no network."""
