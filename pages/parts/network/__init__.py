"""What only Network shows."""
