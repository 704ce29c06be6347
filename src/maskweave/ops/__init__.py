"""Pure functions on arrays and masks: no files, no engines, no state."""
