"""What dimension types that keep the past have in common: who acts, what is stamped, refused and exempt."""
