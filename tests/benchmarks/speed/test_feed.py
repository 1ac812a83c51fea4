"""What the measurement of a feed says, not how fast it is."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from torch import Tensor

from stormbench.benchmarks.speed.__main__ import _pipeline
from stormbench.benchmarks.speed.feed import PRODUCED, SUITE, FeedSpeed, feed, feed_table, files_of, peer_feed
from stormbench.benchmarks.speed.measure import Contender, ours, photographs
from stormbench.corruptions.kernels.jpeg import jpeg_round_trip

CELLS = [("contrast", 3), ("jpeg_compression", 1)]


def test_both_ways_hand_over_the_same_batches_in_the_same_order() -> None:
    """With our corruptions in both: the peer's decoding, encoding and layout are the job that we do."""
    files = files_of(photographs()[:3])
    seen: list[list[Tensor]] = [[], []]
    peer = Contender("ours again", ours().run, frozenset(ours().names))
    results = [
        feed(files, CELLS, seen[0].append, "cpu"),
        peer_feed(files, CELLS, seen[1].append, "cpu", peer),
    ]
    assert [result.cells for result in results] == [6, 6]
    mine, yours = seen[0][-2:], seen[1][-2:]
    for one, other in zip(mine, yours, strict=True):
        assert one.shape == (3, 3, 224, 224)
        assert torch.equal(one, other)


def test_batches_are_what_score_asks_about() -> None:
    (photo,) = photographs()[:1]
    (file,) = files_of([photo])
    seen: list[Tensor] = []
    feed([file], [("jpeg_compression", 1)], seen.append, "cpu")
    assert SUITE.geometry is not None
    clean = SUITE.geometry(Image.open(io.BytesIO(file)))
    wanted = jpeg_round_trip(jpeg_round_trip(clean, 25), SUITE.jpeg_quality)
    np.testing.assert_array_equal((seen[-1][0].permute(1, 2, 0).numpy() * 255).round(), wanted)


def test_rates_count_every_stage_so_far_and_shares_make_a_hundred() -> None:
    speed = FeedSpeed("x", 60, {"decode": 1, "corrupt": 2, "encode": 1, "stack": 1, "hand over": 1, "ask": 4})
    assert (speed.rate("stack"), speed.rate("hand over"), speed.rate("ask")) == (12, 10, 6)
    assert sum(speed.share(stage) for stage in (*PRODUCED, "hand over", "ask")) == pytest.approx(100)
    peer = FeedSpeed("y", 60, {"hand over": 10, "ask": 5})
    assert np.isnan(peer.rate("stack"))
    cells = [list(column.cells) for column in feed_table([speed, peer], "what").columns]
    assert cells[1][:3] == ["12.0", "10.0", "6.0"]
    assert cells[2][:3] == ["-", "6.0", "4.0"]


def test_as_a_user_runs_it() -> None:
    command = [sys.executable, "-m", "stormbench.benchmarks.speed", "--pipeline", "--photos", "1", "--corruptions"]
    options = ["contrast", "--stand-in", "2", "--json"]
    said = json.loads(subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout)
    assert said["asked"] == "a stand-in for the model: 2 ms a batch"
    assert [set(each["seconds"]) for each in said["feeds"]] == [{*PRODUCED, "hand over", "ask"}, {"hand over", "ask"}]
    assert all(each["seconds"]["ask"] >= 0.002 for each in said["feeds"])


def test_a_device_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _pipeline(CELLS, 1, "nowhere", None, as_json=True)
    assert "nowhere" in capsys.readouterr().err
