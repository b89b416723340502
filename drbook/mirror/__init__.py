"""The record off the machine: each line copied as it is written, compared, and gone on with elsewhere."""
