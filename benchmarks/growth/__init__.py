"""How cost grows: with workers, with edges, with idle sockets, with a backlog, and with time."""
