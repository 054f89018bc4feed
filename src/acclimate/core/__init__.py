"""Types, registry, errors, schedules, seeding and records: no networks here."""
