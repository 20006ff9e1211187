"""Models: input coding, cell and readout, joined to the sizes that the data announced."""
