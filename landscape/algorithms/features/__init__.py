"""What is done to features between two stages while a network trains, a file each."""
