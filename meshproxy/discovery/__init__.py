"""Which endpoints each service has, and when the files that say so change."""
