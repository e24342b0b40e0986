"""meshctl: the stack on one machine, and the registrations it is made from."""
