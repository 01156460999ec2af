"""What keeps the repository: figures of the code's structure, and the makers of packaged and recorded data."""
