"""Segmentation over HTTP: `maskweave serve`. Workers do it in processes of their own, with the layers below."""
