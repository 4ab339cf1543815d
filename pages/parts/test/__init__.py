"""The views of the Test page. What is tested is decided in `subject`; each other file draws one view of it."""
