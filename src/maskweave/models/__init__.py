"""Model families: an image in, instances or a semantic map out. One file a family; the table is in `loading`."""
