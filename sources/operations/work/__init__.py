"""Work on bookings: milestones, tasks, time entries and approvals."""
