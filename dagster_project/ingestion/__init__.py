"""Ingestion: operational tables to raw, the day of each organisation, public holidays."""
