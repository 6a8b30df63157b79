"""An address or a header that cannot be one is told at once; gRPC would go somewhere else, or say nothing plain."""

import pytest

from s1_client import AsyncS1Client
from s1_client.address import check_headers, check_url


@pytest.mark.parametrize(
    "url",
    ["localhost:8001", "tts.example.com:443", "10.0.0.1:1", "[::1]:8001", "unix:/run/s1.sock", "dns:///host:8001"],
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url", ["", "localhost", "localhost:", ":8001", "localhost:0", "localhost:99999", "http://localhost:8001", "::1:80"]
)
async def test_what_is_no_address_is_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(ValueError, match="allowed: host and gRPC port, such as localhost:8001"):
        AsyncS1Client(url)


def test_names_of_headers_get_small_letters() -> None:
    assert check_headers({"X-Team": "red", "Authorization": "Bearer ~!"}) == {
        "x-team": "red",
        "authorization": "Bearer ~!",
    }


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"ä": "b"}, "got the name 'ä'"),
        ({"a b": "c"}, "got the name 'a b'"),
        ({"token": "secret\nnext"}, "the value of token"),
        ({"token": "sécret"}, "the value of token"),
    ],
)
def test_what_is_no_header_is_refused_without_telling_its_value(headers: dict[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        check_headers(headers)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["user:SECRET@host:8001", "SECRET@host:8001x", "host:8001?token=SECRET"])
def test_a_secret_in_an_address_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: ") as caught:
        check_url(url)
    assert "SECRET" not in str(caught.value)
