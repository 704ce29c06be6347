"""Segmentation over HTTP: `maskweave serve`. Nothing here segments: processes ask the layers below."""
