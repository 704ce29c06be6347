"""What a video's frames say together: tracking, propagation, foreground and counting, one stage each."""
