"""Readers of the formats that faces come in, one a file."""
