"""NATS_URL is read once: every way that people write it, and one sentence for what cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import access, nats_url, settings
from services.runtime.access import BusSettings
from services.runtime.errors import SettingsError
from services.runtime.nats_url import Server


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nats://broker:4223", [Server("nats", "broker", 4223)]),
        ("broker", [Server("nats", "broker", 4222)]),
        ("broker:4223", [Server("nats", "broker", 4223)]),
        ("TLS://broker/", [Server("tls", "broker", 4222)]),
        (" nats://a:1 , nats://b:2 ,", [Server("nats", "a", 1), Server("nats", "b", 2)]),
        ('"nats://a,nats://b"', [Server("nats", "a", 4222), Server("nats", "b", 4222)]),
        ("nats://[::1]:4223", [Server("nats", "::1", 4223)]),
        ("nats://[fe80::1]", [Server("nats", "fe80::1", 4222)]),
        ("nats://me:hush@broker", [Server("nats", "broker", 4222, "me", "hush")]),
        ("nats://me:h%40s%2Fh%25@broker", [Server("nats", "broker", 4222, "me", "h@s/h%")]),
        ("nats://me:h@s/h?#@broker", [Server("nats", "broker", 4222, "me", "h@s/h?#")]),
        ("me:hush@broker", [Server("nats", "broker", 4222, "me", "hush")]),
        ("nats://token@broker", [Server("nats", "broker", 4222, token="token")]),
    ],
)
def test_it_is_read_as_people_write_it(text: str, servers: list[Server]) -> None:
    assert list(nats_url.read(text)) == servers


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no address in it"),
        (" , ", "there is no address in it"),
        ("http://broker:4222", "server 1 begins with http://"),
        ("nats://broker:99999", "server 1 has a port that is no number from 1 to 65535"),
        ("nats://broker:0", "server 1 has a port"),
        ("nats://broker:", "server 1 has a port"),
        ("nats://a,nats://broker:four", "server 2 has a port"),
        ("nats://", "server 1 has no host name"),
        ("nats://me:hush@", "server 1 has no host name"),
        ("nats://bro ker", "server 1 has no host name"),
        ("nats://broker/path", "server 1 has no host name"),
        ("nats://[::1", "server 1 has no host name"),
        ("nats://me:hu,sh@broker", "server 1 has a port"),
        ("nats://a:hush@x,nats://b:hush@y", "its servers have different users"),
    ],
)
def test_a_wrong_one_is_one_sentence_with_its_place_and_what_to_write(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        nats_url.read(text)
    assert str(error.value).startswith(f"NATS_URL: {told}")
    assert "hush" not in str(error.value)
    assert "\n" not in str(error.value)


@given(
    st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["nats://", "tls://", "", "http://", "nats:/"])
)
def test_no_password_is_ever_shown_whatever_characters_it_has(password: str, scheme: str) -> None:
    """Neither by what is shown, nor by what is said of it, nor by `config`."""
    secret = f"hush{password}hush"
    url = f"{scheme}me:{secret}@broker:4222"
    said = [nats_url.shown(url), dict(settings.describe(BusSettings(nats_url=url)))["NATS_URL"]]
    try:
        nats_url.read(url)
    except SettingsError as error:
        said.append(str(error))
    assert not [text for text in said if "hush" in text]


@given(st.text(max_size=60))
def test_any_text_is_read_or_told_in_one_sentence(text: str) -> None:
    try:
        told = nats_url.read(text)[0].address
    except SettingsError as error:
        told = str(error).removeprefix("NATS_URL: ")
    assert told.startswith(("server", "there is", "its servers", "nats://", "tls://", "ws://", "wss://"))


def test_who_asks_is_what_the_settings_say_before_what_the_address_says() -> None:
    address = "nats://me:h%40sh@broker"
    assert access.identity(BusSettings(nats_url=address)) == access.Identity("me", "h@sh")
    own = BusSettings(nats_url=address, nats_user="stt", nats_password="x")
    assert access.identity(own) == access.Identity("stt", "x")
    assert access.inbox(BusSettings(nats_url=address)) == "_INBOX_me"
    assert access.identity(BusSettings(nats_url="nats://secret@broker")) == access.Identity(token="secret")


@pytest.mark.parametrize("address", ["http://me:h@/s#h@ollama:11434", "me:hush@ollama", "https://u:p@h/x@y"])
def test_an_address_of_any_server_is_shown_without_who_asks(address: str) -> None:
    assert settings.masked(address).endswith(address.rpartition("@")[2])
    assert address.rpartition("@")[0].rpartition("//")[2] not in settings.masked(address)
    assert settings.masked("http://ollama:11434") == "http://ollama:11434"
