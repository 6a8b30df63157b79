"""What happens to a text before the language model sees it."""
