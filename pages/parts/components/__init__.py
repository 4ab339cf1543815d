"""Browser components, a folder each."""
