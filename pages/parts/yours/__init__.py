"""What the page Yours is made of."""
