"""Readers of the published formats of face sets, one per file."""
