"""Trains, labels, exports and evaluates the networks of facesieve; the command is `facesieve-train STAGE`."""

import os

__version__ = "0.1.0"

# TensorFlow uses oneDNN's convolutions by default only on processors with AVX512-VNNI; others train half as
# fast without them. It reads this variable when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Its notes about processor features; warnings go with them, errors stay.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
