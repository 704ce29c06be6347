"""The demo, as `maskweave demo` runs it, with a shorter video."""

from maskweave.cli.demo import run_demo


def test_the_demo_makes_every_result(tmp_path, capfd):
    assert run_demo(tmp_path, seconds=0.5) == 0
    shown = capfd.readouterr().err
    photos, kinds = ("astronaut", "cat", "coffee"), ("json", "masks.png", "overlay.jpg")
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        *(f"{name}.{kind}" for name in photos for kind in kinds),
        *(f"drift.{kind}" for kind in ("foreground", "foreground.mp4", "json", "overlay.mp4")),
    ]  # fmt: skip
    assert "(1 cat)" in shown
    assert f"segment {tmp_path / 'media' / 'drift.mp4'} -o {tmp_path / 'results'} --task foreground" in shown
