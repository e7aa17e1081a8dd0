"""A sentence in both languages, side by side: what commands and APIs say as well as pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One sentence in Chinese and in English."""

    zh: str
    en: str

    def in_language(self, tag: str) -> str:
        """The sentence for a language tag or locale: Chinese for every `zh…`, else English."""
        return self.zh if tag.lower().startswith("zh") else self.en
