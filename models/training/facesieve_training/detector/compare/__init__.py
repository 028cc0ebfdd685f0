"""Stage `compare`: face detectors side by side on held-out images, recordings and backgrounds."""
