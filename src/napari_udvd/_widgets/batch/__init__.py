"""Many movies: a list of them, what is to become of each, and how far it is."""
