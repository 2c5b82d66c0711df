"""What happens in the simulated chats: scenarios and their replay."""
