"""The wiring of PAS Mirror. Importing it imports nothing else."""
