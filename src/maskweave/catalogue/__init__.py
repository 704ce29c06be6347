"""Which models exist, where they are fetched from, under what licence, and where they lie on this machine."""
