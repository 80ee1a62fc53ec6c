"""What comes out of a study: its numbers, properties and hours, as tables in several formats. Without torch."""
