"""Quality scores for evaluation, one class per file; `registry` maps names to classes."""
