"""Suppression of the notes that native libraries print while they or a network are loaded."""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

# Lines of absl's log: severity, date, time; its own notice about them; and LiteRT's.
_NOTE = re.compile(
    rb"[IW]\d{4} |WARNING: All log messages before absl::InitializeLog\(\)|INFO: Created TensorFlow"
)
# stderr is diverted once at a time.
_ONE = threading.RLock()


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Drop information and warnings of absl and LiteRT on stderr; other lines are written after the block.

    TensorFlow prints them during its import, before TF_CPP_MIN_LOG_LEVEL has an effect. For short blocks: the
    stderr of all threads is diverted.
    """
    sys.stderr.flush()
    with _ONE, tempfile.TemporaryFile() as file:
        real = os.dup(2)
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
