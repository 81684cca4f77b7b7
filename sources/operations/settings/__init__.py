"""What admins decide: the catalogue, the organisation and its policies, absences, targets and channels."""
