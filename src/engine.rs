//! Placeholder: all jails: event → effects.
