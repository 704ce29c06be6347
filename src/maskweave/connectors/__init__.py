"""MaskWeave inside the tools that people label with. Each file here speaks to one of them."""
