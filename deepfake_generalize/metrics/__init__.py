"""Arrays in, numbers out: how well a detector does, and how much it loses on unseen fakes."""
