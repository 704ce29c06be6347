"""Which models exist, where they are fetched from, under what license, and where they lie on this machine."""
