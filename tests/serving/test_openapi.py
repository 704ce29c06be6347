"""The OpenAPI document is complete, and the server does what it says, whatever is sent."""

import json
from collections import Counter

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.clips import Clip, write_clip

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="session")
def document(server):
    return httpx.get(f"{server.url}/openapi.json").json()


def test_every_endpoint_tells_what_it_does_takes_and_answers(document):
    expected = {
        *(("post", f"/v1/{name}") for name in ("segment", "refine", "export", "videos", "session")),
        *(
            ("post", f"/v1/{name}")
            for name in (
                "datasets/read",
                "datasets/revise",
                "datasets/export",
                "tracks/export",
                "videos/tracks",
            )
        ),
        *(("get", f"/v1/{name}") for name in ("formats", "models", "live/sources")),
        *(("get", f"/v1/jobs/{{job_id}}{rest}") for rest in ("", "/events", "/frames", "/results/{name}")),
        ("delete", "/v1/jobs/{job_id}"),
        *((method, "/v1/models/{name}") for method in ("post", "delete")),
        *(("get", f"/{name}") for name in ("healthz", "readyz", "metrics")),
    }
    found = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert found == expected
    for methods in document["paths"].values():
        for told in methods.values():
            assert told["summary"]
            assert {"401", "421"} <= set(told["responses"])
            assert all(answer["description"] for answer in told["responses"].values())


def test_bodies_and_queries_have_examples(document):
    for path in ("segment", "refine", "export"):
        content = document["paths"][f"/v1/{path}"]["post"]["requestBody"]["content"]
        assert "multipart/form-data" in content
    text = json.dumps(document)
    for example in (
        "https://example.org/cat.jpg",
        "cat,dog",
        '"background": "blur"',
        "urn:maskweave:unreadable-image",
    ):
        assert example in text


def test_all_references_lead_somewhere(document):
    names = set(document["components"]["schemas"])
    wanted = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert wanted <= names


@pytest.fixture(scope="session")
def schema(server, document):
    loaded = schemathesis.openapi.from_dict(document)
    loaded.config.update(base_url=server.url)
    return loaded


@pytest.fixture(scope="session")
def job_id(server, tmp_path_factory):
    """A job that is over and has results."""
    clip = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", Clip(ticks=range(2)))
    begun = httpx.post(f"{server.url}/v1/videos", params={"save": "csv"}, content=clip.read_bytes()).json()
    httpx.get(server.url + begun["links"]["events"], timeout=60)
    return begun["id"]


def test_whatever_is_sent_the_answers_are_as_documented(schema, image, job_id):
    settings = hypothesis.settings(
        max_examples=14, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
    )
    statuses = Counter()
    for operation in schema.get_all_operations():
        case_of = operation.ok().as_strategy()

        @settings
        @hypothesis.given(case=case_of, real=st.booleans())
        def check(case, real):
            if real and isinstance(case.body, dict) and "image" in case.body:
                case.body["image"] = image
            if real and case.method == "GET" and "job_id" in case.path_parameters:
                case.path_parameters["job_id"] = job_id
            answer = case.call_and_validate(checks=CHECKS, timeout=60)
            statuses[case.method, case.path, answer.status_code] += 1

        check()
    for path in ("/v1/segment", "/v1/refine", "/v1/export"):
        assert statuses["POST", path, 415] + statuses["POST", path, 422]
    assert statuses["POST", "/v1/segment", 200]
    assert statuses["GET", "/v1/jobs/{job_id}", 200]
