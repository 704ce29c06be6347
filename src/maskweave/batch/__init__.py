"""Segment many inputs as one job, on all cores of a machine or on a cluster; it can be resumed at any time."""
