"""The client's tree of refusals, held to the errors that the server has."""

from __future__ import annotations

import pytest
from family import told

import tear_client
from tear_chain.errors import TearError
from tear_client.errors import CODES, BadRequest, NotFound, RateLimited, ServerFailed, Unavailable, refusal_class
from tear_server.api.problems import CODES as FRAMEWORK_CODES
from tear_server.api.problems import STATUSES


def status_of(error: type[TearError]) -> int:
    return next((status for kind, status in STATUSES if issubclass(error, kind)), 500)


SERVED = {error.code: status_of(error) for error in told(TearError)} | {
    code: status for status, code in FRAMEWORK_CODES.items()
}


def test_every_code_of_the_server_has_a_class_and_no_other() -> None:
    assert set(CODES) == set(SERVED)


@pytest.mark.parametrize(("code", "status"), SERVED.items())
def test_the_class_of_a_code_is_one_of_its_status(code: str, status: int) -> None:
    assert issubclass(refusal_class(status, code), refusal_class(status, None))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (418, BadRequest),
        (404, NotFound),
        (429, RateLimited),
        (502, ServerFailed),
        (503, Unavailable),
    ],
)
@pytest.mark.parametrize("code", [None, "dreamt"])
def test_an_unknown_code_falls_back_to_its_status(status: int, code: str | None, kind: type[TearError]) -> None:
    assert refusal_class(status, code) is kind


def test_every_class_of_the_tree_can_be_imported_and_is_drawn() -> None:
    drawn = tear_client.errors.__doc__ or ""
    for kind in vars(tear_client.errors).values():
        if isinstance(kind, type) and issubclass(kind, tear_client.ClientError):
            assert getattr(tear_client, kind.__name__) is kind
            assert kind.__name__ in drawn
