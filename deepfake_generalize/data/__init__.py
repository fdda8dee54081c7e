"""Videos in, balanced and disjoint batches of face crops out."""
