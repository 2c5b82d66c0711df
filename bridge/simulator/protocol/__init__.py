"""The Chat Server's side of the basic and the flex protocol, and the server socket."""
