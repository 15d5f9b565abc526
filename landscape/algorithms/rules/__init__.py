"""What replaces the mean gradient: a pure function of the domains' gradients, a file each."""
