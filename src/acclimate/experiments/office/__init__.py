"""Tables of photos: pairs of domains on features of a frozen backbone."""
