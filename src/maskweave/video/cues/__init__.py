"""Cues for where an object is, which add up to soft masks."""
