from pathlib import Path

import numpy as np
import pyarrow as pa

from facesieve_training.label.source import open_source
from facesieve_training.prepare import shards


def test_shards_give_the_same_faces_as_a_directory(face_directory: Path, tmp_path: Path) -> None:
    directory = open_source(face_directory)
    # Written in an order in which no identity's faces are together.
    keys = sorted(((i, n) for i in directory.identities for n in directory.names(i)), key=lambda key: key[1])
    images = np.stack([directory.read(*key) for key in keys])
    half = len(keys) // 2
    root = tmp_path / "prepared"
    for number, part in enumerate((images[:half], images[half:])):
        shards.write_shard(root, number, part)
    rows = [
        {
            "key": "/".join(key),
            "identity": key[0],
            "shard": int(k >= half),
            "row": k % half if k < half else k - half,
        }
        for k, key in enumerate(keys)
    ]
    shards.write_table(root / shards.INDEX, pa.Table.from_pylist(rows, schema=shards.SCHEMA))

    prepared = open_source(root)
    assert sorted(prepared.identities) == directory.identities
    for identity in directory.identities:
        assert sorted(prepared.names(identity)) == directory.names(identity)
        for name in directory.names(identity):
            np.testing.assert_array_equal(prepared.read(identity, name), directory.read(identity, name))
    assert len(open_source(root, 3).identities) == 3
