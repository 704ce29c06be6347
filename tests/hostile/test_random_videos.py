"""Random videos are read whole, in step and as shown, and what is missing is told; by the hundred in benchmarks."""

import pytest

from tests.hostile.random_videos import problems, random_case, write


@pytest.mark.parametrize("seed", range(16))
def test_a_random_video_is_read_whole_in_step_and_as_shown(tmp_path, seed):
    case = random_case(seed)
    path = tmp_path / f"a.{case.container}"
    write(case, path)
    assert problems(case, path, tmp_path / "b.mp4") == [], case
