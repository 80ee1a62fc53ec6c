"""The networks that MODEL.ARCH names, one file each."""
