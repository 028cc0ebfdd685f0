"""Export of trained networks for the daemon: int8 TFLite files with their manifests."""
