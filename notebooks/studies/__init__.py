"""What only one notebook needs; importable because notebooks run in the folder above."""
