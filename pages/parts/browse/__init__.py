"""What only Browse shows."""
