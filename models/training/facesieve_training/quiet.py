"""Suppression of the notes that native libraries print while they are loaded."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Lines of absl's log: severity, date, time; and its own notice about them.
_NOTE = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl::InitializeLog\(\)")


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Drop absl's information and warnings on the process's stderr; other lines are written after the block.

    TensorFlow prints them during its import, before TF_CPP_MIN_LOG_LEVEL has an effect.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            file.seek(0)
            for line in file:
                if not _NOTE.match(line):
                    os.write(2, line)
