"""One decoded picture: its box, orientation and colours, up to RGB."""
