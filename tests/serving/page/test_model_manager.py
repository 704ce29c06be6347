"""Models are listed with license and size, fetched with their progress, and removed."""

import json

from tests.serving.page.conftest import until
from tests.serving.page.stand_in import MODEL
from tests.serving.page.test_screens import faults

FAR = {
    **MODEL,
    "name": "large",
    "license": "MIT",
    "here": False,
    "bytes": 240_000_000,
    "source": "https://example.org",
}


def row(page, name):
    return page.locator(".model").filter(has=page.get_by_role("heading", name=name, exact=True))


def open_models(page, stand_in, *models):
    stand_in.models = [MODEL, *models]
    page.keyboard.press("i")
    row(page, "tester").wait_for()


def test_what_there_is_and_what_is_not_here_says_how_to_get_it(page, stand_in, artefacts, expect):
    kept = {**FAR, "name": "kept", "how": "maskweave models pull kept"}
    open_models(page, stand_in, FAR, kept)
    expect(row(page, "tester")).to_contain_text("objects · 3 classes · Apache-2.0")
    expect(row(page, "tester")).to_contain_text("built in")
    expect(row(page, "large")).to_contain_text("MIT · 240.0 MB")
    expect(row(page, "kept")).to_contain_text("Get it with maskweave models pull kept")
    assert page.get_by_role("button", name="Fetch kept").count() == 0
    page.screenshot(path=artefacts / "page-models.png")
    assert faults(page) == []


def test_a_model_is_fetched_with_its_progress_and_can_be_chosen_then(page, stand_in, expect):
    open_models(page, stand_in, FAR)

    def begin(route):
        stand_in.models = [MODEL, {**FAR, "fetching": {"bytes": 60e6, "total": 240e6, "error": None}}]
        route.fulfill(status=202)

    page.route("**/v1/models/large", begin)
    expect(page.locator("#model-choice")).to_be_hidden()
    page.get_by_role("button", name="Fetch large").click()
    expect(row(page, "large")).to_contain_text("25 %")
    stand_in.models = [MODEL, {**FAR, "here": True, "removable": True}]
    expect(page.get_by_role("button", name="Remove large")).to_be_visible()
    expect(page.locator("#model-choice option")).to_have_text(["tester", "large"])

    def remove(route):
        assert route.request.method == "DELETE"
        stand_in.models = [MODEL, FAR]
        route.fulfill(status=204)

    page.unroute("**/v1/models/large")
    page.route("**/v1/models/large", remove)
    page.get_by_role("button", name="Remove large").click()
    expect(page.get_by_role("button", name="Fetch large")).to_be_visible()


def test_what_goes_wrong_is_said_and_can_be_tried_again(page, stand_in, expect):
    failed = {**FAR, "fetching": {"bytes": 1, "total": None, "error": "large: nothing was kept"}}
    open_models(page, stand_in, failed)
    expect(row(page, "large")).to_contain_text("nothing was kept")
    detail = json.dumps({"title": "Conflict", "detail": "models: another one is being fetched; wait for it"})
    page.route("**/v1/models/large", lambda route: route.fulfill(status=409, body=detail))
    page.get_by_role("button", name="Try again large").click()
    until(page, "document.querySelector('.note--error')?.textContent.includes('wait for it')")
