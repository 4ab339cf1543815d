"""Everything that the pages of Fashion-MNIST Lab show. Never imports streamlit."""
