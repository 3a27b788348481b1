"""What people touch: the pages, the command line, and the studio both of them share."""
