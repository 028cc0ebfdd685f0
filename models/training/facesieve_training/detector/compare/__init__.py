"""Stage `compare`: face detectors side by side on held-out pictures, recordings and backgrounds."""
