"""Measures of how good results are; one file a measure."""
