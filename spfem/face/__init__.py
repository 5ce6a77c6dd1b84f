"""Faces in video: tracked landmarks, fitted head, aligned crops, masks and condition images."""
