"""What the compiled core does under load, counted by gcc for its profile-guided build."""
