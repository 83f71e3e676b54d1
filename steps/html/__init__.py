"""The article's markup: the tree, its markers and islands, assembling and sanitising."""
