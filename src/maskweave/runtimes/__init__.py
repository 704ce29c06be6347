"""Inference engines: arrays in, arrays out. Import the module of the engine that you need."""
