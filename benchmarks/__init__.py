"""Speed measured side by side with what a user would do instead; never part of the tests."""
