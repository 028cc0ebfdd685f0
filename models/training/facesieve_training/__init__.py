"""Trains, labels, exports and judges the networks of facesieve; the command is `facesieve-train STAGE`."""

import os

__version__ = "0.1.0"

# TensorFlow takes oneDNN's convolutions by itself only on processors with AVX512-VNNI, and others learn half
# as fast without; it reads this when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
