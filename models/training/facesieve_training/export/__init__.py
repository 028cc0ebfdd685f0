"""Trained networks to what the daemon runs: int8 TFLite files with their manifests."""
