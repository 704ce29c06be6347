"""Training of the guide: the network that boxes, clicks and old masks lead to the mask of a thing."""
