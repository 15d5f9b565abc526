"""Methods that change the minibatch: other images and labels than those drawn."""
