"""What decides how a run turns out, and settings that have a name. No torch."""
