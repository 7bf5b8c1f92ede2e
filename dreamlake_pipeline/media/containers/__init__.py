"""What a file is, what it claims, whether it is whole, and what streams are in it; nothing is made here."""
