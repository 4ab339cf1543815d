"""The page Inside, a file a view."""
