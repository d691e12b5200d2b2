"""What --target may say."""

from __future__ import annotations

import pytest

from engine.core.errors import UsageError
from engine.core.target_sample import TARGETS_LIMIT
from engine.target.spec import parse_target, parse_targets


@pytest.mark.parametrize(
    ("text", "kind", "url", "user", "key"),
    [
        ("none", "none", None, None, None),
        ("agent", "agent", None, None, None),
        ("demo", "demo", None, None, None),
        ("http://127.0.0.1:3001", "contract", "http://127.0.0.1:3001", None, None),
        ("https://h/x,key=my-bot", "contract", "https://h/x", None, "my-bot"),
        ("freqtrade+http://me@h:8080", "freqtrade", "http://h:8080", "me", None),
        ("freqtrade+https://me@h:8080/p,key=b.1", "freqtrade", "https://h:8080/p", "me", "b.1"),
        ("key:bot", "ledger", None, None, "bot"),
    ],
)
def test_each_kind_is_understood(text, kind, url, user, key):
    spec = parse_target(text)
    assert (spec.kind, spec.url, spec.user, spec.key) == (kind, url, user, key)
    assert spec.text == text
    assert spec.has_account == (key is not None or kind in ("agent", "demo"))


@pytest.mark.parametrize(
    "text",
    ["", "bot", "ftp://h", "http://", "http://h:x", "key:", "key:a b", "key:" + "x" * 33, "http://h,key=",
     "http://h,key=a/b", "freqtrade+http://h:8080", "freqtrade+me@h", "freqtrade+ftp://me@h"],
)  # fmt: skip
def test_what_is_no_target_is_refused_with_its_reason(text):
    with pytest.raises(UsageError):
        parse_target(text)


@pytest.mark.parametrize(
    "text",
    [
        "freqtrade+http://me:secret@h:8080",
        "http://me:secret@h",
        "http://me:secret@h:x",
        "freqtrade+http://:secret@h",
    ],
)
def test_a_password_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as refused:
        parse_target(text)
    assert "secret" not in str(refused.value)


def test_several_targets_keep_their_order():
    assert [spec.kind for spec in parse_targets(["key:a", "demo", "http://h"])] == [
        "ledger",
        "demo",
        "contract",
    ]
    assert [spec.kind for spec in parse_targets([])] == ["none"]


@pytest.mark.parametrize(
    "texts",
    [
        ["none", "key:a"],
        ["key:a", "key:a"],
        ["agent", "demo"],
        [f"key:{number}" for number in range(TARGETS_LIMIT + 1)],
    ],
)
def test_what_does_not_go_together_is_refused(texts):
    with pytest.raises(UsageError):
        parse_targets(texts)
