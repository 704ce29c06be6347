"""Connectors to annotation tools. Each file here speaks to one of them."""
