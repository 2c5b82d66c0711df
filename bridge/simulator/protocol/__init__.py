"""What the simulated Chat Server answers: basic and flex protocol, connections."""
