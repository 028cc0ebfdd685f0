"""Converts images of people, in their published formats, to aligned faces with margin, in shards."""
