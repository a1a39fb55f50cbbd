"""One venue a file: what it sends, in its own words, to rows."""
