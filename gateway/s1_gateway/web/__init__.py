"""The page to listen at ``/``: static files, and what they must know of this gateway."""
