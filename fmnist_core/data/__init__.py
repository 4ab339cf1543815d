"""The images: where they are, what training does to them, and what is wrong with some."""
