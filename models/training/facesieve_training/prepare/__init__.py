"""Turns images of people, in the formats they come in, into aligned faces with margin, in shards."""
