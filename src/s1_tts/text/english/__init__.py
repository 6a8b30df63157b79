"""How written English is said: everything that is no word becomes words, and nothing is left out in silence."""
