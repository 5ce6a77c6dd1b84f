"""The commands, and the list of what can be imported."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from spfem.corpus.clips import Clip, save_corpus
from spfem.errors import SettingsError
from spfem.files import write_json
from spfem.head import load_head_model
from spfem.media.video import write_video
from spfem.released.__main__ import main
from spfem.released.kinds import import_released, open_released
from spfem.released.ned import open_ned_folder, read_clips
from spfem.released.ned_export import ClipToWrite, new_folder, write_ned_folder
from spfem.run.faces import track_path
from tests.face.planted import planted_clip, planted_track
from tests.released.made_up_clips import assert_same_clip, make_clip


@pytest.fixture
def ned_folder(tmp_path):
    clips = [make_clip("happy_001", 3), make_clip("sad_002", 4, seed=1)]
    with new_folder(tmp_path / "M003") as aside:
        write_ned_folder(aside, map(ClipToWrite, clips))
    return clips, tmp_path / "M003"


def test_there_and_back_and_there(ned_folder, tmp_path, capsys):
    clips, folder = ned_folder
    assert main(["import-ned", str(folder)]) == 0
    assert "happy_001: 3 frames, with DECA codes" in capsys.readouterr().out
    for found, clip in zip(read_clips(open_ned_folder(folder)), clips, strict=True):
        assert_same_clip(found, clip, boxes=False)  # neither frames nor video tell their size
    assert main(["export-ned", str(folder), "--out", str(tmp_path / "back")]) == 0
    for name in ("images", "masks_aligned", "eye_landmarks", "DECA", "nmfcs_aligned"):
        files = sorted((folder / name).iterdir())
        assert [f.name for f in files] == [
            f.name for f in sorted((tmp_path / "back" / name).iterdir())
        ]
        for file in files:
            assert file.read_bytes() == (tmp_path / "back" / name / file.name).read_bytes()


def test_nothing_is_left_of_what_failed(ned_folder, tmp_path, capsys):
    _, folder = ned_folder
    before = sorted(tmp_path.iterdir())
    (folder / "DECA" / "000006.pkl").write_bytes(b"cposix\nsystem\n(S'touch x'\ntR.")
    assert main(["import-ned", str(folder)]) == 1
    assert "posix.system" in capsys.readouterr().err
    assert main(["export-ned", str(folder), "--out", str(tmp_path / "out")]) == 1
    assert main(["import-ned", str(tmp_path / "no")]) == 1
    assert main(["export-ned", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "no folder of a face stage" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
    assert main(["export-ned", str(folder), "--out", str(folder)]) == 1
    assert "name a new folder" in capsys.readouterr().err


@pytest.fixture
def stage(tmp_path):
    """A face stage of two actors with planted tracks, its corpus beside it."""
    root, folder = tmp_path / "run" / "corpus", tmp_path / "run" / "faces"
    clips = []
    for seed, (actor, emotion) in enumerate([("M1", "neutral"), ("M1", "sad"), ("W2", "sad")]):
        clip = Clip(root, actor, emotion, 1 if emotion == "neutral" else 3, "001", "001")
        frames = np.random.default_rng(seed).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
        write_video(clip.video, frames, 25, audio=np.zeros(2560, np.float32), sample_rate=16000)
        clip.audio.parent.mkdir(parents=True, exist_ok=True)
        clip.audio.write_bytes(clip.video.read_bytes())
        faces = np.full((4, 64, 64, 3), 255, np.uint8)
        track = planted_track(planted_clip(load_head_model(), 4, seed=seed), faces)
        track.save(track_path(folder, clip.key))
        clips.append(clip)
    save_corpus(root, "tiny", 25, clips, {"M1": "train", "W2": "target"}, "digest")
    write_json(folder / "artifact.json", {})
    return folder


def test_a_face_stage_becomes_one_folder_an_actor(stage, tmp_path, capsys):
    assert main(["export-ned", str(stage), "--out", str(tmp_path / "celeb")]) == 0
    assert "M1: 8 frames" in capsys.readouterr().out
    videos = {p.name for p in (tmp_path / "celeb/M1/videos").iterdir()}
    assert videos == {
        "_frame_info.txt",
        *(f"{name}{suffix}" for name in ("neutral_001", "sad_001") for suffix in (".mp4", ".txt")),
    }
    assert len(list((tmp_path / "celeb/M1/full_frames").iterdir())) == 8
    assert len(list((tmp_path / "celeb/W2/nmfcs_aligned").iterdir())) == 4
    assert not (tmp_path / "celeb/M1/DECA").exists()
    _, clip = read_clips(open_ned_folder(tmp_path / "celeb/M1"))
    assert (clip.fps, clip.frame_size, len(clip)) == (25.0, (128, 128), 4)
    assert main(["export-ned", str(stage), "--split", "--out", str(tmp_path / "train")]) == 1
    assert "no clip has 50 frames" in capsys.readouterr().err
    other = ["--corpus", str(tmp_path / "nothing")]
    assert main(["export-ned", str(stage), *other, "--out", str(tmp_path / "train")]) == 1
    assert not (tmp_path / "train").exists()


@pytest.mark.slow
def test_with_deca_the_codes_are_written_too(stage, deca_folder, tmp_path):
    command = ["export-ned", str(stage), "--deca", str(deca_folder)]
    assert main([*command, "--out", str(tmp_path / "celeb")]) == 0
    assert len(list((tmp_path / "celeb/M1/DECA").iterdir())) == 8
    person = pickle.loads((tmp_path / "celeb/M1_deca_scmcl.pkl").read_bytes())
    assert {emotion: list(numbers) for emotion, numbers in person.items()} == {
        "neutral": ["001"],
        "sad": ["001"],
    }
    _, clip = read_clips(open_ned_folder(tmp_path / "celeb/M1"))
    stored = person["sad"]["001"]
    np.testing.assert_array_equal(stored[:, [0, *range(3, 53)]], clip.expression)


def test_wrong_requests_are_named_before_a_file_is_touched(tmp_path):
    nowhere, out = tmp_path / "nowhere.pth", tmp_path / "o.safetensors"
    with pytest.raises(SettingsError, match=r"kind must be one of spatial, .* found 'vgg'"):
        open_released("vgg", nowhere)
    with pytest.raises(SettingsError, match=r"must end in .safetensors, found .*o.pth"):
        import_released("ned-renderer", nowhere, tmp_path / "o.pth")
    with pytest.raises(SettingsError, match="ned-renderer was not learned on BGR"):
        import_released("ned-renderer", nowhere, out, keep_channel_order=True)


@pytest.mark.parametrize("module", ["spfem.__main__", "spfem.released.__main__"])
def test_the_help_of_the_command_line_loads_no_torch(module):
    script = (
        f"import sys, {module} as line\n"
        "line.build_parser().format_help()\n"
        "print([name for name in ('torch', 'cv2', 'pandas') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
