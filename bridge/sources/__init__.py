"""What delivers chats to the engine: one package per kind of source, each behind the `Source` port."""
