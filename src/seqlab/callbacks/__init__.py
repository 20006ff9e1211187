"""What watches the loop without being part of it."""
