"""What several pages show of a run: picker, list, moment, gallery."""
