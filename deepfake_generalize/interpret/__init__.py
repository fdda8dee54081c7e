"""Where a detector looks, and whether its relatives look there too."""
