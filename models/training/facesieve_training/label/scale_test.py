from pathlib import Path

import pandas as pd

from facesieve_training.label import scale


def test_synthetic_features_are_labelled_shard_by_shard(tmp_path: Path) -> None:
    result = scale.measure(500, tmp_path, identities=3)
    labelled = pd.read_parquet(tmp_path / "labels.parquet", columns=["identity", "variant", "agreement"])
    assert result["rows"] == len(labelled) == 600
    assert len(list((tmp_path / "shards").iterdir())) == 2
    means = labelled.groupby("variant")["agreement"].mean()
    assert means[0] > means[1]
