"""Pictures of clips: contact sheets, films and animated pictures."""
