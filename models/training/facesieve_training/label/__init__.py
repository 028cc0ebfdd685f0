"""Automatic labels: the expected accuracy of a recognition network on each face, clean and degraded."""
