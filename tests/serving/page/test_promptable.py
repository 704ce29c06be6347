"""The page where a promptable model was pulled: clicks reach it, and what it finds is drawn."""

import pytest

from maskweave.ops.rle import decode_masks
from tests.models.maps import rectangle_image
from tests.models.promptable import sam
from tests.serving.conftest import encoded, running_server
from tests.serving.page.conftest import Canvas

IN_ONE, IN_OTHER, ON_GROUND = (40, 50), (260, 70), (150, 20)
SIZE = (120, 300)


@pytest.fixture
def squares():
    """Two bright squares on black: one object for the network, which goes by brightness."""
    image = rectangle_image(SIZE, (20, 30, 60, 70))
    image[50:90, 240:280] = 255
    return image


def refined(page, act):
    """Do something on the canvas, and return the mask that the server makes of it."""
    with page.expect_response(lambda answer: answer.url.endswith("/v1/refine")) as told:
        act()
    answer = told.value
    assert answer.ok, answer.text()
    return decode_masks([answer.json()["object"]["rle"]], SIZE).dense()[0]


def opened(page, image, expect):
    """Open an image in which the model of the package finds nothing."""
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": encoded(image)})
    expect(page.locator("#announcements")).to_contain_text("found")
    if page.locator("#score-field").is_visible():
        page.get_by_label("Minimum score").fill("1")
    expect(page.locator(".object")).to_have_count(0)
    return Canvas(page)


def test_clicks_add_and_take_away_by_the_model_that_was_pulled(open_page, promptable_server, squares, expect):
    page = open_page(url=promptable_server.url)
    canvas = opened(page, squares, expect)
    bare = canvas.color(*IN_OTHER)
    page.keyboard.press("a")
    both = refined(page, lambda: canvas.click(*IN_ONE))
    assert (both != (squares[..., 0] > 0)).sum() < 80  # of 3200: the network's grid
    expect(page.locator(".object")).to_have_count(1)
    area = page.locator(".object__detail")
    expect(area).to_contain_text(f"{both.sum():,} px")
    page.keyboard.press("v")  # a tool that asks nothing of the server where the pointer is
    canvas.hover(*ON_GROUND)
    expect(page.locator(".object--lit")).to_have_count(0)
    assert canvas.color(*IN_OTHER) != bare
    page.keyboard.press("r")
    one = refined(page, lambda: canvas.click(*IN_OTHER))
    assert one[50, 40]
    assert not one[70, 260]
    assert one.sum() < both.sum() - 300
    expect(area).to_contain_text(f"{one.sum():,} px")
    page.keyboard.press("Control+z")
    expect(area).to_contain_text(f"{both.sum():,} px")


def test_a_box_is_the_models_too(open_page, promptable_server, squares, expect):
    page = open_page(url=promptable_server.url)
    canvas = opened(page, squares, expect)
    page.keyboard.press("x")
    found = refined(page, lambda: canvas.drag((22, 32), (64, 74)))
    assert (found != (squares[..., 0] > 0)).sum() < 80
    expect(page.locator(".object")).to_have_count(1)


def test_where_it_answers_by_default_another_finds_and_it_is_pointed_at(open_page, squares, tmp_path, expect):
    (tmp_path / "mine.onnx").write_bytes(sam(side=1024))
    with running_server(model=str(tmp_path / "mine.onnx")) as server:
        page = open_page(url=server.url)
        canvas = opened(page, squares, expect)
        expect(page.locator("#about-run")).to_contain_text("compact-s")
        page.keyboard.press("a")
        found = refined(page, lambda: canvas.click(*IN_ONE))
        assert (found != (squares[..., 0] > 0)).sum() < 80
