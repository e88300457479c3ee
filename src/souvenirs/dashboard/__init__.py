"""What the site knows about its users' activity, for people to look at and machines to ask for."""
