"""Pure planning: desired against applied state gives typed operations, hazards, groups and batches."""
