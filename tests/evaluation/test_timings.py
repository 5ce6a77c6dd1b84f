from studies.checks import stage_timings


def test_only_finished_stages_count_with_the_threads_that_made_them():
    records = {
        "faces": {"complete": True, "seconds": 1.239, "threads": 2},
        "spatial": {"complete": True, "seconds": 3.0, "facts": {"threads": 4}},
        "older": {"complete": True, "seconds": 2.0, "facts": {}},
        "pairs": {"complete": False, "seconds": 5.0, "threads": 2},
    }
    table = stage_timings(records, device="cpu")
    assert list(table.columns) == ["stage", "seconds", "device", "threads"]
    assert table.to_dict("records") == [
        {"stage": "faces", "seconds": 1.24, "device": "cpu", "threads": 2},
        {"stage": "spatial", "seconds": 3.0, "device": "cpu", "threads": 4},
        {"stage": "older", "seconds": 2.0, "device": "cpu", "threads": 0},
    ]
