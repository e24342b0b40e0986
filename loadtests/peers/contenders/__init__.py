"""One module a contender: a process that reads a task on its standard input and answers once."""
