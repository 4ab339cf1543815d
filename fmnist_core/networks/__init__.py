"""The tutorial's Net and the other architectures."""
