//! Wires the stages together: threads, signals, socket, restore, reload, shutdown.
//!
//! One thread owns all state and takes messages in turn; readers, workers and clients feed it and
//! never touch the state themselves.

mod clock;
mod facts;
mod inbox;
mod pidfile;
mod resolver;
mod signals;
mod socket;
mod systemd;
