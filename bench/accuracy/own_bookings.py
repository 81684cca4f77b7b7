"""Data sets from a CSV of bookings, so that any business can be measured."""

from pathlib import Path

import pandas as pd

from bench.accuracy.data import DataSet, booked

COLUMNS = ("business", "country", "service_day", "booked_on", "cancelled_on", "revenue", "service")


def read(path: Path) -> list[DataSet]:
    """Return one data set per business: revenue by service day, total and by service, with its book.

    Columns: business, country (ISO 3166-1 alpha-2), service_day, booked_on, cancelled_on (empty: not cancelled),
    revenue, service. Raises ValueError for a missing column.
    """
    table = pd.read_csv(path, dtype={"service": str})
    absent = [column for column in COLUMNS if column not in table.columns]
    if absent:
        raise ValueError(f"{path} has no column {', '.join(absent)}; it needs {', '.join(COLUMNS)}")
    for column in ("service_day", "booked_on", "cancelled_on"):
        table[column] = pd.to_datetime(table[column])
    return [
        booked(str(business), rows.reset_index(drop=True), ("service",), str(rows["country"].iloc[0]))
        for business, rows in table.groupby("business")
    ]
