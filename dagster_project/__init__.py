"""Orchestration: assets, checks, jobs, schedules and sensors. The only package that imports Dagster."""
