"""Optional packages: what is missing is named, with what installs it; other failures stay what they are."""

from __future__ import annotations

import sys

import pytest

from maskweave.errors import MissingDependency
from maskweave.optional import optional


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with (
        pytest.raises(
            MissingDependency,
            match=r"^a\.tif: need rasterio, which is not installed; run pip install 'maskweave\[geo\]'$",
        ),
        optional("a.tif", extra="geo"),
    ):
        import rasterio.warp  # noqa: F401


def test_a_package_without_an_extra_has_its_own_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with (
        pytest.raises(MissingDependency, match=r"run pip install pyyaml$"),
        optional("x", install="pip install pyyaml"),
    ):
        import yaml  # noqa: F401


@pytest.mark.parametrize(
    "error",
    [ImportError("libGL is broken"), ImportError("no", name="maskweave.gone"), MissingDependency("y")],
)
def test_other_import_errors_pass_through(error):
    with pytest.raises(ImportError) as caught, optional("x", extra="geo"):
        raise error
    assert caught.value is error
