"""Evaluates quality scores: error-versus-discard curves of any number of scores with one matcher."""
