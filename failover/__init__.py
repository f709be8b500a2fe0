"""Who is master, and the way back."""
