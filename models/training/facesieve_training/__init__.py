"""Trains, labels, exports and judges the networks of facesieve; the command is `facesieve-train STAGE`."""

__version__ = "0.1.0"
