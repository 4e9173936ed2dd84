//! The attach protocol: the thin client in a person's terminal, and the host that draws for it.
