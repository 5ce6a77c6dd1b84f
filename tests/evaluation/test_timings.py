from spfem.evaluation.timings import stage_timings


def test_only_finished_stages_count():
    records = {
        "faces": {"complete": True, "seconds": 1.239},
        "pairs": {"complete": False, "seconds": 5.0},
    }
    table = stage_timings(records, device="cpu", threads=2)
    assert list(table.columns) == ["stage", "seconds", "device", "threads"]
    assert table.to_dict("records") == [
        {"stage": "faces", "seconds": 1.24, "device": "cpu", "threads": 2}
    ]
