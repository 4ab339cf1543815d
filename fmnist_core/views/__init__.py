"""Values in, picture out: no files, no torch, no Streamlit."""
