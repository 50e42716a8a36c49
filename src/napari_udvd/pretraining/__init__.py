"""How the weights to start from are made, of simulated movies; nothing imports it."""
