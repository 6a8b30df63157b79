"""What is measured on a GPU, and what can be said of one without it."""
