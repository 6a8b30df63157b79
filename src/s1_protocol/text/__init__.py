"""What happens to a text before anybody speaks it: cleaning and splitting, the same for every caller."""
