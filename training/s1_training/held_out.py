"""Everyday sentences that the voice is judged by and never trained on."""

from typing import Final

import regex

HELD_OUT: Final = (
    "The weather looks better than it did this morning.",
    "Could you please open the window a little?",
    "We are going to the market on Saturday.",
    "My brother lives in a small town near the sea.",
    "I forgot my keys on the kitchen table again.",
    "The train to the city leaves in ten minutes.",
    "She has been working here for almost five years.",
    "There is fresh coffee in the pot if you want some.",
    "He told me a funny story about his old dog.",
    "Please call me back when you have a moment.",
    "The children are playing in the garden behind the house.",
    "I would like a table for two near the window.",
    "Our meeting was moved to Thursday afternoon.",
    "Can you tell me how to get to the station?",
    "The book you gave me is really interesting.",
    "It will probably rain before we get home.",
    "They bought a new car at the end of last year.",
    "I usually drink a glass of water before breakfast.",
    "The doctor said I should rest for a few days.",
    "What time does the museum close today?",
    "We need more bread, some milk, and a bag of apples.",
    "His office is on the third floor, next to the stairs.",
    "The music was so loud that nobody could talk.",
    "I have never seen so many people in this street.",
    "Turn left at the bridge and follow the river.",
    "She sent a long letter to her grandmother.",
    "Dinner will be ready in about half an hour.",
    "The shop on the corner sells very good cheese.",
    "Do you remember the name of that restaurant?",
    "He painted the door green because he likes the color.",
    "My phone is almost empty, so I cannot talk long.",
    "The plane was late because of the heavy snow.",
    "We watched an old movie and went to bed early.",
    "There are too many cars in the center of the city.",
    "I think the answer to your question is no.",
    "The little girl lost her red shoe on the beach.",
    "Please put the boxes next to the door.",
    "They have known each other since they were in school.",
    "The bank is closed, but the machine outside still works.",
    "I will send you the pictures later tonight.",
    "Nobody knows why the lights went out.",
    "It takes about twenty minutes to walk there.",
    "You should wear a warm coat because it is cold outside.",
    "The teacher asked us to read the first two pages.",
    "Her sister plays the piano better than anyone I know.",
    "We had a quiet evening and talked about our plans.",
    "The soup needs a bit more salt and pepper.",
    "He runs around the lake every morning before work.",
    "I am looking for a birthday present for my mother.",
    "Thank you very much for your help, and see you soon.",
)

_NO_LETTER = regex.compile(r"[^\p{L}\p{N}]+")


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in small letters, without marks."""
    return tuple(_NO_LETTER.sub(" ", text.lower().replace("'", "")).split())


class HeldOutCheck:
    """Whether a text has a held-out sentence in it."""

    def __init__(self) -> None:
        self._sentences = tuple(f" {' '.join(words_of(sentence))} " for sentence in HELD_OUT)

    def is_in(self, text: str) -> bool:
        """Whether all words of a held-out sentence stand in the text in one run, whatever the marks."""
        spoken = f" {' '.join(words_of(text))} "
        return any(sentence in spoken for sentence in self._sentences)
