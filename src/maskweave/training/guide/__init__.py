"""Train the guide: the network that turns boxes, clicks and old masks into the mask of an object."""
