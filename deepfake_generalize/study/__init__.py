"""The paper's tables and figures, and the benchmark that any detector can enter."""
