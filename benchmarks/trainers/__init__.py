"""What training is measured with: one work, and contestants that do it."""
