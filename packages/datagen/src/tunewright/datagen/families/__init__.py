"""What examples are made of: wordings of requests, the programs that answer them, and answers in words."""
