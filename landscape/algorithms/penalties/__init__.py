"""Methods that add a penalty over the domains to the loss, or weigh the domains' losses."""
