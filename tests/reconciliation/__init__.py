"""The comparison of captured and stored chats, without any I/O."""
