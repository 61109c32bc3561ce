"""What `coordinator init` makes: a workspace with a public and a private package.

answers -> gate -> layouts -> render: what was answered, whether it is complete, which
files there are, and how they are written, all of them or none.
"""
