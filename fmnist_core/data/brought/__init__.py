"""Pictures that people bring: opened safely, and taken to the 28 x 28 pixels that a network reads."""
