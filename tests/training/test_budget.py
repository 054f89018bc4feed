"""Rows of one call train for as long as each other."""

import numpy as np

from acclimate.training.fit import fit_rows


def test_an_epoch_is_a_pass_over_the_source_for_the_oracle_too(task_files, settings_of, tmp_path):
    """The target has a third of the source's items: its own epochs would be a third as long."""
    with np.load(task_files[1]) as whole:
        np.savez(tmp_path / "few.npz", x=whole["x"][:40], y=whole["y"][:40])
    settings = settings_of(target=str(tmp_path / "few.npz"), steps=None, epochs=2)
    rows = ["source-only", "dann", "train-on-target"]
    _, records = fit_rows(settings, rows, tmp_path / "rows")
    taken = [record.steps_done for record in records]
    assert taken == [round(2 * records[0].source.items["train"] / 8)] * 3
