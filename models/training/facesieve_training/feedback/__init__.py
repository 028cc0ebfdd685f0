"""Measures how often a recogniser can use the faces that the program sends, by score, on made-up cameras."""
