"""What large samples need to be trained on without being held in memory."""
