"""What moves the weights before the gradient is taken, a file each."""
