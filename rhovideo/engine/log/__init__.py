"""What a run tells people while it goes on: its log, its lines of numbers, its warnings."""
