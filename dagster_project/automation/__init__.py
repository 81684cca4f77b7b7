"""Automation: jobs, schedules and sensors, the queries that tell what is due, and alerts of failures."""
