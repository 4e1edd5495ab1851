"""Speed of both implementations."""
