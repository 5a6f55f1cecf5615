"""Every language says everything, with the same gaps to fill in."""

import string

import pytest

from collector.page.words import LANGUAGES, language_of, words


def gaps(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lacks_a_message_or_has_one_too_many(language):
    assert words(language).messages.keys() == words("en").messages.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_has_the_gaps_of_the_english_one(language):
    for key, text in words(language).messages.items():
        if not key.startswith("form."):  # a date is written in another order, and with other parts
            assert gaps(text) == gaps(words("en")(key)), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_is_empty(language):
    assert all(words(language).messages.values())


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("sv,fi;q=0.9,it;q=0.5", "it"),
        ("en;q=0.1,fr;q=0.7", "fr"),
        ("es;q=0", "en"),
        ("*", "en"),
        ("de;q=x,it", "it"),
        ("xx," * 10_000, "en"),
        ("ES-mx", "es"),
    ],
)
def test_the_browser_chooses_the_language(header, language):
    assert language_of(header) == language
