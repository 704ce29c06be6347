"""Measures of how good results are: one file a measure, each a `maskweave.evaluation.base.Metric`."""
