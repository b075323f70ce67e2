"""What the outside may know of a running proxy."""
