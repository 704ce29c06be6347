"""Video stages, which use several frames: tracking, propagation, foreground and counting."""
