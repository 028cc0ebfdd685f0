"""Judges quality scores: error versus discard of any number of scores, beside each other, on one matcher."""
