"""Naming rules: any text is refused with our error or has one canonical form."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dreamlake_pipeline import names
from dreamlake_pipeline.errors import Code, DreamlakeError

CHECKS = [
    names.check_owner,
    names.check_project,
    names.check_episode,
    names.check_name,
    names.check_folder,
    names.check_hash,
]

# Whatever a file system or a caller may hand over, lone surrogates (undecodable bytes) among it.
texts = st.text(st.characters(codec=None)) | st.text("/ab.é\u0301\udc80\0\u2028 ", max_size=12)
segments = st.text(min_size=1).filter(lambda text: text not in (".", ".."))


def canonical(check: Callable[[str], str], text: str) -> str | None:
    """The form that the check gives; None when it refuses the text in the one way that is allowed."""
    try:
        return check(text)
    except DreamlakeError as error:
        if error.code is not Code.INVALID_NAME:
            raise
        error.message.encode()
        return None


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@given(text=texts)
@example(text="")
@example(text="\udc80")
@example(text="/" + "\u0344" * 300)
def test_any_text_is_refused_or_has_a_canonical_form(check: Callable[[str], str], text: str) -> None:
    found = canonical(check, text)
    if found is not None:
        assert check(found) == found
        assert unicodedata.is_normalized("NFC", found)


@given(text=texts.map(lambda text: "/" + text))
def test_names_keep_the_rules(text: str) -> None:
    name = canonical(names.check_name, text)
    if name is not None:
        assert len(name.encode()) <= 1024
        assert not {"", ".", ".."} & set(name[1:].split("/"))
        assert not any(unicodedata.category(char) == "Cc" for char in name)


@given(text=texts.map(lambda text: "/" + text))
def test_a_name_splits_and_joins_to_itself(text: str) -> None:
    name = canonical(names.check_name, text)
    if name is not None:
        folder, filename = names.split_name(name)
        assert "/" not in filename
        assert names.check_folder(folder) == folder
        assert names.join_name(folder, filename) == name


@given(folder=st.lists(segments, max_size=3), relative=st.lists(segments, min_size=1, max_size=3))
def test_joining_is_checking_the_whole_path(folder: list[str], relative: list[str]) -> None:
    whole = canonical(names.check_name, "/" + "/".join([*folder, *relative]))
    joined = canonical(lambda text: names.join_name("/" + "/".join(folder), text), "/".join(relative))
    if whole is not None:
        assert joined == whole


@given(text=st.text())
def test_composed_and_decomposed_spellings_are_one_name(text: str) -> None:
    assert canonical(names.check_name, "/" + unicodedata.normalize("NFD", text)) == canonical(
        names.check_name, "/" + unicodedata.normalize("NFC", text)
    )


@pytest.mark.parametrize("slug", ["a", "0", "a.b_c-d", "a" * 63, "2024-11-22"])
def test_good_slugs(slug: str) -> None:
    assert names.check_owner(slug) == names.check_project(slug) == slug


@pytest.mark.parametrize("slug", ["", "A", "-a", ".a", "_a", "a" * 64, "a b", "a/b", "ä", "a\n"])
def test_bad_slugs(slug: str) -> None:
    assert canonical(names.check_owner, slug) is canonical(names.check_project, slug) is None


@pytest.mark.parametrize("owner", ["chunks", "catalog"])
def test_folders_of_the_bucket_are_no_owners(owner: str) -> None:
    assert canonical(names.check_owner, owner) is None
    assert names.check_project(owner) == owner


@pytest.mark.parametrize(
    "name", ["", "a", "a/b", "/", "//a", "/a/", "/a//b", "/./a", "/a/..", "/a\tb", "/" + "é" * 512]
)
def test_bad_names(name: str) -> None:
    assert canonical(names.check_name, name) is None


@pytest.mark.parametrize("name", ["/a", "/camera/front/run 01+ü.mp4", "/-x", "/...", "/" + "é" * 511, "/日本/語"])
def test_good_names(name: str) -> None:
    assert names.check_name(name) == name


@pytest.mark.parametrize("episode", ["", " a", "a ", "a\nb", "é" * 256])
def test_bad_episodes(episode: str) -> None:
    assert canonical(names.check_episode, episode) is None


@pytest.mark.parametrize("episode", ["run-001", "2024/11/22 take 3", "é" * 255])
def test_good_episodes(episode: str) -> None:
    assert names.check_episode(episode) == episode


@pytest.mark.parametrize("folder", ["", "/", "//"])
def test_the_root_folder(folder: str) -> None:
    assert names.check_folder(folder) == "/"
    assert names.join_name(folder, "a.mp4") == "/a.mp4"


def test_hashes() -> None:
    whole = "0123456789abcdef" * 4
    assert names.check_hash(whole.upper()) == whole
    assert names.check_hash(whole[:16]) == whole[:16]
    for text in (whole[:15], whole + "0", "g" * 16, whole[:20] + "\n"):
        assert canonical(names.check_hash, text) is None
    assert names.is_sha256(whole) and not names.is_sha256(whole[:63])
    assert names.is_hash(whole[:16]) and not names.is_hash(whole[:15])


def test_a_refusal_names_what_is_wrong_and_stays_short() -> None:
    with pytest.raises(DreamlakeError, match="absolute path") as caught:
        names.check_name("x" * 100_000)
    assert len(caught.value.message) < 300
