"""Which dense neurons contribute to a decision, measured by interventions."""
