"""Runs as others see them: the door (client, sealed, people), queue, index and troubles. Their files and processes stand below."""
