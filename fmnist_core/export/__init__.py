"""A run taken away: as a notebook that trains it again, as an archive, as files that other tools read. No torch."""
