"""The catalog of models: where they come from, under what license, and where they lie on this machine."""
