"""Measures of quality: one file for each, a `maskweave.evaluation.base.Metric`."""
