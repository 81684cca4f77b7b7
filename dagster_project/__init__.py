"""What runs and when: the only package that knows Dagster. It wires sources, dbt, ml and notifications."""
