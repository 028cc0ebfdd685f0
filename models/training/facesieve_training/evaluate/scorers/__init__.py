"""Quality scores that can be judged beside each other: one class, one file; `registry` knows them by name."""
