"""What continuous integration installs is pinned, by hash, to releases that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

import pytest

requirements = pytest.importorskip("packaging.requirements", reason="comes with pytest")

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements" / "tests.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def named(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(lines):
    """The requirements, with those of our own extras in place of `maskweave[…]`."""
    for line in lines:
        requirement = requirements.Requirement(line)
        if requirement.name == "maskweave":
            for extra in requirement.extras:
                yield from wanted(PROJECT["optional-dependencies"][extra])
        else:
            yield requirement


def pinned():
    """(name, version, its lines) of each release; a package may have one for each of several Pythons."""
    for block in re.split(r"\n(?=[a-z0-9])", LOCK):
        match = re.match(r"([a-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)", block)
        if match is not None:
            yield named(match[1]), match[2], block


def test_each_release_has_a_hash():
    releases = list(pinned())
    assert len(releases) > 100
    assert [name for name, _, block in releases if "--hash=sha256:" not in block] == []


def test_everything_that_tests_and_checks_need_is_pinned_within_its_bounds():
    extras = PROJECT["optional-dependencies"]
    versions = {}
    for name, version, _ in pinned():
        versions.setdefault(name, []).append(version)
    needed = list(wanted([*PROJECT["dependencies"], *extras["dev"], *extras["ray"]]))
    assert len(needed) > 30
    wrong = {
        str(each): versions.get(named(each.name))
        for each in needed
        if not versions.get(named(each.name))
        or not all(each.specifier.contains(version) for version in versions[named(each.name)])
    }
    assert wrong == {}
