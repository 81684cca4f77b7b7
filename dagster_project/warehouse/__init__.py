"""Warehouse: every dbt model as an asset, every dbt test as a check, and dbt in this process."""
