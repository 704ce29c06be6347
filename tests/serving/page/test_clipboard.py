"""Masks and cut-outs are copied as images that other programs take."""

import base64
import io

import numpy as np
import pytest
from PIL import Image as PILImage

from tests.serving.page import scene
from tests.serving.page.conftest import pick

READ = """async () => {
  const [item] = await navigator.clipboard.read();
  const bytes = new Uint8Array(await (await item.getType("image/png")).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}"""


@pytest.fixture
def page(open_page):
    return open_page(permissions=["clipboard-read", "clipboard-write"])


def copied(page):
    """(H, W) what is in the clipboard, as gray."""
    data = base64.b64decode(page.evaluate(READ))
    return np.asarray(PILImage.open(io.BytesIO(data)).convert("L"))


def test_the_mask_of_what_is_selected_is_copied_or_of_all(page, expect):
    pick(page)
    page.get_by_role("button", name="Copy mask").click()
    expect(page.locator("#announcements")).to_have_text("Mask copied")
    assert np.array_equal(copied(page) > 127, np.any(scene.MASKS[:3], axis=0))
    page.locator(".object__button", has_text="person").click()
    page.locator(".note button").click()
    page.get_by_role("button", name="Copy mask").click()
    expect(page.locator(".note")).to_have_text("Mask copied.")
    assert np.array_equal(copied(page) > 127, scene.MASKS[2])


def test_a_cut_out_is_the_servers(page, stand_in, expect):
    pick(page)
    page.locator(".object__button", has_text="dog").click()
    page.route(
        "**/v1/export",
        lambda route: route.fulfill(body=scene.encoded(scene.image()), content_type="image/png"),
    )
    with page.expect_request("**/v1/export") as asked:
        page.get_by_role("button", name="Copy cut-out").click()
    expect(page.locator("#announcements")).to_have_text("Cut-out copied")
    assert b'"format":"cutout"' in asked.value.post_data_buffer
    assert copied(page).shape == scene.SIZE
