"""Measures the visits that the program reports on recordings: who was sent, missed, doubled, confused."""
