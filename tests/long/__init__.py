"""What takes seconds: the command as a process of its own, and waits that end by patience."""
