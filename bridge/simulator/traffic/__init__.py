"""Generated and replayed chats, and the load profile at which they are run."""
