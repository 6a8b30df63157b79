"""Markdown and HTML: marks that only say how text is set are taken off; what stands between them is read."""

import html
from typing import Final

import regex

_FENCE: Final = regex.compile(r"(?m)^\s*(?:```|~~~)[\w+-]*\s*$")
_IMAGE_OR_LINK: Final = regex.compile(r"!?\[([^\]\n]+)\]\((?:[^()\s]|\([^()\s]*\))+(?:\s\"[^\"]*\")?\)")
_REFERENCE: Final = regex.compile(r"(?<=[\p{L}\p{N}.,!?])\[(\d+)\]|\[\^(\d+)\]")
_ADDRESS: Final = regex.compile(r"<((?:\w+://|mailto:)[^\s<>]+|[^\s<>@]+@[^\s<>@]+)>")
_HEADING: Final = regex.compile(r"(?m)^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_QUOTE: Final = regex.compile(r"(?m)^\s*(?:>\s?)+")
_BULLET: Final = regex.compile(r"(?m)^\s*[-*+•◦▪‣·–]\s+(?:\[[ xX]\]\s+)?(.*)$")
_ITEM: Final = regex.compile(r"(?m)^\s*(\d{1,3})[.)]\s+(.*)$")
_RULE: Final = regex.compile(r"(?m)^\s*(?:(?:[-*_=]\s*){3,}|\|?(?:\s*:?-{2,}:?\s*\|)+\s*:?-*:?\s*\|?)\s*$")
_TABLE_ROW: Final = regex.compile(r"(?m)^\s*\|(.*)\|\s*$")
_EMPHASIS: Final = regex.compile(
    r"(?<![\p{L}\p{N}*_])(\*{1,3}|_{1,3}|~~|``?)(?=\S)(.+?)(?<=\S)\1(?![\p{L}\p{N}*_])", flags=regex.DOTALL
)
_INNER_EMPHASIS: Final = regex.compile(r"(\*{2,3}|`)(?=\S)([^*`\n]+?)(?<=\S)\1")
_ATTRIBUTES: Final = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/?"
"""Each with a value: what stands in a tag without one may be words."""
_TAG: Final = regex.compile(
    r"(?i)</?(?:a|abbr|b|blockquote|body|break|code|div|em|emphasis|h[1-6]|i|li|mark|ol|p|pre|s|say-as|small|span|speak|strong|sub|sup|"
    rf"table|td|th|tr|u|ul|br|hr)\b{_ATTRIBUTES}>"
)
_ENTITY: Final = regex.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_BREAKS: Final = regex.compile(rf"(?i)</?(?:br|p|div|li|h[1-6]|tr|blockquote|hr)\b{_ATTRIBUTES}>")


def without_markup(text: str) -> str:
    """Take off the marks of Markdown and HTML; lines that end without a mark get a pause."""
    text = _BREAKS.sub("\n", text)
    text = _ADDRESS.sub(lambda match: match[1].removeprefix("mailto:"), text)
    text = _TAG.sub("", text)
    text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    text = _FENCE.sub("", text)
    text = _RULE.sub("", text)
    text = _HEADING.sub(lambda match: _ended(match[1]), text)
    text = _QUOTE.sub("", text)
    text = _BULLET.sub(lambda match: _ended(match[1]), text)
    text = _ITEM.sub(lambda match: f"{match[1]}, {_ended(match[2])}", text)
    text = _TABLE_ROW.sub(lambda match: _ended(", ".join(cell.strip() for cell in match[1].split("|"))), text)
    text = _IMAGE_OR_LINK.sub(lambda match: match[1], text)
    text = _REFERENCE.sub(lambda match: f" {match[1] or match[2]}", text)
    for _ in range(3):  # emphasis within emphasis
        text = _EMPHASIS.sub(lambda match: match[2], text)
    return _INNER_EMPHASIS.sub(lambda match: match[2], text)


def _ended(line: str) -> str:
    return line if not line or line[-1] in ".,;:!?…" else line + "."
